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
