import { createHash } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { S2Config } from "../config/schema";
import { runParts } from "../core/child";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import type { ProgressSink } from "../core/progress";
import { inProject, moduleFile, projectRoot } from "../core/root";
import { changedParts, dataFingerprint, hashScenes, sceneFingerprints } from "../datasets/fingerprint";
import { splitNames, splitScenes } from "../datasets/sentences";
import { trainsVision } from "../model/vision";
import { requireTower, visionFingerprint } from "../weights/pretrained";
import type { PrepareOutcome, PrepareTask, SceneTask } from "./prepare-worker";
import {
  type CachedScene,
  type CacheIndex,
  cacheVersion,
  isWhole,
  readIndex,
  readScene,
  SceneCache,
  sceneFile,
  writeIndex,
} from "./prepared-scenes";
import { recordDims } from "./record";

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // somebody else's process may not be asked, but it is there
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes what killed processes had begun to write into a folder of prepared scenes. */
export function sweepUnfinished(folder: string): void {
  for (const name of namesIn(folder)) {
    const pid = /\.(\d+)\.tmp$/.exec(name)?.[1];
    if (pid !== undefined && !runs(Number(pid))) rmSync(join(folder, name), { force: true });
  }
}

/**
 * Removes prepared scenes in the layout of the first version, which kept those of all scenes in a few files: gigabytes
 * that nothing reads any more.
 *
 * @returns how many folders there were
 */
function removeFirstVersion(caches: string): number {
  const old = namesIn(caches).filter(
    (name) => /^[0-9a-f]{16}$/.test(name) && existsSync(join(caches, name, "records-0.bin")),
  );
  for (const name of old) rmSync(join(caches, name), { recursive: true, force: true });
  return old.length;
}

/** Which frames are not looked at and why; undefined when all are. */
function leftOut(scenes: readonly CachedScene[]): string | undefined {
  const damaged = scenes.flatMap((s) => s.damaged.map((frame) => `${s.id} ${frame}`));
  const lost = scenes.reduce((n, s) => n + s.skippedFrames, 0) - damaged.length;
  const few = damaged.slice(0, 3).join(", ") + (damaged.length > 3 ? ", …" : "");
  const said = [
    ...(lost === 0 ? [] : [`${lost} frames without a finite pose left out`]),
    ...(damaged.length === 0
      ? []
      : [`${damaged.length} damaged frames left out (${few}): data check names what is wrong`]),
  ];
  return said.length === 0 ? undefined : said.join("; ");
}

/**
 * A run on fewer scenes than its lists name would be another experiment: all that is wrong is said at once, and nothing
 * is left out.
 */
function refuseBroken(broken: readonly string[], total: number, data: string): void {
  if (broken.length === 0) return;
  const most = 10;
  const more = broken.length > most ? [`and ${broken.length - most} more`] : [];
  throw new UserError(
    [
      `${broken.length} of ${total} scenes of ${data} cannot be prepared; mend them (data check says more) or take ` +
        "them out of scannetv2_train.txt and scannetv2_val.txt:",
      ...broken.slice(0, most),
      ...more,
    ].join("\n  "),
  );
}

const hash = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);

/** Values of `config.data` that nothing prepared depends on; a value that is added counts until it is listed here. */
const notPrepared: readonly string[] = [
  "folder",
  "frames",
  "evaluationFrames",
  "pool",
  "sentences",
  "sentenceWeights",
  "referFilters",
  "trainFrames",
  "neighbours",
  "trainScenes",
  "boxNoise",
  "blind",
  "boxes",
  "proposals",
] satisfies (keyof S2Config["data"])[];

/** Everything in a configuration that decides what is prepared of given files. */
function wayOf(config: S2Config) {
  return {
    dims: recordDims(config),
    vision: config.vision,
    weights: visionFingerprint(config),
    data: Object.fromEntries(Object.entries(config.data).filter(([name]) => !notPrepared.includes(name))),
  };
}

/** The same for configurations that share prepared scenes: their data and the way in which they are prepared. */
export const preparedBy = (config: S2Config): string => JSON.stringify([config.data.folder, wayOf(config)]);

const listedScenes = (data: string): Record<string, readonly string[]> =>
  Object.fromEntries(splitNames.map((split) => [split, splitScenes(data, split)]));

/** Prepares scenes by several processes. @throws UserError when one fails, or after an interrupt; what is done stays */
async function prepareMissing(
  missing: readonly SceneTask[],
  total: number,
  config: S2Config,
  folder: string,
  progress: ProgressSink,
  processes: number,
): Promise<void> {
  const count = Math.min(processes, missing.length);
  const tasks = Array.from({ length: count }, (_, part): PrepareTask => {
    const scenes = missing.filter((_s, i) => i % count === part);
    return { config, dims: recordDims(config), folder, scenes };
  });
  const outcomes = await runParts<PrepareTask, PrepareOutcome>(
    moduleFile("dataloader", "prepare-worker"),
    tasks,
    (done) => progress({ task: "prepare scenes", done, total: missing.length }),
    "preparing scenes was interrupted; the same command goes on where it stopped",
  );
  refuseBroken(
    outcomes.flatMap((p) => p.broken),
    total,
    config.data.folder,
  );
}

/**
 * Removes scenes whose files changed while they were prepared: nobody knows which of the two was read.
 *
 * @throws UserError naming them
 */
function refuseChanged(scenes: readonly SceneTask[], data: string, folder: string): void {
  const now = sceneFingerprints(
    data,
    scenes.map(({ id }) => id),
  );
  const changed = scenes.flatMap((scene) => {
    const parts = changedParts(scene.sources, now.get(scene.id)!);
    if (parts.length === 0) return [];
    rmSync(join(folder, sceneFile(scene)), { force: true });
    return [`${scene.id} (${parts.join(", ")})`];
  });
  if (changed.length === 0) return;
  throw new UserError(
    `${data}: ${changed.slice(0, 3).join(", ")}${changed.length > 3 ? ` and ${changed.length - 3} more scenes` : ""} ` +
      "changed while being prepared; run the same command again when the folder is complete",
  );
}

/** Absolute path of a configuration's data set. @throws UserError when it is not there */
export function dataFolder({ data: { folder } }: S2Config): string {
  const data = inProject(folder);
  if (existsSync(data)) return data;
  throw new UserError(`dataset folder ${folder} does not exist; make it with: npm run -s s2mllm -- data make`);
}

/**
 * Opens the prepared scenes of a configuration, preparing those that are missing or whose files have changed: features
 * of the frozen vision tower (colours where the tower trains), patch coordinates, rays, depth and box membership, made
 * by two processes. Scenes that are prepared stay, so that an interrupted preparation goes on where it stopped.
 *
 * @param only scenes to open as the split "val", in place of those that the folder's lists name
 * @throws UserError naming every scene that cannot be read, or after an interrupt
 */
export async function prepareScenes(
  config: S2Config,
  progress: ProgressSink,
  processes = 2,
  only?: readonly string[],
): Promise<SceneCache> {
  const data = dataFolder(config);
  if (!trainsVision(config)) requireTower(config);
  const dims = recordDims(config);
  const way = wayOf(config);
  const lists = only === undefined ? listedScenes(data) : { train: [], val: [...only] };
  const ids = [...new Set(Object.values(lists).flat())];
  const fingerprints = sceneFingerprints(data, ids, progress, await hashScenes(data, ids, progress, processes));
  const scenes = ids.map((id): SceneTask => {
    const sources = fingerprints.get(id)!;
    return { id, sources, key: hash([cacheVersion, way, sources.scan, sources.proposals]) };
  });
  // what is prepared in another way lies elsewhere; another version's lies here, so that it is found and said
  const folder = inProject("data", "cache", hash([way, data]));
  sweepUnfinished(folder);
  const say = (note: string): void =>
    progress({ task: "prepare scenes", done: 0, total: scenes.length, note: `${note}: prepared anew` });
  if (removeFirstVersion(dirname(folder)) > 0) say("scenes prepared by an earlier version are removed");
  const before = readIndex(folder);
  if (before === "other version") say(`${relative(projectRoot(), folder)} was written by another version`);
  const known = new Map(typeof before === "object" ? before.scenes.map((scene) => [scene.id, scene]) : []);
  const changed = scenes.filter(({ id, key }) => known.has(id) && known.get(id)!.key !== key);
  if (changed.length > 0) {
    const few = changed
      .slice(0, 3)
      .map(({ id, sources }) => `${id}: ${changedParts(known.get(id)!.sources, sources).join(", ")}`);
    say(
      `${changed.length} of ${scenes.length} scenes have changed since they were prepared ` +
        `(${few.join("; ")}${changed.length > 3 ? "; …" : ""})`,
    );
  }
  const find = (scene: SceneTask): CachedScene | undefined => {
    const entry = known.get(scene.id);
    return entry?.key === scene.key && isWhole(folder, entry, dims) ? entry : readScene(folder, scene, dims);
  };
  const missing = scenes.filter((scene) => find(scene) === undefined);
  if (missing.length > 0) {
    await prepareMissing(missing, scenes.length, config, folder, progress, processes);
    refuseChanged(missing, data, folder);
  }
  const entries = scenes.map((scene) => {
    const entry = find(scene);
    if (entry === undefined)
      throw new UserError(`${join(folder, sceneFile(scene))}: was removed meanwhile; run the same command again`);
    return entry;
  });
  const index: CacheIndex = {
    version: cacheVersion,
    // scenes of a folder without lists may be asked about too
    dataFingerprint: only === undefined ? dataFingerprint(data, progress, fingerprints) : hash(scenes),
    splits: lists,
    scenes: entries,
  };
  if (only === undefined && (missing.length > 0 || JSON.stringify(index) !== JSON.stringify(before))) {
    const note = leftOut(entries);
    if (note !== undefined) progress({ task: "prepare scenes", done: scenes.length, total: scenes.length, note });
    writeIndex(folder, index);
    // a scene that was prepared anew leaves its old file behind
    for (const scene of changed) rmSync(join(folder, sceneFile(known.get(scene.id)!)), { force: true });
  }
  return new SceneCache(folder, index, dims);
}
