import { z } from "zod";
import { UserError } from "../core/errors";
import type { tf } from "../engine/tf";
import { type Intrinsics, unproject } from "../geometry/camera";
import { type PatchGrid, patchMeans, patchRanges } from "../geometry/patches";
import { type VoxelRange, voxelsOf } from "../geometry/voxels";
import { phi } from "../model/positions";
import { type Case, numbers, type Produced, valueOf } from "./case";

/** The reference drops this many rows and columns before it looks at patches (384 → 378). */
export const DROPPED = 6;

/** fx, fy, cx, cy of a row-major 4x4 (or 3x3 inside one). */
export function intrinsicsOf(matrix: readonly number[]): Intrinsics {
  return { fx: matrix[0]!, fy: matrix[5]!, cx: matrix[2]!, cy: matrix[6]! };
}

/** World map of one view, float32[rows, cols, 3], holes at the camera centre as in the reference. */
export function worldMap(
  depth: readonly number[],
  rows: number,
  cols: number,
  k: Intrinsics,
  pose: readonly number[],
): Float32Array {
  return unproject(depth, rows, cols, k, pose, "centre");
}

/** Patches of the image without its last rows and columns. */
export function croppedGrid(rows: number, cols: number, patch: number): PatchGrid {
  return {
    imageCols: cols,
    rows: Math.floor((rows - DROPPED) / patch),
    cols: Math.floor((cols - DROPPED) / patch),
    patch,
  };
}

const join = (parts: readonly Float32Array[]): number[] => parts.flatMap((part) => Array.from(part));

function discretised(c: Case, name: string, range: VoxelRange): Produced {
  return numbers(voxelsOf(c.numbers(`${name}.points`), range), c.shape(`${name}.points`));
}

/** Range and edge where the golden only has them in words: "range [-2,-1,0]..[2,1,3], voxel 0.25". */
function rangeInWords(c: Case, name: string): VoxelRange {
  const meaning = c.golden.tensors.find((t) => t.name === `${name}.points`)?.meaning ?? "";
  const match = /range \[([^\]]+)\]\.\.\[([^\]]+)\], voxel ([\d.]+)/.exec(meaning);
  if (match === null)
    throw new UserError(
      `golden ${c.name}: neither its config nor the meaning of "${name}.points" states range and voxel`,
    );
  const point = (text: string): [number, number, number] => text.split(",").map(Number) as [number, number, number];
  return { min: point(match[1]!), max: point(match[2]!), voxel: Number(match[3]) };
}

const Corner = z.tuple([z.number(), z.number(), z.number()]);

/** v3d_geometry: unprojection, patch statistics, voxel numbers and φ. */
export function runGeometry(c: Case): Map<string, Produced> {
  const produced = new Map<string, Produced>();
  if (c.has("depth_mm")) {
    const [V, H, W] = c.shape("depth_mm") as [number, number, number];
    const [depth, k, poses] = [c.numbers("depth_mm"), c.numbers("intrinsics"), c.numbers("poses")];
    const worlds = Array.from({ length: V }, (_, v) =>
      worldMap(
        depth.slice(v * H * W, (v + 1) * H * W).map((d) => d / 1000),
        H,
        W,
        intrinsicsOf(k.slice(16 * v, 16 * v + 16)),
        poses.slice(16 * v, 16 * v + 16),
      ),
    );
    produced.set("world_coords", numbers(join(worlds), [V, H, W, 3]));
    for (const patch of new Set(c.named(/^(?:avg|minmax)_patch\d+$/).map((name) => Number(/\d+$/.exec(name)![0])))) {
      const grid = croppedGrid(H, W, patch);
      produced.set(
        `avg_patch${patch}`,
        numbers(join(worlds.map((world) => patchMeans(world, grid).mean_N3)), [V, grid.rows, grid.cols, 3]),
      );
      produced.set(
        `minmax_patch${patch}`,
        numbers(join(worlds.map((world) => patchRanges(world, grid))), [V, grid.rows, grid.cols, 2, 3]),
      );
    }
  }
  if (c.has("disc.points")) {
    const disc = c.setting(
      "disc",
      z.looseObject({ min_xyz_range: Corner, max_xyz_range: Corner, voxel_size: z.number() }),
    );
    produced.set(
      "disc.voxels",
      discretised(c, "disc", { min: disc.min_xyz_range, max: disc.max_xyz_range, voxel: disc.voxel_size }),
    );
  }
  if (c.has("disc_ties.points"))
    produced.set("disc_ties.voxels", discretised(c, "disc_ties", rangeInWords(c, "disc_ties")));
  for (const name of c.named(/^pe\.\w+\.dim\d+$/)) {
    const [, source, width] = /^pe\.(\w+)\.dim(\d+)$/.exec(name)!;
    produced.set(name, valueOf(phi(c.tensor<tf.Tensor>(`pe.${source}`).toFloat(), Number(width))));
  }
  return produced;
}
