import type { S2Config } from "../config/schema";
import type { tf } from "../engine/tf";
import { averageMatrix, halfPixelMatrix, mapGrid } from "../nn/resize";

export type PoolMode = S2Config["projector"]["pooling"];

/** Side of the pooled grid: bilinear rounds up (27 → 14), average and max drop the rest (27 → 13). */
export function pooledSide(side: number, mode: PoolMode, stride: number): number {
  return mode === "bilinear" ? Math.ceil(side / stride) : Math.floor(side / stride);
}

/**
 * Pools the patch grid of each view; tokens stay row-major.
 *
 * @param x float32[n, side*side, D]
 * @returns float32[n, m*m, D] with m = pooledSide(side, mode, stride)
 */
export function poolTokens(x: tf.Tensor3D, mode: PoolMode, stride: number): tf.Tensor3D {
  const [n, N, D] = x.shape;
  const side = Math.round(Math.sqrt(N));
  const m = pooledSide(side, mode, stride);
  const grid = x.reshape([n, side, side, D]) as tf.Tensor4D;
  if (mode === "max") {
    return grid
      .slice([0, 0, 0, 0], [n, m * stride, m * stride, D])
      .reshape([n, m, stride, m, stride, D])
      .max([2, 4])
      .reshape([n, m * m, D]);
  }
  const matrix = mode === "average" ? averageMatrix(side, stride) : halfPixelMatrix(side, m);
  return mapGrid(grid, matrix, matrix).reshape([n, m * m, D]);
}
