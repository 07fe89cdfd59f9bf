import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import { type ProgressSink, silent } from "../core/progress";
import type { Box } from "../geometry/box";
import { alignmentFile } from "./alignment";
import { arkitVideos } from "./arkitscenes";
import { boxesOf, boxFileOf, boxFiles } from "./box-file";
import { indexedScans } from "./embodiedscan";
import { frameStore } from "./frame-source";
import { uniformFrames } from "./frames";
import { labelMapFile, readLabelMap } from "./label-map";
import { objectFiles } from "./objects";
import { otherScan, otherScans } from "./other-sets";
import { proposalFile, readProposals } from "./proposals";
import { comparePublished } from "./published";
import { openScene, readSceneList, readWholeViews, type ScanNetScene, scenesIn } from "./scannet";
import type { Query, SceneObject } from "./scene";
import { readSentences, type SentenceSet, type Split, sceneListFile, sentenceFile } from "./sentences";

/** Something that is not there, or there for some scenes only. */
export interface Gap {
  readonly what: string;
  /** What to do about it. */
  readonly todo: string;
}

/** What a data folder holds, what it lacks, and what is broken in it. */
export interface DataReport {
  /** One line for each thing that was recognised. */
  readonly recognised: readonly string[];
  readonly missing: readonly Gap[];
  /** What is wrong, one line each. */
  readonly problems: readonly string[];
  /** Scenes that were opened, of those that the lists name (all that are there without a list). */
  readonly scenes: number;
  readonly listed: number;
  readonly frames: number;
  /** Frames left out because their pose is not finite. */
  readonly skippedFrames: number;
  /** Damaged frames among the three that were decoded of each scene. */
  readonly damagedFrames: number;
  /** Scenes that no file gives an axis alignment. */
  readonly unaligned: number;
  /** Sentences of each file. */
  readonly sentences: Readonly<Record<string, number>>;
  /** Scenes with a detector's proposals. */
  readonly proposalFiles: number;
}

const splits: readonly Split[] = ["train", "val"];
const sets: readonly SentenceSet[] = ["scanrefer", "nr3d", "sr3d"];
/** Frames of a scene that are decoded: the ends of a recording break first. */
const DECODED = 3;

/** Sorts names under what is the matter with them. */
class Tally {
  readonly #names = new Map<string, { todo: string; names: string[] }>();

  add(what: string, name: string, todo = ""): void {
    const entry = this.#names.get(what) ?? { todo, names: [] };
    entry.names.push(name);
    this.#names.set(what, entry);
  }

  lines(noun: string): { line: string; todo: string }[] {
    return [...this.#names].map(([what, { todo, names }]) => ({
      line:
        `${what}: ${names.length} ${noun}${names.length === 1 ? "" : "s"} ` +
        `(${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""})`,
      todo,
    }));
  }
}

/** Files of a scan that must be there before it can be opened. */
function missingParts(folder: string, id: string, missing: Tally): boolean {
  const files = objectFiles(folder, id);
  let whole = true;
  const need = (there: boolean, what: string, todo: string): void => {
    if (there) return;
    whole = false;
    missing.add(what, id, todo);
  };
  need(
    existsSync(join(folder, "scans", id)),
    "scan folder scans/<scene>",
    "download the scans, or leave them out of the scene list",
  );
  if (!whole) return false;
  need(
    frameStore(folder, id) !== undefined,
    "frames",
    "download the .sens files, or put their export into scans/<scene> or posed_images/<scene>",
  );
  const load = (suffix: string): string => `download it with ScanNet's script, --type ${suffix}`;
  need(existsSync(files.aggregation), "<scene>.aggregation.json", load(".aggregation.json"));
  need(existsSync(files.segments), "<scene>_vh_clean_2.0.010000.segs.json", load("_vh_clean_2.0.010000.segs.json"));
  need(existsSync(files.mesh), "<scene>_vh_clean_2.ply", load("_vh_clean_2.ply"));
  return whole;
}

/** What is wrong with sentences about an opened scene, one line for each kind. */
function wrongSentences(scene: ScanNetScene, queries: readonly Query[], wrong: Tally): void {
  for (const q of queries) {
    const target = scene.objects[q.targetId];
    const where = `${q.dataset} ${q.id}`;
    if (target === undefined)
      wrong.add(
        `${scene.id}: has objects 0 to ${scene.objects.length - 1}, but a sentence speaks of another (take the ` +
          "files of one ScanNet version)",
        where,
      );
    else if (q.anchorIds.some((id) => scene.objects[id] === undefined))
      wrong.add(
        `${scene.id}: a sentence's landmark is not among its objects 0 to ${scene.objects.length - 1} (take the ` +
          "files of one ScanNet version)",
        where,
      );
  }
}

/** What a check collects; work that fails becomes a line instead of ending it. */
class Findings {
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

type Others = ReturnType<typeof otherScans>[number];

/** Where a split's list comes from. */
function missingList(other: Others | undefined, split: Split): string {
  return other === undefined
    ? "take ScanNet's official list (Tasks/Benchmark of its repository)"
    : `write ${split}.txt with the names of the ${other.kind} scans to ${split === "train" ? "train" : "test"} ` +
        `on, one a line${other.kind === "ARKitScenes" ? `, or download its ${split === "train" ? "Training" : "Validation"} captures` : ""}`;
}

async function checkLists(found: Findings, others: readonly Others[]): Promise<Map<Split, readonly string[]>> {
  const lists = new Map<Split, readonly string[]>();
  for (const split of splits) {
    const file = sceneListFile(found.folder, split);
    if (!existsSync(file)) {
      const videos = await found.list(() => arkitVideos(found.folder, split));
      if (videos.length > 0) lists.set(split, videos);
      else found.missing.push({ what: basename(file), todo: missingList(others[0], split) });
      continue;
    }
    const ids = await found.attempt(() => readSceneList(file));
    if (ids === undefined) continue;
    lists.set(split, ids);
    const verdict = comparePublished(basename(file), ids.length);
    found.recognised.push(`${basename(file)}: ${ids.length} scenes${verdict === undefined ? "" : `, ${verdict}`}`);
  }
  return lists;
}

/** @returns sentences by scene, and by file how many there are */
async function checkSentences(
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
        todo: "needed only to train or test on them; README.md says where the files go",
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

async function checkTables(found: Findings): Promise<void> {
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
      what: `a json form of ${pickles.slice(0, 3).join(", ")}${pickles.length > 3 ? `, … (${pickles.length} files)` : ""}`,
      todo: "pickles are never loaded; README.md says how to convert them",
    });
  }
}

/**
 * Whether the boxes that the authors released are those of the scan's own objects, by object id, within a centimetre.
 */
function sameBoxes(objects: readonly SceneObject[], stated: readonly Box[]): boolean {
  return (
    objects.length === stated.length &&
    objects.every(({ box }, i) => box.every((x, k) => Math.abs(x - stated[i]![k]!) <= 0.01))
  );
}

/** Opens every scene. */
async function checkScenes(
  found: Findings,
  ids: readonly string[],
  byScene: ReadonlyMap<string, readonly Query[]>,
  imageSize: number,
  progress: ProgressSink,
): Promise<Pick<DataReport, "scenes" | "frames" | "skippedFrames" | "damagedFrames" | "unaligned" | "proposalFiles">> {
  const { folder } = found;
  const [gaps, wrong, kinds, proposals] = [new Tally(), new Tally(), new Tally(), new Tally()];
  const n = { scenes: 0, frames: 0, skippedFrames: 0, damagedFrames: 0, unaligned: 0, proposalFiles: 0 };
  for (const [i, id] of ids.entries()) {
    progress({ task: "data check", done: i + 1, total: ids.length, note: id });
    const offered = await found.attempt(() => proposalFile(folder, id));
    if (otherScan(folder, id) === undefined && !missingParts(folder, id, gaps)) continue;
    const scene = await found.attempt(() => openScene(folder, id));
    if (scene === undefined) continue;
    n.scenes++;
    kinds.add(scene.source.kind, id);
    n.frames += scene.frames.length;
    n.skippedFrames += scene.skippedFrames.length;
    if (!scene.aligned) n.unaligned++;
    const some = uniformFrames(scene.frames.length, Math.min(DECODED, scene.frames.length)).map(
      (k) => scene.frames[k]!,
    );
    const read = await found.attempt(() => readWholeViews(scene, some, imageSize));
    for (const frame of read?.damaged ?? []) {
      n.damagedFrames++;
      wrong.add(
        `${scene.source.origin}: does not decode (a neighbour is read instead; export or download it again)`,
        `frame ${frame}`,
      );
    }
    scene.source.close?.();
    const stated = await found.attempt(() => boxFileOf(folder, id, "gt"));
    const boxes = stated === undefined ? undefined : await found.attempt(() => boxesOf(stated, id));
    if (boxes !== undefined && !sameBoxes(scene.objects, boxes)) {
      wrong.add(
        `metadata/${basename(stated!)}: its boxes are not those of the scan's objects (another version of the ` +
          "scan, or no axis alignment; the scan's own are used)",
        id,
      );
    }
    wrongSentences(scene, byScene.get(id) ?? [], wrong);
    if (offered === undefined || (await found.attempt(() => readProposals(folder, id))) === undefined) continue;
    n.proposalFiles++;
    proposals.add(offered.kind, id);
  }
  found.recognised.push(
    ...kinds.lines("scene").map(({ line }) => `frames as ${line}`),
    ...proposals.lines("scene").map(({ line }) => `proposals as ${line}`),
  );
  found.missing.push(...gaps.lines("scene").map(({ line, todo }) => ({ what: line, todo })));
  found.problems.push(...wrong.lines("time").map(({ line }) => line));
  return n;
}

/**
 * Opens everything in a data folder of real scans and says what was recognised, what is missing and what is broken. A
 * folder that is still downloading is no failure of the check: it reports on what is there.
 *
 * @param imageSize side of the images that are decoded, pixels
 * @throws UserError when the folder is not there
 */
export async function checkScans(
  folder: string,
  imageSize: number,
  progress: ProgressSink = silent,
): Promise<DataReport> {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new UserError(
      `${folder} is not a folder; name the folder that holds scans/, the scene lists and the sentences`,
    );
  const found = new Findings(folder);
  const others = await found.list(() => otherScans(folder));
  const there = [...(await found.list(() => scenesIn(folder))), ...others.flatMap(({ ids }) => ids)];
  found.recognised.push(
    ...(others.length > 0
      ? others.map(({ kind, ids }) => `${kind}: ${ids.length} scans`)
      : [`scans: ${there.length} folders`]),
  );
  const lists = await checkLists(found, others);
  const ids = lists.size === 0 ? there : [...new Set([...lists.values()].flat())];
  if (ids.length === 0)
    found.missing.push({
      what: "scans",
      todo: `put ScanNet's scans into ${join(folder, "scans")}, one folder a scene`,
    });
  const { byScene, counts } = await checkSentences(found, lists);
  await checkTables(found);
  const scenes = await checkScenes(found, ids, byScene, imageSize, progress);
  const { recognised, missing, problems } = found;
  return { recognised, missing, problems, listed: ids.length, sentences: counts, ...scenes };
}
