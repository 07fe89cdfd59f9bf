import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import { type ProgressSink, silent } from "../core/progress";
import { alignmentFile } from "./alignment";
import { arkitVideos } from "./arkitscenes";
import { boxesOf, boxFileOf, boxFiles } from "./box-file";
import { checkScenes, type SceneCheck, sameBoxes } from "./check-scene";
import { datasetFile, rulesOf } from "./data-rules";
import { indexedScans } from "./embodiedscan";
import { captureOf, foreignCaptures, frameStore } from "./frame-source";
import { labelMapFile, readLabelMap } from "./label-map";
import { foreignScan, foreignScans } from "./layouts";
import { boxListFile, objectFiles } from "./objects";
import { comparePublished } from "./published";
import { readSceneList, scenesIn } from "./scannet";
import type { Query } from "./scene";
import { geometryRemedy, type SceneGeometry } from "./scene-geometry";
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
  /** Frames that are left out, and how often for which reason. */
  readonly skippedFrames: number;
  readonly leftOut: Readonly<Record<string, number>>;
  /** Shares of points on the mesh, in boxes and coinciding between neighbouring frames, by scene. */
  readonly geometry: Readonly<Record<string, Omit<SceneGeometry, "problems">>>;
  /** Damaged frames among the few that were decoded of each scene. */
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
  let whole = true;
  const need = (there: boolean, what: string, todo: string): void => {
    if (there) return;
    whole = false;
    missing.add(what, id, todo);
  };
  const scan = existsSync(join(folder, "scans", id));
  const frames = frameStore(folder, id) !== undefined;
  need(scan || frames, "scan folder scans/<scene>", "download the scans, or leave them out of the scene list");
  if (!whole) return false;
  // what a capture in a foreign form needs is said where it is opened
  if (!frames && captureOf(folder, id) !== undefined) return true;
  need(frames, "frames", "download the .sens files, or put their export into scans/<scene> or posed_images/<scene>");
  // one's own scan needs neither mesh nor segments
  if (boxListFile(folder, id) !== undefined) return true;
  const files = objectFiles(folder, id);
  const load = (suffix: string): string => `download it with ScanNet's script, --type ${suffix}`;
  need(
    existsSync(files.aggregation),
    "<scene>.aggregation.json",
    `${load(".aggregation.json")}, or write the objects' boxes into boxes.json beside the frames`,
  );
  need(existsSync(files.segments), "<scene>_vh_clean_2.0.010000.segs.json", load("_vh_clean_2.0.010000.segs.json"));
  need(existsSync(files.mesh), "<scene>_vh_clean_2.ply", load("_vh_clean_2.ply"));
  return whole;
}

/** What is wrong with sentences about an opened scene, one line for each kind. */
function wrongSentences({ id, scene }: SceneCheck, queries: readonly Query[], wrong: Tally): void {
  const objects = scene!.objects;
  for (const q of queries) {
    const where = `${q.dataset} ${q.id}`;
    if (objects[q.targetId] === undefined)
      wrong.add(
        `${id}: has objects 0 to ${objects.length - 1}, but a sentence speaks of another (take the files of one ` +
          "ScanNet version)",
        where,
      );
    else if (q.anchorIds.some((anchor) => objects[anchor] === undefined))
      wrong.add(
        `${id}: a sentence's landmark is not among its objects 0 to ${objects.length - 1} (take the files of one ` +
          "ScanNet version)",
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

async function checkLists(
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

/** The least of some shares and their median, as text. */
function summary(shares: readonly (number | undefined)[]): string {
  const known = shares.filter((x): x is number => x !== undefined).sort((a, b) => a - b);
  if (known.length === 0) return "not measured";
  const percent = (x: number): string => `${(100 * x).toFixed(1)} %`;
  return `least ${percent(known[0]!)}, median ${percent(known[known.length >> 1]!)} (${known.length} scenes)`;
}

/** Lines that say how well frames, meshes, boxes and neighbours fit, with the thresholds; scene by scene where few. */
export function geometryLines(folder: string, scenes: readonly SceneCheck[]): string[] {
  const { checks } = rulesOf(folder);
  const measured = scenes.flatMap(({ id, scene }) =>
    scene?.geometry === undefined ? [] : [{ id, ...scene.geometry }],
  );
  if (measured.length === 0) return [];
  const percent = (x: number | undefined): string => (x === undefined ? "-" : `${(100 * x).toFixed(1)} %`);
  const few = 20;
  return [
    `points on the mesh: ${summary(measured.map((m) => m.onMesh))}, at least ${100 * checks.onMesh} % expected`,
    `points in boxes: ${summary(measured.map((m) => m.inBoxes))}, at least ${100 * checks.inBoxes} % expected`,
    `neighbouring frames' points coincide: ${summary(measured.map((m) => m.neighbours))}, at least ` +
      `${100 * checks.neighbours} % expected`,
    ...(measured.length > few
      ? []
      : measured.map(
          ({ id, onMesh, inBoxes, neighbours }) =>
            `${id}: ${percent(onMesh)} on the mesh, ${percent(inBoxes)} in boxes, ${percent(neighbours)} coincide`,
        )),
  ];
}

/** What a folder without a scene holds instead; undefined where it is empty or has some of a data set's files. */
function strangeContent(folder: string): string | undefined {
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

/** Opens every scene. */
async function lookAtScenes(
  found: Findings,
  ids: readonly string[],
  byScene: ReadonlyMap<string, readonly Query[]>,
  imageSize: number,
  progress: ProgressSink,
): Promise<Omit<DataReport, "recognised" | "missing" | "problems" | "listed" | "sentences">> {
  const { folder } = found;
  const [gaps, wrong, kinds, proposals] = [new Tally(), new Tally(), new Tally(), new Tally()];
  const n = { scenes: 0, frames: 0, skippedFrames: 0, damagedFrames: 0, unaligned: 0, proposalFiles: 0 };
  const leftOut: Record<string, number> = {};
  const whole = ids.filter((id) => foreignScan(folder, id) !== undefined || missingParts(folder, id, gaps));
  let done = ids.length - whole.length;
  const checks = await checkScenes({ folder, ids: whole, imageSize, everyFrame: false }, (id) =>
    progress({ task: "data check", done: ++done, total: ids.length, note: id }),
  );
  let unfit = false;
  for (const check of checks) {
    const { id, scene } = check;
    found.problems.push(...check.problems);
    unfit ||= check.problems.some((problem) => problem.includes("(checks."));
    if (check.proposals !== undefined) {
      n.proposalFiles++;
      proposals.add(check.proposals, id);
    }
    if (scene === undefined) continue;
    n.scenes++;
    kinds.add(scene.kind, id);
    n.frames += scene.frames;
    n.skippedFrames += scene.leftOut.length;
    for (const reason of scene.leftOut) leftOut[reason] = (leftOut[reason] ?? 0) + 1;
    if (!scene.aligned) n.unaligned++;
    n.damagedFrames += scene.damaged.length;
    for (const frame of scene.damaged) wrong.add(`${frame} (a neighbour is read instead)`, id);
    const stated = await found.attempt(() => boxFileOf(folder, id, "gt"));
    const boxes = stated === undefined ? undefined : await found.attempt(() => boxesOf(stated, id));
    if (boxes !== undefined && !sameBoxes(scene.objects, boxes)) {
      wrong.add(
        `metadata/${basename(stated!)}: its boxes are not those of the scan's objects (another version of the scan, ` +
          "or no axis alignment; the scan's own are used)",
        id,
      );
    }
    wrongSentences(check, byScene.get(id) ?? [], wrong);
  }
  if (unfit) found.problems.push(`where frames, mesh, boxes or neighbours do not fit: ${geometryRemedy}`);
  found.recognised.push(
    ...kinds.lines("scene").map(({ line }) => `frames as ${line}`),
    ...proposals.lines("scene").map(({ line }) => `proposals as ${line}`),
    ...geometryLines(folder, checks),
  );
  found.missing.push(...gaps.lines("scene").map(({ line, todo }) => ({ what: line, todo })));
  found.problems.push(...wrong.lines("time").map(({ line }) => line));
  const geometry = Object.fromEntries(
    checks.flatMap(({ id, scene }) => (scene?.geometry === undefined ? [] : [[id, scene.geometry]])),
  );
  return { ...n, leftOut, geometry };
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
  const others = await found.list(() => foreignScans(folder));
  const there = [...new Set([...(await found.list(() => scenesIn(folder))), ...others.flatMap(({ ids }) => ids)])];
  found.recognised.push(
    ...(others.length > 0
      ? others.map(({ kind, ids }) => `${kind}: ${ids.length} scans`)
      : [`scans: ${there.length} folders`]),
  );
  const captures = there.length === 0 ? await found.list(() => foreignCaptures(folder)) : [];
  found.problems.push(...captures);
  const strange = there.length + captures.length === 0 ? await found.attempt(() => strangeContent(folder)) : undefined;
  if (strange !== undefined) {
    const { recognised, problems } = found;
    const nothing = await lookAtScenes(found, [], new Map(), imageSize, progress);
    return { recognised, missing: [], problems: [...problems, strange], listed: 0, sentences: {}, ...nothing };
  }
  const lists = await checkLists(found, others, there);
  const ids = lists.size === 0 ? there : [...new Set([...lists.values()].flat())];
  if (ids.length === 0 && captures.length === 0)
    found.missing.push({
      what: "scans",
      todo: `put ScanNet's scans into ${join(folder, "scans")}, one folder a scene`,
    });
  const { byScene, counts } = await checkSentences(found, lists);
  await checkTables(found);
  const scenes = await lookAtScenes(found, ids, byScene, imageSize, progress);
  const { recognised, missing, problems } = found;
  return { recognised, missing, problems, listed: ids.length, sentences: counts, ...scenes };
}
