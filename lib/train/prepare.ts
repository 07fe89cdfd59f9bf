import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { S2Config } from "../config/schema";
import { runChild } from "../core/child";
import { UserError } from "../core/errors";
import { writeFileAtomic } from "../core/files";
import { onInterrupt } from "../core/interrupt";
import type { ProgressSink } from "../core/progress";
import { inProject } from "../core/root";
import { scansFingerprint } from "../datasets/fingerprint";
import { splitScenes } from "../datasets/sentences";
import { trainsVision } from "../model/vision";
import type { PreparedPart, PrepareTask } from "./prepare-part";
import { requireTower, visionFingerprint } from "./pretrained";
import { cacheDims, SceneCache, type CacheIndex } from "./scene-cache";

const splitNames = ["train", "val"] as const;


/** Fingerprint of a dataset folder: what its maker wrote, or what its scans offer. */
export function dataFingerprint(folder: string): string {
  const manifest = join(folder, "rooms.json");
  if (existsSync(manifest)) return (JSON.parse(readFileSync(manifest, "utf8")) as { fingerprint: string }).fingerprint.slice(0, 12);
  const lists = splitNames.map((split) => splitScenes(folder, split));
  return createHash("sha256").update(JSON.stringify([lists, scansFingerprint(folder, lists.flat())])).digest("hex").slice(0, 12);
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // somebody else's process may not be asked, but it is there
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes what killed processes had begun to prepare: a gigabyte each, and nobody goes on with it. */
export function sweepUnfinished(caches: string): void {
  if (!existsSync(caches)) return;
  for (const name of readdirSync(caches)) {
    const pid = /^[0-9a-f]{16}\.(\d+)\.tmp$/.exec(name)?.[1];
    if (pid !== undefined && !runs(Number(pid))) rmSync(join(caches, name), { recursive: true, force: true });
  }
}

/** The results of all; when one fails the others are asked to stop and waited for, so that none writes on behind. */
async function allOrStop<T>(stop: AbortController, work: readonly Promise<T>[]): Promise<T[]> {
  let first: { readonly error: unknown } | undefined;
  const settled = await Promise.all(work.map((w) => w.catch((error: unknown) => {
    first ??= { error };
    stop.abort();
    return undefined;
  })));
  if (first !== undefined) throw first.error;
  return settled as T[];
}

/**
 * Opens the prepared scenes of a configuration, preparing them first where they are missing: features of the frozen
 * vision tower (colours where the tower trains), patch coordinates, rays, depth and box membership of every scene, made
 * by two processes.
 *
 * @throws UserError for a scene that cannot be read, or after an interrupt; nothing half-made stays
 */
export async function prepareScenes(config: S2Config, progress: ProgressSink, processes = 2): Promise<SceneCache> {
  const data = inProject(config.data.folder);
  if (!existsSync(data)) throw new UserError(`dataset folder ${config.data.folder} does not exist; make it with: npm run -s s2mllm -- data make`);
  if (!trainsVision(config)) requireTower(config);
  const dims = cacheDims(config);
  const fingerprint = dataFingerprint(data);
  const key = createHash("sha256").update(JSON.stringify({ v: 1, dims, fingerprint, vision: config.vision, weights: visionFingerprint(config), coverage: config.data.coverage })).digest("hex").slice(0, 16);
  const folder = inProject("data", "cache", key);
  sweepUnfinished(dirname(folder));
  if (!existsSync(join(folder, "index.json"))) {
    const building = `${folder}.${process.pid}.tmp`;
    rmSync(building, { recursive: true, force: true });
    mkdirSync(building, { recursive: true });
    const stop = new AbortController();
    const forget = onInterrupt(() => stop.abort());
    try {
      const scenes = splitNames.flatMap((split) => splitScenes(data, split).map((id) => ({ id, split })));
      const done = new Array<number>(processes).fill(0);
      const parts = await allOrStop(stop, done.map((_, part) => {
        const task: PrepareTask = { config, dims, folder: building, part, scenes: scenes.filter((_s, i) => i % processes === part) };
        return runChild<PrepareTask, number, PreparedPart>(inProject("lib", "train", "prepare-part.ts"), task, {
          signal: stop.signal,
          onProgress: (n) => {
            done[part] = n;
            progress({ task: "prepare scenes", done: done.reduce((a, b) => a + b), total: scenes.length });
          },
        });
      }));
      if (stop.signal.aborted) throw new UserError("preparing scenes was interrupted; run the same command again");
      const lost = parts.flat().reduce((n, s) => n + s.skippedFrames, 0);
      if (lost > 0) progress({ task: "prepare scenes", done: scenes.length, total: scenes.length, note: `${lost} frames without a finite pose left out` });
      const byId = new Map(parts.flat().map((s) => [s.id, s]));
      const splits: Record<string, PreparedPart[number][]> = { train: [], val: [] };
      for (const { id, split } of scenes) splits[split]!.push(byId.get(id)!);
      const index: CacheIndex = { key, dataFingerprint: fingerprint, dims, splits };
      writeFileAtomic(join(building, "index.json"), JSON.stringify(index));
      rmSync(folder, { recursive: true, force: true });
      renameSync(building, folder);
    } finally {
      forget();
      rmSync(building, { recursive: true, force: true });
    }
  }
  return SceneCache.open(folder);
}
