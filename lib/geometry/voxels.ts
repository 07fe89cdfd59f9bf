/** Range and edge of the voxels that world coordinates are rounded to, metres. */
export interface VoxelRange {
  readonly voxel: number;
  readonly min: readonly [number, number, number];
  readonly max: readonly [number, number, number];
}

/** The nearest whole number, ties to the even one (Math.round sends them up). */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * Voxel numbers q = round((clamp(p) - min) / voxel) in float32 arithmetic, ties to even (paper.md 2.6.2).
 *
 * @param points [n, 3] metres; NaN (not measured) becomes 0
 * @returns float32[n, 3] whole numbers
 */
export function voxelsOf(points: ArrayLike<number>, { voxel, min, max }: VoxelRange): Float32Array {
  const out = new Float32Array(points.length);
  const f = Math.fround;
  const edge = f(voxel);
  for (let i = 0; i < points.length; i++) {
    const p = f(points[i]!);
    if (Number.isNaN(p)) continue;
    const low = f(min[i % 3]!);
    const clamped = Math.min(Math.max(p, low), f(max[i % 3]!));
    out[i] = roundHalfEven(f(f(clamped - low) / edge));
  }
  return out;
}
