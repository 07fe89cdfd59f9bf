import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import { alignmentFile } from "./alignment";
import { arkitVideos } from "./arkitscenes";
import { boxFiles } from "./box-file";
import { datasetFile, rulesOf } from "./data-rules";
import { indexedScans } from "./embodiedscan";
import { labelMapFile, readLabelMap } from "./label-map";
import type { foreignScans } from "./layouts";
import { comparePublished } from "./published";
import { readSceneList } from "./scannet";
import type { Query } from "./scene";
import { readSentences, type SentenceSet, type Split, sceneListFile, sentenceFile } from "./sentences";

/** Something that is not there, or there for some scenes only. */
export interface Gap {
  readonly what: string;
  /** What to do about it. */
  readonly todo: string;
}

const splits: readonly Split[] = ["train", "val"];
const sets: readonly SentenceSet[] = ["scanrefer", "nr3d", "sr3d"];

/** What a check collects; work that fails becomes a line instead of ending it. */
export class Findings {
  readonly recognised: string[] = [];
  readonly missing: Gap[] = [];
  readonly problems: string[] = [];

  constructor(readonly folder: string) {}

  async attempt<T>(work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.problems.push(
        error instanceof UserError
          ? error.message
          : `${this.folder}: ${(error as Error).message}; the check does not know this case`,
      );
      return undefined;
    }
  }

  /** What `work` lists; nothing when it fails. */
  async list<T>(work: () => readonly T[]): Promise<readonly T[]> {
    return (await this.attempt(work)) ?? [];
  }
}

type Others = ReturnType<typeof foreignScans>[number];

/** Where a split's list comes from. */
function missingList(other: Others | undefined, official: boolean, split: Split): string {
  const use = split === "train" ? "train" : "test";
  if (other === undefined && official) return "take ScanNet's official list (Tasks/Benchmark of its repository)";
  const download =
    other?.kind === "ARKitScenes" ? `, or download its ${split === "train" ? "Training" : "Validation"} captures` : "";
  const scans = `${other?.kind ?? "folder's"} scans`;
  return `write ${split}.txt with the names of the ${scans} to ${use} on, one a line${download}`;
}

const isOfficial = (id: string): boolean => /^scene\d{4}_\d{2}$/.test(id);

export async function checkLists(
  found: Findings,
  others: readonly Others[],
  there: readonly string[],
): Promise<Map<Split, readonly string[]>> {
  const lists = new Map<Split, readonly string[]>();
  const absent: Split[] = [];
  for (const split of splits) {
    const file = sceneListFile(found.folder, split);
    if (!existsSync(file)) {
      const videos = await found.list(() => arkitVideos(found.folder, split));
      if (videos.length > 0) lists.set(split, videos);
      else absent.push(split);
      continue;
    }
    const ids = await found.attempt(() => readSceneList(file));
    if (ids === undefined) continue;
    lists.set(split, ids);
    const verdict = comparePublished(basename(file), ids.length);
    found.recognised.push(`${basename(file)}: ${ids.length} scenes${verdict === undefined ? "" : `, ${verdict}`}`);
  }
  // an empty folder is one that ScanNet's files are going to be in
  const named = [...there, ...[...lists.values()].flat()];
  const official = others.length === 0 && (named.length === 0 || named.some(isOfficial));
  // with a list to test on, nothing is missing for whoever only evaluates
  for (const split of absent) {
    const optional = split === "train" && lists.has("val") ? "needed only to train; " : "";
    found.missing.push({
      what: basename(sceneListFile(found.folder, split)),
      todo: optional + missingList(others[0], official, split),
    });
  }
  return lists;
}

/** @returns sentences by scene, and by file how many there are */
export async function checkSentences(
  found: Findings,
  lists: ReadonlyMap<Split, unknown>,
): Promise<{ byScene: Map<string, Query[]>; counts: Record<string, number> }> {
  const counts: Record<string, number> = {};
  const byScene = new Map<string, Query[]>();
  for (const set of sets) {
    const absent = splits.filter((split) => sentenceFile(found.folder, set, split) === undefined);
    if (absent.length > 0)
      found.missing.push({
        what: `sentences of ${set} (${absent.join(", ")})`,
        todo: "needed only to train or test on them; data/README.md says where the files go",
      });
    for (const split of splits) {
      const file = sentenceFile(found.folder, set, split);
      if (file === undefined || !lists.has(split)) continue;
      const all = await found.attempt(() => readSentences(found.folder, set, split));
      if (all === undefined) continue;
      for (const q of all) {
        const list = byScene.get(q.sceneId);
        if (list === undefined) byScene.set(q.sceneId, [q]);
        else list.push(q);
      }
      counts[basename(file)] = (counts[basename(file)] ?? 0) + all.length;
      const filtered = file.endsWith(".csv")
        ? await found.attempt(() =>
            readSentences(found.folder, set, split, { mentionsTargetClass: true, maxTokens: 24 }),
          )
        : undefined;
      found.recognised.push(
        `${basename(file)} (${split}): ${all.length} sentences about ${new Set(all.map((q) => q.sceneId)).size} ` +
          "scenes" +
          (filtered === undefined ? "" : `, ${filtered.length} after ReferIt3D's own filters`),
      );
    }
  }
  for (const [name, count] of Object.entries(counts)) {
    const verdict = comparePublished(name, count);
    if (verdict !== undefined) found.recognised.push(`${name}: ${count} sentences in all, ${verdict}`);
  }
  return { byScene, counts };
}

/** Folders in which the released code keeps pickles. */
const pickleFolders = ["", "metadata", "embodiedscan", "mask3d", "mask3d_inst_seg"];

export async function checkTables(found: Findings): Promise<void> {
  const { folder } = found;
  if (existsSync(labelMapFile(folder))) {
    const map = await found.attempt(() => readLabelMap(labelMapFile(folder)));
    if (map !== undefined) found.recognised.push(`${basename(labelMapFile(folder))}: ${map.nyu40Id.size} names`);
  } else {
    found.missing.push({
      what: basename(labelMapFile(folder)),
      todo: '"unique" and "multiple" are decided by name without it; take it from ScanNet\'s release',
    });
  }
  if (existsSync(datasetFile(folder)) && (await found.attempt(() => rulesOf(folder))) !== undefined)
    found.recognised.push(basename(datasetFile(folder)));
  if (existsSync(join(folder, alignmentFile))) found.recognised.push(alignmentFile);
  const indexed = await found.attempt(() => indexedScans(folder));
  if (indexed !== undefined) found.recognised.push(`embodiedscan.json: frames of ${indexed} scans`);
  found.recognised.push(
    ...(await found.list(() => [...boxFiles(folder, "pred"), ...boxFiles(folder, "gt")])).map(
      (file) => `metadata/${basename(file)}`,
    ),
  );
  const pickles = await found.list(() =>
    pickleFolders.flatMap((sub) =>
      namesIn(join(folder, sub))
        .filter((name) => /\.(pkl|pth?)$/.test(name))
        .map((name) => join(sub, name)),
    ),
  );
  if (pickles.length > 0) {
    found.missing.push({
      what:
        `a json form of ${pickles.slice(0, 3).join(", ")}` +
        (pickles.length > 3 ? `, … (${pickles.length} files)` : ""),
      todo: "pickles are never loaded; data/README.md says how to convert them",
    });
  }
}

/** What a folder without a scene holds instead; undefined where it is empty or has some of a data set's files. */
export function strangeContent(folder: string): string | undefined {
  const known = [
    ...["scans", ...pickleFolders.filter((name) => name !== "")].map((name) => join(folder, name)),
    ...splits.map((split) => sceneListFile(folder, split)),
    labelMapFile(folder),
  ];
  const sentences = sets.some((set) => splits.some((split) => sentenceFile(folder, set, split) !== undefined));
  const names = namesIn(folder).filter((name) => name !== basename(datasetFile(folder)));
  if (names.length === 0 || sentences || known.some((path) => existsSync(path))) return undefined;
  const shown = names.slice(0, 5).map((name) => `"${name}"`);
  return (
    `${folder}: no scan in a layout that the lab reads; it holds ${shown.join(", ")}` +
    `${names.length > shown.length ? ` and ${names.length - shown.length} more` : ""}. Name the folder that holds ` +
    "scans/, or one folder a scene with frames, depth, poses and intrinsics: data/README.md has the layouts"
  );
}
