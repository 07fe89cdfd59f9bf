import { UserError } from "../core/errors";
import type { Rng } from "../core/rng";
import { unproject } from "../geometry/camera";
import { roundHalfEven } from "../geometry/voxels";
import type { ScanNetScene } from "./scannet";

/**
 * `count` positions spread evenly over `total` frames: trunc(linspace(0, total - 1, count)). Positions repeat when
 * there are
 * fewer frames than asked for, as in the released code (paper.md 2.1.2).
 */
export function uniformFrames(total: number, count: number): number[] {
  if (total < 1 || count < 1)
    throw new UserError(`uniform sampling needs at least one frame, got ${count} of ${total}`);
  return Array.from({ length: count }, (_, i) => (count === 1 ? 0 : Math.floor((i * (total - 1)) / (count - 1))));
}

/** Edge of a voxel, metres (paper.md 3.2). */
const VOXEL = 0.1;
/** Every second frame is a candidate where that leaves at least this many, else every frame (paper.md 3.2). */
const FEWEST = 32;

/** Frames that together see as much of a scene as possible. */
export interface Coverage {
  /** In the order in which they were chosen: the next one adds the most that is not seen yet. */
  readonly frames: readonly string[];
  /** Voxels that each frame adds. */
  readonly gains: readonly number[];
  /** Voxels of the scan that any candidate frame sees. */
  readonly coverable: number;
  /** Frames that could not be read. */
  readonly damaged: readonly string[];
}

/** The voxels that points lie in, each as one number; points that are not measured (NaN) have none. */
export function voxelsSeen(points: ArrayLike<number>): Set<number> {
  const out = new Set<number>();
  // as the released code: in float32, ties to even
  const cell = (x: number): number => roundHalfEven(Math.fround(x / Math.fround(VOXEL))) + 0x8000;
  for (let i = 0; i + 2 < points.length; i += 3) {
    const key = (cell(points[i]!) * 0x10000 + cell(points[i + 1]!)) * 0x10000 + cell(points[i + 2]!);
    if (!Number.isNaN(key)) out.add(key);
  }
  return out;
}

/**
 * Chooses greedily the set that adds the most elements not chosen yet.
 *
 * @param sets what each candidate covers
 * @param most how many are chosen at most
 * @param rng decides ties
 * @returns positions in `sets` and what each adds
 */
export function greedyCoverage(
  sets: readonly ReadonlySet<number>[],
  most: number,
  rng: Rng,
): { order: number[]; gains: number[] } {
  const covered = new Set<number>();
  const left = new Set(sets.keys());
  const order: number[] = [];
  const gains: number[] = [];
  while (left.size > 0 && order.length < most) {
    let best = -1;
    let tied: number[] = [];
    for (const i of left) {
      let gain = 0;
      for (const element of sets[i]!) if (!covered.has(element)) gain++;
      if (gain > best) [best, tied] = [gain, [i]];
      else if (gain === best) tied.push(i);
    }
    const chosen = rng.pick(tied);
    for (const element of sets[chosen]!) covered.add(element);
    left.delete(chosen);
    order.push(chosen);
    gains.push(best);
  }
  return { order, gains };
}

/**
 * Maximum coverage as Video-3D-LLM samples frames (paper.md 3.2): the scan's vertices and each candidate's world
 * points are
 * rounded to voxels of 0.1 m, and frames are chosen greedily by the scan's voxels that they add.
 *
 * Departs from the released code: pixels without depth are left out instead of standing at the camera.
 *
 * @param vertices [n, 3] of the scan's mesh in the axis-aligned world, metres
 * @param most frames that are chosen at most, 32 in the release
 * @throws UserError when no candidate can be read
 */
export async function coverageOf(
  scene: ScanNetScene,
  vertices: ArrayLike<number>,
  rng: Rng,
  most = 32,
): Promise<Coverage> {
  const scan = voxelsSeen(vertices);
  const halved = scene.frames.filter((_, i) => i % 2 === 0);
  const candidates = halved.length >= FEWEST ? halved : scene.frames;
  const damaged: string[] = [];
  const seen: { frame: string; voxels: Set<number> }[] = [];
  for (const frame of candidates) {
    try {
      const { rows, cols, pixels } = await scene.source.depth(frame);
      const metres = Float32Array.from(pixels, (d) => scene.metres[d]!);
      const world = unproject(
        metres,
        rows,
        cols,
        scene.source.intrinsicsOf?.(frame) ?? scene.intrinsics,
        scene.poses[scene.frames.indexOf(frame)]!,
      );
      seen.push({ frame, voxels: new Set([...voxelsSeen(world)].filter((v) => scan.has(v))) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      damaged.push(frame);
    }
  }
  if (seen.length === 0)
    throw new UserError(
      `${scene.source.origin}: none of ${candidates.length} frames has a depth image that can be read; export ` +
        "the frames again",
    );
  const { order, gains } = greedyCoverage(
    seen.map((s) => s.voxels),
    most,
    rng,
  );
  const coverable = new Set(seen.flatMap((s) => [...s.voxels])).size;
  return { frames: order.map((i) => seen[i]!.frame), gains, coverable, damaged };
}

/**
 * The first frames of a coverage whose gains reach a share of all coverable voxels, in the order of the recording; all
 * frames for a share of 1.
 *
 * @param ratio 0.9 and 0.95 in the release
 */
export function coverageFrames({ frames, gains, coverable }: Coverage, ratio = 1): string[] {
  let [count, sum] = [0, 0];
  while (count < frames.length && (ratio >= 1 || count === 0 || sum < coverable * ratio)) sum += gains[count++]!;
  return frames.slice(0, count).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}
