import type { Emission } from "../emission";
import { define, type KernelTable } from "../kernel";

interface Grid {
  alignCorners: boolean;
  halfPixelCenters: boolean;
}

/**
 * Bilinear interpolation of one axis as a matrix [to, from]: row r holds the weights of the two input
 * samples around r's source coordinate. Being a matrix, its transpose is the exact gradient.
 */
export function interpolation(from: number, to: number, { alignCorners, halfPixelCenters }: Grid): Float32Array {
  const scale = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  const weights = new Float32Array(to * from);
  for (let r = 0; r < to; r++) {
    const at = Math.min(Math.max(halfPixelCenters ? (r + 0.5) * scale - 0.5 : r * scale, 0), from - 1);
    const low = Math.floor(at);
    weights[r * from + low] = 1 - (at - low);
    if (low + 1 < from) weights[r * from + low + 1] = at - low;
  }
  return weights;
}

/** Resizes [B, Y, X, C] by a matrix product along Y and one along X; with `transposed` back from the resized grid. */
function resize(e: Emission, x: string, [b, y, w, c]: readonly number[], [y2, w2]: readonly number[], grid: Grid, transposed: boolean): string {
  const matrix = (from: number, to: number): string =>
    transposed ? e.constant(interpolation(to, from, grid), [from, to]) : e.constant(interpolation(from, to, grid), [to, from]);
  const rows = y === y2 ? x : e.matmul(matrix(y!, y2!), e.reshape(x, [b!, y!, w! * c!]), transposed);
  const columns = w === w2 ? rows : e.matmul(matrix(w!, w2!), e.reshape(rows, [b! * y2!, w!, c!]), transposed);
  return e.reshape(columns, [b!, y2!, w2!, c!]);
}

export const resizeKernels: KernelTable = {
  ResizeBilinear: define<Grid & { size: [number, number] }, Grid & { size: [number, number] }>(
    ({ images }, { alignCorners, halfPixelCenters, size }) => ({
      ins: [images!],
      outs: [{ shape: [images!.shape[0]!, size[0], size[1], images!.shape[3]!], dtype: "float32" }],
      attrs: { alignCorners, halfPixelCenters, size },
    }),
    (e, attrs) => resize(e, e.dtype(0) === "float32" ? e.in(0) : e.cast(e.in(0), "float32"), e.shape(0), attrs.size, attrs, false),
  ),
  ResizeBilinearGrad: define<Grid, Grid & { size: [number, number] }>(
    ({ images, dy }, { alignCorners, halfPixelCenters }) => ({
      ins: [dy!],
      outs: [{ shape: images!.shape, dtype: "float32" }],
      attrs: { alignCorners, halfPixelCenters, size: [images!.shape[1]!, images!.shape[2]!] },
    }),
    (e, attrs) => resize(e, e.in(0), e.shape(0), attrs.size, attrs, true),
  ),
};
