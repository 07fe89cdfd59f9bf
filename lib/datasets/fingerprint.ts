import { createHash, type Hash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { runParts } from "../core/child";
import { bytesIn, textIn } from "../core/files";
import { type ProgressSink, silent } from "../core/progress";
import { moduleFile } from "../core/root";
import { alignmentFile, listedAlignment } from "./alignment";
import { boxesOf, boxFileOf } from "./box-file";
import { datasetFile } from "./data-rules";
import { type Digest, DigestIndex, proposalKey } from "./digest-index";
import { indexedScan } from "./embodiedscan";
import type { HashTask } from "./fingerprint-worker";
import { labelMapFile } from "./label-map";
import { proposalFiles, scanFiles } from "./scene-files";
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

/**
 * What files that serve all scenes say of one, as text; "" when they do not name it, their bytes when they are damaged.
 */
function sharedFacts(folder: string, id: string, rules: string | undefined): string {
  try {
    const facts = [listedAlignment(folder, id), indexedScan(folder, id), rules];
    return facts.every((fact) => fact === undefined) ? "" : JSON.stringify(facts);
  } catch {
    return textIn(join(folder, alignmentFile)) + textIn(join(folder, "embodiedscan.json"));
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
 * @param index what is known of the files, such as `hashScenes` gives
 * @throws UserError when files change while they are read, or a list of masks cannot be read
 */
export function sceneFingerprints(
  folder: string,
  ids: readonly string[],
  progress: ProgressSink = silent,
  index = new DigestIndex(folder),
): Map<string, SceneFingerprint> {
  const rules = textIn(datasetFile(folder)) || undefined;
  const out = new Map<string, SceneFingerprint>();
  for (const [i, id] of ids.entries()) {
    const scan = index.adopted(id) ?? index.digest(id, scanFiles(folder, id));
    const shared = sharedFacts(folder, id, rules);
    const files = proposalFiles(folder, id);
    const key = proposalKey(id);
    const proposals = files.length === 0 ? undefined : (index.adopted(key) ?? index.digest(key, files));
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

/**
 * Hashes the files of scenes that were never looked at by several processes, and keeps the digests.
 *
 * @param fewest so many scenes are worth starting processes
 * @throws UserError when files change while they are read, or after an interrupt
 */
export async function hashScenes(
  folder: string,
  ids: readonly string[],
  progress: ProgressSink = silent,
  processes = 2,
  fewest = 400,
): Promise<DigestIndex> {
  const index = new DigestIndex(folder);
  const fresh = ids.filter((id) => !index.has(id));
  if (fresh.length < fewest) return index;
  const parts = Array.from({ length: processes }, (_, part): HashTask => {
    return { folder, ids: fresh.filter((_id, i) => i % processes === part) };
  });
  const digests = await runParts<HashTask, Record<string, Digest>>(
    moduleFile("datasets", "fingerprint-worker"),
    parts,
    (done) => progress({ task: "fingerprint", done, total: fresh.length }),
    `looking at ${folder} was interrupted; run the same command again`,
  );
  for (const part of digests) index.adopt(part);
  index.save();
  return index;
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
