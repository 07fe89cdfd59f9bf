import { type Box, boundsOf } from "./box";

/**
 * Square patches of `patch` pixels laid over an image from its upper left corner, row-major. Pixels that are left over
 * on the right and at the bottom belong to no patch.
 */
export interface PatchGrid {
  /** Columns of the image, to find a pixel's place in its array. */
  readonly imageCols: number;
  readonly rows: number;
  readonly cols: number;
  readonly patch: number;
}

/** As many whole patches as an image holds. */
export function patchGrid(imageRows: number, imageCols: number, patch: number): PatchGrid {
  return { imageCols, rows: Math.floor(imageRows / patch), cols: Math.floor(imageCols / patch), patch };
}

/** Offset in the image of each patch's first pixel. */
function patchCorners({ rows, cols, patch, imageCols }: PatchGrid): Int32Array {
  return Int32Array.from({ length: rows * cols }, (_, i) => (Math.floor(i / cols) * imageCols + (i % cols)) * patch);
}

export interface PatchMeans {
  /** float32[N, 3] metres; zero where nothing was measured. */
  readonly mean_N3: Float32Array;
  /** 1 where at least one pixel of the patch was measured, else 0. */
  readonly known_N: Uint8Array;
}

/**
 * Mean world coordinate of each patch over its measured pixels. With a world map whose holes are camera centres
 * (the released behaviour) every pixel counts.
 *
 * @param world [image rows, image cols, 3] metres, NaN where not measured
 */
export function patchMeans(world: ArrayLike<number>, grid: PatchGrid): PatchMeans {
  const { patch, imageCols } = grid;
  const corners = patchCorners(grid);
  const mean_N3 = new Float32Array(3 * corners.length);
  const known_N = new Uint8Array(corners.length);
  corners.forEach((corner, i) => {
    let sumX = 0,
      sumY = 0,
      sumZ = 0,
      count = 0;
    for (let v = 0; v < patch; v++) {
      let at = 3 * (corner + v * imageCols);
      for (let u = 0; u < patch; u++, at += 3) {
        const x = world[at]!;
        if (Number.isNaN(x)) continue;
        sumX += x;
        sumY += world[at + 1]!;
        sumZ += world[at + 2]!;
        count++;
      }
    }
    if (count === 0) return;
    known_N[i] = 1;
    mean_N3[3 * i] = sumX / count;
    mean_N3[3 * i + 1] = sumY / count;
    mean_N3[3 * i + 2] = sumZ / count;
  });
  return { mean_N3, known_N };
}

/** Least and greatest world coordinate of each patch, float32[N, 2, 3]; ±Infinity where nothing was measured. */
export function patchRanges(world: ArrayLike<number>, grid: PatchGrid): Float32Array {
  const { patch, imageCols } = grid;
  const corners = patchCorners(grid);
  const out = new Float32Array(corners.length * 6);
  corners.forEach((corner, i) => {
    let x0 = Infinity,
      y0 = Infinity,
      z0 = Infinity,
      x1 = -Infinity,
      y1 = -Infinity,
      z1 = -Infinity;
    for (let v = 0; v < patch; v++) {
      let at = 3 * (corner + v * imageCols);
      for (let u = 0; u < patch; u++, at += 3) {
        const x = world[at]!;
        const y = world[at + 1]!;
        const z = world[at + 2]!;
        // comparisons with NaN are false: unmeasured pixels change nothing
        if (x < x0) x0 = x;
        if (x > x1) x1 = x;
        if (y < y0) y0 = y;
        if (y > y1) y1 = y;
        if (z < z0) z0 = z;
        if (z > z1) z1 = z;
      }
    }
    out.set([x0, y0, z0, x1, y1, z1], 6 * i);
  });
  return out;
}

/**
 * How many pixels of each patch lie inside each box, borders included. Unmeasured pixels (NaN) lie in none.
 *
 * @param world [image rows, image cols, 3] metres
 * @returns int32[O, N]
 */
export function pixelsInside(world: ArrayLike<number>, grid: PatchGrid, boxes: readonly Box[]): Int32Array {
  const n = grid.rows * grid.cols;
  const out = new Int32Array(boxes.length * n);
  const ranges = patchRanges(world, grid);
  const corners = patchCorners(grid);
  const { patch, imageCols } = grid;
  boxes.forEach((box, o) => {
    const [x0, y0, z0, x1, y1, z1] = boundsOf(box);
    for (let i = 0; i < n; i++) {
      const r = 6 * i;
      if (
        ranges[r]! > x1 ||
        ranges[r + 3]! < x0 ||
        ranges[r + 1]! > y1 ||
        ranges[r + 4]! < y0 ||
        ranges[r + 2]! > z1 ||
        ranges[r + 5]! < z0
      )
        continue;
      let count = 0;
      for (let v = 0; v < patch; v++) {
        let at = 3 * (corners[i]! + v * imageCols);
        for (let u = 0; u < patch; u++, at += 3) {
          const x = world[at]!;
          if (!(x >= x0 && x <= x1)) continue;
          const y = world[at + 1]!;
          if (!(y >= y0 && y <= y1)) continue;
          const z = world[at + 2]!;
          if (z >= z0 && z <= z1) count++;
        }
      }
      out[o * n + i] = count;
    }
  });
  return out;
}

export interface MembershipRule {
  /** Share of a patch's pixels that must lie inside; the count is floored as in the released code. */
  readonly minShare: number;
  /** When no patch qualifies: the best one, if at least this share of it is inside; 0: never. */
  readonly fallbackShare: number;
}

/**
 * Which patches of all views belong to each object (paper.md 2.8).
 *
 * @param counts int32[O, V*N] from `pixelsInside`, views side by side
 * @param pixels pixels of a patch
 * @returns uint8[O, V*N] 1 = belongs
 */
export function objectPatches(counts: Int32Array, objects: number, pixels: number, rule: MembershipRule): Uint8Array {
  const out = new Uint8Array(counts.length);
  const n = objects === 0 ? 0 : counts.length / objects;
  // a patch without a single pixel inside never belongs, whatever the share
  const enough = Math.max(1, Math.floor(pixels * rule.minShare));
  for (let o = 0; o < objects; o++) {
    let best = o * n;
    let any = false;
    for (let i = o * n; i < (o + 1) * n; i++) {
      if (counts[i]! >= enough) {
        out[i] = 1;
        any = true;
      }
      if (counts[i]! > counts[best]!) best = i;
    }
    if (!any && n > 0 && rule.fallbackShare > 0 && counts[best]! >= rule.fallbackShare * pixels) out[best] = 1;
  }
  return out;
}
