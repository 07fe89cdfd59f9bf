/** Row-major 4x4 matrices, metres. */
export const identity4 = (): Float64Array => Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);

/** A row of a row-major 4x4 matrix. */
export const rowOf = (m: ArrayLike<number>, row: number): readonly [number, number, number, number] => [
  m[4 * row]!,
  m[4 * row + 1]!,
  m[4 * row + 2]!,
  m[4 * row + 3]!,
];

/** a · b */
export function multiply4(a: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  const out = new Float64Array(16);
  for (let i = 0; i < 4; i++) {
    for (let j = 0; j < 4; j++) {
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += a[4 * i + k]! * b[4 * k + j]!;
      out[4 * i + j] = sum;
    }
  }
  return out;
}

/** The inverse of a rotation and translation: [Rᵀ | -Rᵀ t]. */
export function invertRigid(pose: ArrayLike<number>): Float64Array {
  const out = identity4();
  for (let i = 0; i < 3; i++) {
    let shift = 0;
    for (let j = 0; j < 3; j++) {
      out[4 * i + j] = pose[4 * j + i]!;
      shift -= pose[4 * j + i]! * pose[4 * j + 3]!;
    }
    out[4 * i + 3] = shift;
  }
  return out;
}

/** Applies a 4x4 to [n, 3] points; a new array of float64. */
export function transformPoints(matrix: ArrayLike<number>, points: ArrayLike<number>): Float64Array {
  const out = new Float64Array(points.length);
  for (let i = 0; i + 2 < points.length; i += 3) {
    const x = points[i]!;
    const y = points[i + 1]!;
    const z = points[i + 2]!;
    for (let k = 0; k < 3; k++) {
      out[i + k] = matrix[4 * k]! * x + matrix[4 * k + 1]! * y + matrix[4 * k + 2]! * z + matrix[4 * k + 3]!;
    }
  }
  return out;
}

/** A turn about the vertical (+z), counter-clockwise seen from above, then a shift. */
export function turnAndShift(radians: number, x: number, y: number, z: number): Float64Array {
  const c = Math.cos(radians);
  const s = Math.sin(radians);
  return Float64Array.of(c, -s, 0, x, s, c, 0, y, 0, 0, 1, z, 0, 0, 0, 1);
}

// cos and sin of quarter turns, exact
const quarterTurns = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
] as const;

function quarter(turns: number): readonly [number, number] {
  return quarterTurns[((turns % 4) + 4) % 4]!;
}

/** Turns points [n, 3] (points or directions) by `turns` x 90° about the vertical through the origin, in place. */
export function turnPoints<T extends Float32Array | Float64Array>(points: T, turns: number): T {
  const [c, s] = quarter(turns);
  for (let i = 0; i < points.length; i += 3) {
    const x = points[i]!;
    const y = points[i + 1]!;
    points[i] = c * x - s * y;
    points[i + 1] = s * x + c * y;
  }
  return points;
}
