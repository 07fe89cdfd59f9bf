/** Cells of space that a mesh's surface passes through. */
export interface SurfaceGrid {
  /** Edge of a cell, metres. */
  readonly cell: number;
  readonly origin: readonly [number, number, number];
  readonly size: readonly [number, number, number];
  /** 1 where the surface passes. */
  readonly cells: Uint8Array;
}

/** Cells that are allocated at most; a larger scene gets larger cells. */
const MOST_CELLS = 1 << 26;

/**
 * The cells of a grid that a mesh's triangles pass through; of a mesh without faces, those of its vertices.
 *
 * @param points [n, 3] metres, finite
 * @param faces [m, 3] vertex numbers
 * @param cell edge of a cell, metres
 */
export function surfaceGrid(points: ArrayLike<number>, faces: ArrayLike<number>, cell: number): SurfaceGrid {
  const low: [number, number, number] = [Infinity, Infinity, Infinity];
  const high: [number, number, number] = [-Infinity, -Infinity, -Infinity];
  for (let k = 0; k < 3; k++) {
    let [least, most] = [Infinity, -Infinity];
    for (let i = k; i < points.length; i += 3) {
      const at = points[i]!;
      if (at < least) least = at;
      if (at > most) most = at;
    }
    low[k] = least;
    high[k] = most;
  }
  const sizeFor = (edge: number): [number, number, number] =>
    [0, 1, 2].map((k) => Math.floor((high[k]! - low[k]!) / edge) + 3) as [number, number, number];
  let edge = cell;
  const count = ([x, y, z]: readonly [number, number, number]): number => x * y * z;
  while (count(sizeFor(edge)) > MOST_CELLS) edge *= 2;
  const size = sizeFor(edge);
  const origin: [number, number, number] = [low[0] - edge, low[1] - edge, low[2] - edge];
  const cells = new Uint8Array(count(size));
  const mark = (x: number, y: number, z: number): void => {
    const at =
      (Math.floor((x - origin[0]) / edge) * size[1] + Math.floor((y - origin[1]) / edge)) * size[2] +
      Math.floor((z - origin[2]) / edge);
    cells[at] = 1;
  };
  for (let i = 0; i + 2 < points.length; i += 3) mark(points[i]!, points[i + 1]!, points[i + 2]!);
  for (let f = 0; f + 2 < faces.length; f += 3) {
    const [a, b, c] = [3 * faces[f]!, 3 * faces[f + 1]!, 3 * faces[f + 2]!];
    const [ax, ay, az] = [points[a]!, points[a + 1]!, points[a + 2]!];
    const [bx, by, bz] = [points[b]! - ax, points[b + 1]! - ay, points[b + 2]! - az];
    const [cx, cy, cz] = [points[c]! - ax, points[c + 1]! - ay, points[c + 2]! - az];
    // steps along each side, so that no cell on the way is missed
    const n = Math.ceil(Math.sqrt(bx * bx + by * by + bz * bz) / edge);
    const m = Math.ceil(Math.sqrt(cx * cx + cy * cy + cz * cz) / edge);
    if (n <= 1 && m <= 1) continue;
    for (let i = 0; i <= n; i++) {
      const u = i / Math.max(1, n);
      for (let j = 0; j <= m * (1 - u); j++) {
        const v = j / Math.max(1, m);
        mark(ax + u * bx + v * cx, ay + u * by + v * cy, az + u * bz + v * cz);
      }
    }
  }
  return { cell: edge, origin, size, cells };
}

/** Whether a point lies in a cell of the surface or in a neighbour of one (26 of them). */
export function onSurface({ cell, origin, size, cells }: SurfaceGrid, x: number, y: number, z: number): boolean {
  const i = Math.floor((x - origin[0]) / cell);
  const j = Math.floor((y - origin[1]) / cell);
  const k = Math.floor((z - origin[2]) / cell);
  for (let a = Math.max(0, i - 1); a <= Math.min(size[0] - 1, i + 1); a++)
    for (let b = Math.max(0, j - 1); b <= Math.min(size[1] - 1, j + 1); b++)
      for (let c = Math.max(0, k - 1); c <= Math.min(size[2] - 1, k + 1); c++)
        if (cells[(a * size[1] + b) * size[2] + c] === 1) return true;
  return false;
}
