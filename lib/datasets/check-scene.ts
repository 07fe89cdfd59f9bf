import { availableParallelism } from "node:os";
import { runChild } from "../core/child";
import { UserError } from "../core/errors";
import { moduleFile } from "../core/root";
import type { Box } from "../geometry/box";
import { uniformFrames } from "./frame-sampling";
import { numberingFault, proposalFile, readProposals } from "./proposals";
import { openScene, readWholeViews, type ScanNetScene } from "./scannet";
import type { SceneObject } from "./scene";
import { proveGeometry, type SceneGeometry } from "./scene-geometry";

/** What a look at one scene found. */
export interface SceneCheck {
  readonly id: string;
  /** What is wrong, one line each. */
  readonly problems: readonly string[];
  /** Undefined when it cannot be opened. */
  readonly scene?: {
    readonly kind: string;
    readonly frames: number;
    /** Why frames are left out, one entry each. */
    readonly leftOut: readonly string[];
    /** Frames whose images cannot be used, of those that were looked at. */
    readonly damaged: readonly string[];
    readonly aligned: boolean;
    readonly objects: readonly SceneObject[];
    readonly geometry?: Omit<SceneGeometry, "problems">;
  };
  /** How its proposals are stored; undefined without any. */
  readonly proposals?: string;
}

export interface SceneChecks {
  readonly folder: string;
  readonly ids: readonly string[];
  /** Side of the images that are decoded, pixels. */
  readonly imageSize: number;
  /** Every frame is decoded; else a few over the recording and the next of each, which tell nearly as much. */
  readonly everyFrame: boolean;
}

/** Places in a recording that are looked at, each with the frame behind it: the ends break first. */
const PLACES = 4;

function framesToRead(scene: ScanNetScene, everyFrame: boolean): string[] {
  const { frames } = scene;
  if (everyFrame) return [...frames];
  const places = uniformFrames(frames.length, Math.min(PLACES, frames.length));
  const chosen = new Set(places.flatMap((i) => [i, Math.min(i + 1, frames.length - 1)]));
  return [...chosen].sort((a, b) => a - b).map((i) => frames[i]!);
}

/** Opens a scene, decodes frames of it and holds it against itself. */
async function checkScene(checks: SceneChecks, id: string): Promise<SceneCheck> {
  const { folder, imageSize, everyFrame } = checks;
  const problems: string[] = [];
  const attempt = async <T>(work: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      problems.push(
        error instanceof UserError
          ? error.message
          : `${folder}: ${id}: ${(error as Error).message}; the check does not know this case`,
      );
      return undefined;
    }
  };
  const offered = await attempt(() => proposalFile(folder, id));
  const scene = await attempt(() => openScene(folder, id));
  const proposals =
    offered !== undefined && (await attempt(() => readProposals(folder, id))) !== undefined ? offered.kind : undefined;
  if (scene === undefined) return { id, problems, proposals };
  const read = await attempt(() => readWholeViews(scene, framesToRead(scene, everyFrame), imageSize));
  const geometry = read === undefined ? undefined : await attempt(() => proveGeometry(scene, read.views, imageSize));
  scene.source.close?.();
  for (const problem of geometry?.problems ?? []) problems.push(`${id}: ${problem}`);
  const fault = await attempt(() => numberingFault(folder, id, scene.objects));
  if (fault !== undefined) problems.push(fault);
  const { onMesh, inBoxes, neighbours } = geometry ?? {};
  return {
    id,
    problems,
    proposals,
    scene: {
      kind: scene.source.kind,
      frames: scene.frames.length,
      leftOut: [...scene.leftOut.values()],
      damaged: read?.reasons ?? [],
      aligned: scene.aligned,
      objects: scene.objects,
      ...(geometry === undefined ? {} : { geometry: { onMesh, inBoxes, neighbours } }),
    },
  };
}

/** The scenes one after the other. */
export async function checkEach(checks: SceneChecks, done: (id: string) => void): Promise<SceneCheck[]> {
  const out: SceneCheck[] = [];
  for (const id of checks.ids) {
    out.push(await checkScene(checks, id));
    done(id);
  }
  return out;
}

/** Fewer scenes than this are looked at faster by one process. */
const WORTH_PROCESSES = 64;
const MOST_PROCESSES = 4;

/** Checks scenes, in several processes where there are many; in the order of their ids. */
export async function checkScenes(checks: SceneChecks, done: (id: string) => void): Promise<SceneCheck[]> {
  const processes =
    checks.ids.length < WORTH_PROCESSES ? 1 : Math.min(MOST_PROCESSES, Math.max(1, availableParallelism()));
  if (processes === 1) return checkEach(checks, done);
  const shares = Array.from({ length: processes }, (_, p) => checks.ids.filter((_id, i) => i % processes === p));
  const worker = moduleFile("datasets", "check-worker");
  const found = await Promise.all(
    shares.map((ids) => runChild<SceneChecks, string, SceneCheck[]>(worker, { ...checks, ids }, { onProgress: done })),
  );
  return checks.ids.map((_, i) => found[i % processes]![Math.floor(i / processes)]!);
}

/** Whether boxes are those of the scan's own objects, by object id, within a centimetre. */
export function sameBoxes(objects: readonly SceneObject[], stated: readonly Box[]): boolean {
  return (
    objects.length === stated.length &&
    objects.every(({ box }, i) => box.every((x, k) => Math.abs(x - stated[i]![k]!) <= 0.01))
  );
}
