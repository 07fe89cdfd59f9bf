import { UserError } from "../core/errors";
import { rowOf } from "./rigid";

/**
 * Cameras look along +z with x right and y down; pixels are u = column, v = row at whole numbers (no half pixel);
 * poses are row-major 4x4 camera-to-world. paper.md 2.1.
 */

/** Pinhole intrinsics in pixels. */
export interface Intrinsics {
  readonly fx: number;
  readonly fy: number;
  readonly cx: number;
  readonly cy: number;
}

/** What an unmeasured pixel (depth 0) becomes: not a number, or the camera centre as in the released code. */
export type Holes = "nan" | "centre";

/**
 * World points of a depth map: p = T [d K⁻¹ (u, v, 1); 1].
 *
 * @param depth [rows, cols] along the optical axis, metres; 0 = not measured
 * @returns float32[rows, cols, 3] metres
 */
export function unproject(
  depth: ArrayLike<number>,
  rows: number,
  cols: number,
  k: Intrinsics,
  pose: ArrayLike<number>,
  holes: Holes = "nan",
): Float32Array {
  const out = new Float32Array(rows * cols * 3);
  const [r00, r01, r02, tx] = rowOf(pose, 0);
  const [r10, r11, r12, ty] = rowOf(pose, 1);
  const [r20, r21, r22, tz] = rowOf(pose, 2);
  const a = Float64Array.from({ length: cols }, (_, u) => (u - k.cx) / k.fx);
  for (let v = 0, i = 0, at = 0; v < rows; v++) {
    const b = (v - k.cy) / k.fy;
    for (let u = 0; u < cols; u++, i++, at += 3) {
      const d = depth[i]!;
      if (d === 0 && holes === "nan") {
        out[at] = out[at + 1] = out[at + 2] = NaN;
        continue;
      }
      const x = a[u]! * d;
      const y = b * d;
      out[at] = r00 * x + r01 * y + r02 * d + tx;
      out[at + 1] = r10 * x + r11 * y + r12 * d + ty;
      out[at + 2] = r20 * x + r21 * y + r22 * d + tz;
    }
  }
  return out;
}

/** One coordinate of a point that a 4x4 matrix moves. */
function moved(m: ArrayLike<number>, row: number, point: ArrayLike<number>): number {
  return m[4 * row]! * point[0]! + m[4 * row + 1]! * point[1]! + m[4 * row + 2]! * point[2]! + m[4 * row + 3]!;
}

/**
 * Pixel and depth of a world point.
 *
 * @param worldToCamera inverse of the pose
 * @returns u, v in pixels and depth along the optical axis (not positive: behind the camera)
 */
export function project(
  point: ArrayLike<number>,
  k: Intrinsics,
  worldToCamera: ArrayLike<number>,
): { u: number; v: number; depth: number } {
  const depth = moved(worldToCamera, 2, point);
  return {
    u: (k.fx * moved(worldToCamera, 0, point)) / depth + k.cx,
    v: (k.fy * moved(worldToCamera, 1, point)) / depth + k.cy,
    depth,
  };
}

/** Intrinsics of the image scaled by `sx` along columns and `sy` along rows. */
export function scaleIntrinsics(k: Intrinsics, sx: number, sy: number): Intrinsics {
  return { fx: k.fx * sx, fy: k.fy * sy, cx: k.cx * sx, cy: k.cy * sy };
}

/** Intrinsics after `left` columns and `top` rows were cut off. */
export function cropIntrinsics(k: Intrinsics, left: number, top: number): Intrinsics {
  return { fx: k.fx, fy: k.fy, cx: k.cx - left, cy: k.cy - top };
}

/**
 * Square cells of `cell` pixels over an image, `rows` x `cols` of them; the pixel of a cell is its first one plus
 * floor(cell/2).
 */
export interface CellGrid {
  readonly rows: number;
  readonly cols: number;
  readonly cell: number;
}

/**
 * Unit viewing directions of cells in the world: normalise(p - o) at each cell's middle pixel, row-major (paper.md
 * 2.1.8).
 *
 * @param released with depth and pose: the released formula (p - o) / (|p - o| + 1e-6), which is zero where depth is 0;
 * without: R K⁻¹ (u, v, 1) normalised, known at every cell
 * @returns float32[rows * cols, 3]
 */
export function cellRays(
  grid: CellGrid,
  k: Intrinsics,
  pose: ArrayLike<number>,
  released?: { readonly depth: ArrayLike<number>; readonly imageCols: number },
): Float32Array {
  const out = new Float32Array(grid.rows * grid.cols * 3);
  const half = Math.floor(grid.cell / 2);
  for (let i = 0; i < grid.rows; i++) {
    for (let j = 0; j < grid.cols; j++) {
      const u = j * grid.cell + half;
      const v = i * grid.cell + half;
      const d = released === undefined ? 1 : released.depth[v * released.imageCols + u]!;
      const camera = [((u - k.cx) / k.fx) * d, ((v - k.cy) / k.fy) * d, d] as const;
      const ray = [0, 1, 2].map(
        (r) => pose[4 * r]! * camera[0] + pose[4 * r + 1]! * camera[1] + pose[4 * r + 2]! * camera[2],
      );
      const length = Math.hypot(...ray) + (released === undefined ? 0 : 1e-6);
      for (let r = 0; r < 3; r++) out[(i * grid.cols + j) * 3 + r] = ray[r]! / length;
    }
  }
  return out;
}

/** Fields of view across an image that a pinhole camera has, degrees. */
const [NARROWEST, WIDEST] = [5, 150];

/**
 * Checks numbers read from an intrinsics file.
 *
 * @param size columns and rows of the image they belong to
 * @throws UserError naming `origin` and what is wrong
 */
export function checkIntrinsics(
  k: Intrinsics,
  size: { readonly cols: number; readonly rows: number },
  origin: string,
): Intrinsics {
  const shown = `fx ${k.fx}, fy ${k.fy}, cx ${k.cx}, cy ${k.cy}`;
  const bad = (why: string): UserError =>
    new UserError(
      `${origin}: intrinsics ${why} (${shown}, image ${size.cols}x${size.rows}); export the scene again with ` +
        "its own intrinsics",
    );
  if (![k.fx, k.fy, k.cx, k.cy].every(Number.isFinite)) throw bad("must be finite numbers");
  if (k.fx <= 0 || k.fy <= 0) throw bad("must have a focal length above 0");
  if (k.cx < 0 || k.cy < 0 || k.cx > size.cols || k.cy > size.rows)
    throw bad("have their principal point outside the image");
  const degrees = (2 * Math.atan(size.cols / (2 * k.fx)) * 180) / Math.PI;
  if (degrees > WIDEST || degrees < NARROWEST)
    throw bad(`give a field of view of ${degrees.toFixed(1)} degrees, expected ${NARROWEST} to ${WIDEST}`);
  return k;
}
