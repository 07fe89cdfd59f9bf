/** Axis-aligned box in the axis-aligned world, metres: centre x y z, full size x y z. */
export type Box = readonly [number, number, number, number, number, number];

/** Lower corner and upper corner, metres. */
export type Bounds = readonly [number, number, number, number, number, number];

export function boundsOf([x, y, z, dx, dy, dz]: Box): Bounds {
  return [x - dx / 2, y - dy / 2, z - dz / 2, x + dx / 2, y + dy / 2, z + dz / 2];
}

export function boxOfBounds([x0, y0, z0, x1, y1, z1]: Bounds): Box {
  return [(x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2, x1 - x0, y1 - y0, z1 - z0];
}

/**
 * A box that is off by `share` of its edges: the centre by a normal error, the size by a factor whose logarithm is
 * normal.
 *
 * @param normal draws from N(0, 1): centre first, then size
 */
export function jitteredBox(box: Box, share: number, normal: () => number): Box {
  const shift = (i: 0 | 1 | 2): number => box[i] + normal() * share * box[i + 3]!;
  const size = (i: 3 | 4 | 5): number => box[i] * Math.exp(normal() * share);
  return [shift(0), shift(1), shift(2), size(3), size(4), size(5)];
}

/**
 * The smallest box around points.
 *
 * @param points [n, 3] metres
 * @param indices which points count; all when absent
 * @returns undefined when there is no point; numbers that are NaN when a point has one
 */
export function boxOfPoints(points: ArrayLike<number>, indices?: ArrayLike<number>): Box | undefined {
  const low = [Infinity, Infinity, Infinity];
  const high = [-Infinity, -Infinity, -Infinity];
  const n = indices === undefined ? points.length / 3 : indices.length;
  for (let i = 0; i < n; i++) {
    const at = 3 * (indices === undefined ? i : indices[i]!);
    for (let k = 0; k < 3; k++) {
      const value = points[at + k]!;
      // Math.min and Math.max hand on a NaN; comparisons would hide it
      low[k] = Math.min(low[k]!, value);
      high[k] = Math.max(high[k]!, value);
    }
  }
  if (n === 0) return undefined;
  return boxOfBounds([low[0]!, low[1]!, low[2]!, high[0]!, high[1]!, high[2]!]);
}

/** Edge lengths of the overlap of two boxes; negative where they are apart. */
function overlap(a: Box, b: Box): [number, number, number] {
  const p = boundsOf(a);
  const q = boundsOf(b);
  return [
    Math.min(p[3], q[3]) - Math.max(p[0], q[0]),
    Math.min(p[4], q[4]) - Math.max(p[1], q[1]),
    Math.min(p[5], q[5]) - Math.max(p[2], q[2]),
  ];
}

const volume = (box: Box): number => box[3] * box[4] * box[5];

/** Intersection over union as ScanRefer computes it: 1e-8 below the line, so that an exact 0.25 just misses. */
export function iou(a: Box, b: Box): number {
  const [x, y, z] = overlap(a, b);
  const shared = Math.max(x, 0) * Math.max(y, 0) * Math.max(z, 0);
  return shared / (volume(a) + volume(b) - shared + 1e-8);
}

/**
 * Intersection over union as the ReferIt3D evaluation computes it: no epsilon; 0 unless the overlap is positive on
 * every axis.
 */
export function iouExact(a: Box, b: Box): number {
  const [x, y, z] = overlap(a, b);
  if (x <= 0 || y <= 0 || z <= 0) return 0;
  const shared = x * y * z;
  return shared / (volume(a) + volume(b) - shared);
}

// x, y, z signs of the corners in ScanRefer's order
const cornerSigns = [
  [1, 1, 1],
  [1, -1, 1],
  [-1, -1, 1],
  [-1, 1, 1],
  [1, 1, -1],
  [1, -1, -1],
  [-1, -1, -1],
  [-1, 1, -1],
] as const;

/** The eight corners, [8][3], in ScanRefer's order: upper face first. */
export function cornersOf([x, y, z, dx, dy, dz]: Box): [number, number, number][] {
  return cornerSigns.map(([sx, sy, sz]) => [x + (sx * dx) / 2, y + (sy * dy) / 2, z + (sz * dz) / 2]);
}
