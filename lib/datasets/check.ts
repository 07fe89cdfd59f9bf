import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../core/errors";
import { type ProgressSink, silent } from "../core/progress";
import { boxesOf, boxFileOf } from "./box-file";
import { checkLists, checkSentences, checkTables, Findings, type Gap, strangeContent } from "./check-folder";
import { checkScenes, type SceneCheck, sameBoxes } from "./check-scene";
import { rulesOf } from "./data-rules";
import { captureOf, foreignCaptures, frameStore } from "./frame-source";
import { foreignScan, foreignScans } from "./layouts";
import { boxListFile, objectFiles } from "./objects";
import { scenesIn } from "./scannet";
import type { Query } from "./scene";
import { geometryRemedy, type SceneGeometry } from "./scene-geometry";

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
