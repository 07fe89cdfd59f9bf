import { type Grid, interpolation } from "../interpolation";
import type { Emission } from "../lower/emission";
import { define, type KernelTable } from "./kernel";

/** Resizes [B, Y, X, C] by a matrix product along Y and one along X. */
function resize(
  e: Emission,
  x: string,
  [b, y, w, c]: readonly number[],
  [y2, w2]: readonly number[],
  grid: Grid,
): string {
  const matrix = (from: number, to: number): string => e.constant(interpolation(from, to, grid), [to, from]);
  const rows = y === y2 ? x : e.matmul(matrix(y!, y2!), e.reshape(x, [b!, y!, w! * c!]));
  const columns = w === w2 ? rows : e.matmul(matrix(w!, w2!), e.reshape(rows, [b! * y2!, w!, c!]));
  return e.reshape(columns, [b!, y2!, w2!, c!]);
}

/** The gradient is written with tfjs operations in gradients.ts. */
export const resizeKernels: KernelTable = {
  ResizeBilinear: define<Grid & { size: [number, number] }, Grid & { size: [number, number] }>(
    ({ images }, { alignCorners, halfPixelCenters, size }) => ({
      ins: [images!],
      outs: [{ shape: [images!.shape[0]!, size[0], size[1], images!.shape[3]!], dtype: "float32" }],
      attrs: { alignCorners, halfPixelCenters, size },
    }),
    (e, attrs) =>
      resize(e, e.dtype(0) === "float32" ? e.in(0) : e.cast(e.in(0), "float32"), e.shape(0), attrs.size, attrs),
  ),
};
