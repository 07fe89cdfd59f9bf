import { createHash } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { S2Config } from "../config/schema";
import { runChild } from "../core/child";
import { UserError } from "../core/errors";
import { namesIn, writeFileAtomic } from "../core/files";
import { onInterrupt } from "../core/interrupt";
import type { ProgressSink } from "../core/progress";
import { inProject } from "../core/root";
import { dataFingerprint } from "../datasets/fingerprint";
import { splitNames, splitScenes } from "../datasets/sentences";
import { trainsVision } from "../model/vision";
import { requireTower, visionFingerprint } from "../weights/pretrained";
import type { PreparedPart, PreparedScene, PrepareTask } from "./prepare-worker";
import { type CachedScene, type CacheIndex, cacheDims, SceneCache } from "./scene-cache";

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
  for (const name of namesIn(caches)) {
    const pid = /^[0-9a-f]{16}\.(\d+)\.tmp$/.exec(name)?.[1];
    if (pid !== undefined && !runs(Number(pid))) rmSync(join(caches, name), { recursive: true, force: true });
  }
}

/** Which frames are not looked at and why; undefined when all are. */
function leftOut(scenes: readonly PreparedScene[]): string | undefined {
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

/** A run on fewer scenes than its lists name would be another experiment: all that is wrong is said at once, and nothing is left out. */
function refuseBroken(broken: readonly string[], total: number, data: string): void {
  if (broken.length === 0) return;
  const most = 10;
  const more = broken.length > most ? [`and ${broken.length - most} more`] : [];
  throw new UserError(
    [
      `${broken.length} of ${total} scenes of ${data} cannot be prepared; mend them (data check says more) or take them out of scannetv2_train.txt and scannetv2_val.txt:`,
      ...broken.slice(0, most),
      ...more,
    ].join("\n  "),
  );
}

/** The results of all; when one fails the others are asked to stop and waited for, so that none writes on behind. */
async function allOrStop<T>(stop: AbortController, work: readonly Promise<T>[]): Promise<T[]> {
  let first: { readonly error: unknown } | undefined;
  const settled = await Promise.all(
    work.map((w) =>
      w.catch((error: unknown) => {
        first ??= { error };
        stop.abort();
        return undefined;
      }),
    ),
  );
  if (first !== undefined) throw first.error;
  return settled as T[];
}

/**
 * Opens the prepared scenes of a configuration, preparing them first where they are missing: features of the frozen
 * vision tower (colours where the tower trains), patch coordinates, rays, depth and box membership of every scene, made
 * by two processes.
 *
 * @throws UserError naming every scene that cannot be read, or after an interrupt; nothing half-made stays
 */
export async function prepareScenes(config: S2Config, progress: ProgressSink, processes = 2): Promise<SceneCache> {
  const data = inProject(config.data.folder);
  if (!existsSync(data))
    throw new UserError(
      `dataset folder ${config.data.folder} does not exist; make it with: npm run -s s2mllm -- data make`,
    );
  if (!trainsVision(config)) requireTower(config);
  const dims = cacheDims(config);
  const fingerprint = dataFingerprint(data);
  const key = createHash("sha256")
    .update(
      JSON.stringify({
        v: 1,
        dims,
        fingerprint,
        vision: config.vision,
        weights: visionFingerprint(config),
        coverage: config.data.coverage,
      }),
    )
    .digest("hex")
    .slice(0, 16);
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
      const parts = await allOrStop(
        stop,
        done.map((_, part) => {
          const task: PrepareTask = {
            config,
            dims,
            folder: building,
            part,
            scenes: scenes.filter((_s, i) => i % processes === part),
          };
          return runChild<PrepareTask, number, PreparedPart>(
            inProject("lib", "dataloader", "prepare-worker.ts"),
            task,
            {
              signal: stop.signal,
              onProgress: (n) => {
                done[part] = n;
                progress({ task: "prepare scenes", done: done.reduce((a, b) => a + b), total: scenes.length });
              },
            },
          );
        }),
      );
      if (stop.signal.aborted) throw new UserError("preparing scenes was interrupted; run the same command again");
      refuseBroken(
        parts.flatMap((p) => p.broken),
        scenes.length,
        config.data.folder,
      );
      const prepared = parts.flatMap((p) => p.scenes);
      const note = leftOut(prepared);
      if (note !== undefined) progress({ task: "prepare scenes", done: scenes.length, total: scenes.length, note });
      const byId = new Map(prepared.map(({ damaged: _damaged, ...s }) => [s.id, s]));
      const splits: Record<string, CachedScene[]> = { train: [], val: [] };
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
