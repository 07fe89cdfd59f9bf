import { createHash, type Hash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { crc32 } from "node:zlib";
import { z } from "zod";
import { UserError } from "../core/errors";
import { bytesIn, textIn, writeFileAtomic } from "../core/files";
import { type ProgressSink, silent } from "../core/progress";
import { inProject } from "../core/root";
import { contentOf } from "../io/file-digest";
import { alignmentFile } from "./alignment";
import { boxesOf, boxFileOf } from "./box-file";
import { datasetFile } from "./data-rules";
import { indexedScan } from "./embodiedscan";
import { labelMapFile } from "./label-map";
import { proposalFiles, type SceneFile, scanFiles } from "./scene-files";
import { sceneListFile, sentenceFile, sentenceSets, splitNames, splitScenes } from "./sentences";

/** What identifies a scene as preparing reads it. */
export interface SceneFingerprint {
  /** sha256 over the names and contents of the scan's files, 64 hexadecimal digits. */
  readonly scan: string;
  /** The same of its proposals; "" without any. */
  readonly proposals: string;
  /** A checksum of each part, for saying which one changed. */
  readonly parts: Readonly<Record<string, string>>;
}

/** Digest of some files and what they looked like (names, sizes, times) when it was made. */
const Digest = z.strictObject({
  seen: z.string(),
  content: z.string(),
  parts: z.record(z.string(), z.string()),
});
type Digest = z.infer<typeof Digest>;

/** Raised when a file's content is hashed in another way. */
const VERSION = 1;
const Index = z.strictObject({
  version: z.literal(VERSION),
  folder: z.string(),
  digests: z.record(z.string(), Digest),
});

/** A file that changed this short a time ago may change again without another date, milliseconds. */
const FRESH = 1000;
/** Hashing that took less than this is not worth a file, milliseconds. */
const WORTH_KEEPING = 250;

/**
 * Digests of a data folder's files, kept in data/cache/fingerprints so that a second look asks for sizes and dates
 * alone.
 */
class DigestIndex {
  readonly #file: string;
  readonly #folder: string;
  readonly #digests: Map<string, Digest>;
  #spent = 0;

  constructor(folder: string) {
    this.#folder = resolve(folder);
    const name = createHash("sha256").update(this.#folder).digest("hex").slice(0, 16);
    this.#file = inProject("data", "cache", "fingerprints", `${name}.json`);
    this.#digests = new Map(Object.entries(this.#read()));
  }

  /** What was kept; nothing where there is none, or one that another version wrote or that is damaged. */
  #read(): Record<string, Digest> {
    try {
      const parsed = Index.safeParse(JSON.parse(textIn(this.#file) || "{}"));
      return parsed.success && parsed.data.folder === this.#folder ? parsed.data.digests : {};
    } catch {
      return {};
    }
  }

  /** @throws UserError when a file changes while it is read */
  digest(key: string, files: readonly SceneFile[]): Digest {
    const look = lookAt(files);
    const known = this.#digests.get(key);
    if (known?.seen === look.seen) return known;
    const started = Date.now();
    const digest = { seen: look.seen, ...hashed(look.there) };
    const again = lookAt(files);
    if (again.seen !== look.seen)
      throw new UserError(
        `${files[0]!.path}: files of ${key} changed while they were read; try again when their copying has ended`,
      );
    this.#spent += Date.now() - started;
    if (look.newest < started - FRESH) this.#digests.set(key, digest);
    else this.#digests.delete(key);
    return digest;
  }

  save(): void {
    if (this.#spent < WORTH_KEEPING) return;
    const index: z.infer<typeof Index> = {
      version: VERSION,
      folder: this.#folder,
      digests: Object.fromEntries(this.#digests),
    };
    writeFileAtomic(this.#file, JSON.stringify(index));
    this.#spent = 0;
  }
}

type Present = SceneFile & { readonly size: number };

/** The files that are there, and a digest of their names, sizes and times. */
function lookAt(files: readonly SceneFile[]): { there: Present[]; seen: string; newest: number } {
  const there: Present[] = [];
  let newest = 0;
  let seen = "";
  for (const file of files) {
    const stat = statSync(file.path, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile()) continue;
    const { size, mtimeMs, ctimeMs } = stat;
    newest = Math.max(newest, mtimeMs, ctimeMs);
    seen += `${file.name}\0${size}\0${mtimeMs}\0${ctimeMs}\n`;
    there.push({ ...file, size });
  }
  return { there, seen: createHash("sha256").update(seen).digest("hex").slice(0, 32), newest };
}

function hashed(files: readonly Present[]): Omit<Digest, "seen"> {
  const whole = createHash("sha256");
  const parts: Record<string, number> = {};
  for (const { name, path, part, size } of files) {
    const content = contentOf(path, size);
    whole.update(name).update("\0").update(content).update("\0");
    parts[part] = crc32(content, crc32(name, parts[part] ?? 0));
  }
  return {
    content: whole.digest("hex"),
    parts: Object.fromEntries(Object.entries(parts).map(([part, sum]) => [part, sum.toString(16)])),
  };
}

/**
 * What files that serve all scenes say of one, as text; "" when they do not name it, their bytes when they are damaged.
 */
function sharedFacts(folder: string, id: string, alignment: string, rules: string | undefined): string {
  try {
    const matrices = alignment === "" ? undefined : (JSON.parse(alignment) as Record<string, unknown>)[id];
    const facts = [matrices, indexedScan(folder, id), rules];
    return facts.every((fact) => fact === undefined) ? "" : JSON.stringify(facts);
  } catch {
    return alignment + textIn(join(folder, "embodiedscan.json"));
  }
}

function releasedBoxes(folder: string, id: string): string {
  const file = boxFileOf(folder, id);
  return file === undefined ? "" : JSON.stringify(boxesOf(file, id));
}

const sha256 = (...texts: readonly string[]): string =>
  texts.reduce((hash, text) => hash.update(text).update("\0"), createHash("sha256")).digest("hex");

/**
 * Identifies scenes by every file that preparing one reads, by content: frames, poses, cameras, mesh, annotations and
 * proposals, masks that a list names among them. Names and contents count, dates and places do not, so that a copy on
 * another machine has the same. Files beyond 64 MB are sampled (`contentOf` says how).
 *
 * @throws UserError when files change while they are read, or a list of masks cannot be read
 */
export function sceneFingerprints(
  folder: string,
  ids: readonly string[],
  progress: ProgressSink = silent,
): Map<string, SceneFingerprint> {
  const index = new DigestIndex(folder);
  const alignment = textIn(join(folder, alignmentFile));
  const rules = textIn(datasetFile(folder)) || undefined;
  const out = new Map<string, SceneFingerprint>();
  for (const [i, id] of ids.entries()) {
    const scan = index.digest(id, scanFiles(folder, id));
    const shared = sharedFacts(folder, id, alignment, rules);
    const files = proposalFiles(folder, id);
    const proposals = files.length === 0 ? undefined : index.digest(`${id} proposals`, files);
    const boxes = proposals === undefined ? releasedBoxes(folder, id) : "";
    out.set(id, {
      scan: shared === "" ? scan.content : sha256(scan.content, shared),
      proposals: proposals?.content ?? (boxes === "" ? "" : sha256(boxes)),
      parts: {
        ...scan.parts,
        ...(shared === "" ? {} : { "alignment, frame index and rules": crc32(shared).toString(16) }),
        ...proposals?.parts,
        ...(boxes === "" ? {} : { proposals: crc32(boxes).toString(16) }),
      },
    });
    progress({ task: "fingerprint", done: i + 1, total: ids.length });
  }
  index.save();
  return out;
}

/** The parts in which two looks at a scene differ, in words; none when it is the same. */
export function changedParts(before: SceneFingerprint, after: SceneFingerprint): string[] {
  const parts = new Set([...Object.keys(before.parts), ...Object.keys(after.parts)]);
  const changed = [...parts].filter((part) => before.parts[part] !== after.parts[part]);
  const same = before.scan === after.scan && before.proposals === after.proposals;
  return changed.length > 0 || same ? changed : ["files"];
}

/** Files that serve all scenes: scene lists, sentences, label map. In this order S2-Rooms' maker hashes them. */
function sharedFiles(folder: string): string[] {
  const lists = splitNames.map((split) => sceneListFile(folder, split));
  const sentences = sentenceSets.flatMap((set) => splitNames.map((split) => sentenceFile(folder, set, split)));
  return [...lists, ...sentences, labelMapFile(folder)].filter((file): file is string => file !== undefined);
}

function addFile(hash: Hash, folder: string, file: string): void {
  if (!existsSync(file)) return;
  const name = file.slice(folder.length + 1).replaceAll("\\", "/");
  hash.update(`${name}\0`).update(readFileSync(file)).update("\0");
}

/**
 * Identifies a data folder by everything in it that a run depends on: scans, scene lists, sentences, label map and
 * proposals, by content. Of S2-Rooms as its maker left them it is the fingerprint in their rooms.json, which is not
 * believed but found again.
 *
 * @param known the fingerprints of all its scenes, where somebody has just made them
 * @returns 12 hexadecimal digits
 * @throws UserError when the folder has no lists, or files change while they are read
 */
export function dataFingerprint(
  folder: string,
  progress: ProgressSink = silent,
  known?: ReadonlyMap<string, SceneFingerprint>,
): string {
  const lists = splitNames.map((split) => [...splitScenes(folder, split)]);
  const ids = lists.flat();
  const scenes = known ?? sceneFingerprints(folder, ids, progress);
  const hash = createHash("sha256");
  for (const id of ids) hash.update(`${id} ${scenes.get(id)!.scan}\n`);
  for (const file of new Set(sharedFiles(folder))) addFile(hash, folder, file);
  for (const id of ids) {
    const own = join(folder, "proposals", `${id}.json`);
    if (bytesIn(own) >= 0) addFile(hash, folder, own);
    else if (scenes.get(id)!.proposals !== "") hash.update(`${id} ${scenes.get(id)!.proposals}\n`);
  }
  return hash.digest("hex").slice(0, 12);
}

/** The fingerprint of a folder that is complete enough to have one; undefined where there are no data, or not yet. */
export function fingerprintHere(folder: string): string | undefined {
  return splitNames.every((split) => existsSync(sceneListFile(folder, split))) ? dataFingerprint(folder) : undefined;
}
