import { rowOf } from "./rigid";

/**
 * The rotation by |v| radians about v, right-handed (Rodrigues' formula): 3x3 row-major.
 *
 * @param v axis times angle
 */
export function rotationOf(v: ArrayLike<number>): Float64Array {
  const angle = Math.hypot(v[0]!, v[1]!, v[2]!);
  if (angle === 0) return Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
  const [x, y, z] = [v[0]! / angle, v[1]! / angle, v[2]! / angle];
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const d = 1 - c;
  return Float64Array.of(
    c + x * x * d,
    x * y * d - z * s,
    x * z * d + y * s,
    y * x * d + z * s,
    c + y * y * d,
    y * z * d - x * s,
    z * x * d - y * s,
    z * y * d + x * s,
    c + z * z * d,
  );
}

/**
 * A pose from a translation and a quaternion: row-major 4x4.
 *
 * @param numbers tx ty tz qx qy qz qw; the quaternion need not be of length one
 */
export function poseOf(numbers: readonly number[]): Float64Array {
  const [tx, ty, tz, a, b, c, d] = numbers as [number, number, number, number, number, number, number];
  const n = Math.hypot(a, b, c, d);
  const [x, y, z, w] = [a / n, b / n, c / n, d / n];
  return Float64Array.of(
    1 - 2 * (y * y + z * z),
    2 * (x * y - z * w),
    2 * (x * z + y * w),
    tx,
    2 * (x * y + z * w),
    1 - 2 * (x * x + z * z),
    2 * (y * z - x * w),
    ty,
    2 * (x * z - y * w),
    2 * (y * z + x * w),
    1 - 2 * (x * x + y * y),
    tz,
    0,
    0,
    0,
    1,
  );
}

/**
 * How far the rotation of a pose is from one: the largest entry of |RᵀR - 1|, and the handedness; NaN counts as far.
 */
export function rotationError(pose: ArrayLike<number>): { readonly error: number; readonly determinant: number } {
  const [a, b, c] = rowOf(pose, 0);
  const [d, e, f] = rowOf(pose, 1);
  const [g, h, i] = rowOf(pose, 2);
  const columns = [
    [a, d, g],
    [b, e, h],
    [c, f, i],
  ] as const;
  let error = 0;
  columns.forEach((p, j) =>
    columns.forEach((q, k) => {
      error = Math.max(error, Math.abs(p[0] * q[0] + p[1] * q[1] + p[2] * q[2] - (j === k ? 1 : 0)));
    }),
  );
  return { error, determinant: a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g) };
}
