import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import pLimit from "p-limit";
import { z } from "zod";
import { runChild } from "../../core/child";
import { UserError } from "../../core/errors";
import { writeFileAtomic } from "../../core/files";
import { type ProgressSink, silent } from "../../core/progress";
import { inProject, moduleFile } from "../../core/root";
import { parseJson } from "../json-file";
import { configHash, manifestFile, planRooms, type RoomPlan, RoomsConfig, roomSets, roomsVersion } from "./config";
import { labelMapTsv, nr3dCsv, scanReferJson, sr3dCsv } from "./referring";
import { finishedRoom, type RoomContents, type RoomRecord, roomContents, sceneFolder, writeRoom } from "./scan";
import type { Job } from "./worker";

/** The manifest, written last: its presence says that the folder is complete. */
const RoomsManifest = z.object({
  name: z.string(),
  version: z.int(),
  seed: z.int(),
  // of an older version too: what it lacks or has beside is compared, not refused
  config: z.custom<RoomsConfig>((value) => typeof value === "object" && value !== null),
  /** sha256 over every file of the data set. */
  fingerprint: z.string(),
  rooms: z.object({ train: z.int(), val: z.int() }),
  sentences: z.object({ train: z.int(), val: z.int() }),
});
export type RoomsManifest = z.infer<typeof RoomsManifest>;

/** The manifest of a folder that `makeRooms` finished; undefined for any other folder. */
export function readManifest(folder: string): RoomsManifest | undefined {
  const file = manifestFile(folder);
  return existsSync(file)
    ? parseJson(file, RoomsManifest, "what the rooms were made with", 'run "data make" again')
    : undefined;
}

/** Most rooms of one process's job: starting a process takes as long as making ten. */
const JOB = 400;

export interface MakeOptions {
  /** Processes; rooms are made in this one when it is 1 or there are few. */
  readonly workers?: number;
  readonly progress?: ProgressSink;
}

/** Temporary folders that an interrupted run left behind. */
function sweep(folder: string): void {
  const scans = join(folder, "scans");
  if (!existsSync(scans)) return;
  for (const name of readdirSync(scans))
    if (/^scene\d{4}_00\.\d+\.tmp$/.test(name)) rmSync(join(scans, name), { recursive: true });
}

/**
 * Writes S2-Rooms into `folder` in ScanNet's layout. Rooms that are already there with the same config are kept, so an
 * interrupted run goes on where it stopped and a second run does nothing.
 *
 * @throws UserError when the folder holds scans that are not this maker's
 */
export async function makeRooms(
  folder: string,
  config: RoomsConfig,
  options: MakeOptions = {},
): Promise<RoomsManifest> {
  const { workers = availableParallelism(), progress = silent } = options;
  const plans = planRooms(config);
  const ready = readManifest(folder);
  if (ready !== undefined && configHash(ready.config) === configHash(config) && ready.version === roomsVersion) {
    // the manifest vouches for the rooms; only their presence is looked at again
    if (
      plans.every((plan) => statSync(sceneFolder(folder, plan.id), { throwIfNoEntry: false })?.isDirectory() === true)
    )
      return ready;
  }
  rmSync(manifestFile(folder), { force: true });
  mkdirSync(join(folder, "scans"), { recursive: true });
  sweep(folder);
  const missing = plans.filter((plan) => finishedRoom(folder, plan.id, config) === undefined);
  let done = plans.length - missing.length;
  const task = `S2-Rooms "${config.name}"`;
  const onRoom = (): void => progress({ task, done: ++done, total: plans.length, note: "rooms" });
  if (workers <= 1 || missing.length <= 16) {
    for (const plan of missing) {
      await writeRoom(folder, config, plan);
      onRoom();
    }
  } else {
    const size = Math.min(JOB, Math.ceil(missing.length / workers));
    const jobs = Array.from({ length: Math.ceil(missing.length / size) }, (_, i): Job => {
      return { folder, config, rooms: missing.slice(i * size, (i + 1) * size) };
    });
    const worker = moduleFile("datasets", "rooms", "worker");
    const limit = pLimit(workers);
    const stop = new AbortController();
    try {
      await limit.map(jobs, (job) =>
        runChild<Job, string, void>(worker, job, { onProgress: onRoom, signal: stop.signal }),
      );
    } catch (error) {
      limit.clearQueue();
      stop.abort();
      throw new UserError(
        `making rooms stopped: ${(error as Error).message}; run the same command again to go on where it stopped`,
      );
    }
  }
  return writeIndex(folder, config, plans);
}

/** The config of a known set's own folder, data/rooms/<name>, as long as its rooms are not all made. */
function unmadeSet(folder: string): RoomsConfig | undefined {
  const at = inProject(folder);
  const name = basename(at);
  if (at !== inProject("data", "rooms", name) || !Object.hasOwn(roomSets, name) || readManifest(at) !== undefined)
    return undefined;
  return RoomsConfig.parse(roomSets[name as keyof typeof roomSets]);
}

/** Makes the rooms of a known set that is not there yet: data/rooms/<name>. Any other folder is left alone. */
export async function makeNamedRooms(folder: string, progress: ProgressSink): Promise<void> {
  const config = unmadeSet(folder);
  if (config !== undefined) await makeRooms(inProject(folder), config, { progress });
}

/** A room of a known set, with its config, as long as the set's rooms are not all made. */
function unmadeRoom(folder: string, id: string): [RoomsConfig, RoomPlan] | undefined {
  const config = unmadeSet(folder);
  const plan = config && planRooms(config).find((room) => room.id === id);
  return plan && [config!, plan];
}

/**
 * Makes one room of a known set that is not there yet, to look at it. It lies in data/cache, so that the set's own
 * folder is not there by half.
 *
 * @returns the folder that holds the scene: `folder` for any other
 */
export async function makeNamedRoom(folder: string, id: string): Promise<string> {
  const [config, plan] = unmadeRoom(folder, id) ?? [];
  if (plan === undefined) return folder;
  const place = inProject("data", "cache", "rooms", basename(inProject(folder)));
  if (finishedRoom(place, id, config!) === undefined) await writeRoom(place, config!, plan);
  return place;
}

/** Contents of rooms that were asked for: each is drawn once. */
const drawn = new Map<string, RoomContents>();

/** Boxes and mesh of a room of a known set that is not made yet; nothing is written. Undefined for any other scene. */
export function unmadeContents(folder: string, id: string): RoomContents | undefined {
  const room = unmadeRoom(folder, id);
  if (room === undefined) return undefined;
  const key = `${configHash(room[0])} ${id}`;
  const contents = drawn.get(key) ?? roomContents(...room);
  drawn.set(key, contents);
  return contents;
}

/** The files that span rooms: split lists, sentences, proposals, label map, manifest. */
function writeIndex(folder: string, config: RoomsConfig, plans: readonly RoomPlan[]): RoomsManifest {
  const records = plans.map((plan): RoomRecord => {
    const record = finishedRoom(folder, plan.id, config);
    if (record === undefined)
      throw new UserError(`${sceneFolder(folder, plan.id)} has gone while rooms were made; run the same command again`);
    return record;
  });
  const train = records.filter((r) => r.split === "train");
  const val = records.filter((r) => r.split === "val");
  const list = (rooms: readonly RoomRecord[]): string => `${rooms.map((r) => r.id).join("\n")}\n`;
  const all: readonly (readonly [string, string])[] = [
    ["scannetv2_train.txt", list(train)],
    ["scannetv2_val.txt", list(val)],
    ["ScanRefer_filtered_train.json", scanReferJson(train)],
    ["ScanRefer_filtered_val.json", scanReferJson(val)],
    ["sr3d_train.csv", sr3dCsv(train)],
    ["sr3d_test.csv", sr3dCsv(val)],
    ["nr3d_train.csv", nr3dCsv(train)],
    ["nr3d_test.csv", nr3dCsv(val)],
    ["scannetv2-labels.combined.tsv", labelMapTsv()],
    ...val.map(
      (r) => [`proposals/${r.id}.json`, `${JSON.stringify({ scene: r.id, proposals: r.proposals })}\n`] as const,
    ),
  ];
  // depth beyond the lab's threshold of plausible is right in rooms that were made larger
  const { scale = 1 } = config;
  const rules = JSON.stringify({ checks: { farthest: 20 * scale, tolerance: 0.1 * scale } });
  // a set to test on has no lists of training rooms; descriptions of several clauses are in ScanRefer's form alone
  const files = new Map(
    (scale === 1 ? all : [...all, ["dataset.json", rules] as const]).filter(
      ([name]) =>
        (train.length > 0 || !/_train\.(txt|json|csv)$/.test(name)) && !(config.natural && name.endsWith(".csv")),
    ),
  );
  const hash = createHash("sha256");
  for (const record of records) hash.update(`${record.id} ${record.content}\n`);
  for (const [name, text] of files) {
    hash.update(`${name}\0${text}\0`);
    writeFileAtomic(join(folder, name), text);
  }
  const count = (rooms: readonly RoomRecord[]): number => rooms.reduce((n, r) => n + r.sentences.length, 0);
  const manifest: RoomsManifest = {
    name: config.name,
    version: roomsVersion,
    seed: config.seed,
    config,
    fingerprint: hash.digest("hex"),
    rooms: { train: train.length, val: val.length },
    sentences: { train: count(train), val: count(val) },
  };
  writeFileAtomic(manifestFile(folder), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}
