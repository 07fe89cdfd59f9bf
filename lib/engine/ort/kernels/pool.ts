import { tf } from "../../tf";
import type { Emission } from "../emission";
import { define, type KernelTable, sizeOf } from "../kernel";
import { addRows } from "./index";
import { farMargin, unreached } from "./window";

interface PoolAttrs {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: "valid" | "same" | number | [number, number][];
  dimRoundingMode?: "floor" | "round" | "ceil";
}

/** One pooling, NHWC: B batch, Y X image, C channels, P Q result. */
interface Sizes {
  B: number; Y: number; X: number; C: number;
  P: number; Q: number;
  window: [number, number];
  stride: [number, number];
  /** top, left, bottom, right */
  pads: [number, number, number, number];
}

function sizesOf(x: { readonly shape: readonly number[]; readonly dtype: string }, a: PoolAttrs): Sizes | undefined {
  if (x.dtype !== "float32") return undefined;
  const i = tf.backend_util.computePool2DInfo(x.shape as never, a.filterSize, a.strides, 1, a.pad as never, a.dimRoundingMode);
  const { top, left } = i.padInfo;
  const pads: Sizes["pads"] = [
    top, left, farMargin(i.outHeight, i.strideHeight, i.filterHeight, i.inHeight, top), farMargin(i.outWidth, i.strideWidth, i.filterWidth, i.inWidth, left),
  ];
  // ONNX Runtime takes no window that lies in the margin altogether
  if (pads.some((p, side) => p >= (side % 2 === 0 ? i.filterHeight : i.filterWidth))) return undefined;
  return {
    B: i.batchSize, Y: i.inHeight, X: i.inWidth, C: i.inChannels, P: i.outHeight, Q: i.outWidth,
    window: [i.filterHeight, i.filterWidth], stride: [i.strideHeight, i.strideWidth], pads,
  };
}

const shapeOf = (s: Sizes): number[] => [s.B, s.P, s.Q, s.C];
const attributes = (s: Sizes): { kernel_shape: number[]; strides: number[]; pads: number[] } => ({ kernel_shape: s.window, strides: s.stride, pads: s.pads });
const channelsFirst = (e: Emission, name: string): string => e.transpose(name, [0, 3, 1, 2]);
const channelsLast = (e: Emission, name: string): string => e.transpose(name, [0, 2, 3, 1]);

/** Pixels of the image under each window, [P * Q]. */
function covered({ Y, X, P, Q, window, stride, pads }: Sizes): number[] {
  const along = (out: number, size: number, axis: 0 | 1): number[] => Array.from({ length: out }, (_, o) => {
    const begin = o * stride[axis] - pads[axis];
    return Math.min(size, begin + window[axis]) - Math.max(0, begin);
  });
  const columns = along(Q, X, 1);
  return along(P, Y, 0).flatMap((rows) => columns.map((n) => rows * n));
}

export const poolKernels: KernelTable = {
  MaxPool: define<PoolAttrs, Sizes>(
    ({ x }, attrs) => {
      const s = sizesOf(x!, attrs);
      return s && { ins: [x!], outs: [{ shape: shapeOf(s), dtype: "float32" }], attrs: s };
    },
    (e, s) => channelsLast(e, e.node("MaxPool", [channelsFirst(e, e.in(0))], attributes(s))),
  ),
  AvgPool: define<PoolAttrs, Sizes>(
    ({ x }, attrs) => {
      const s = sizesOf(x!, attrs);
      return s && { ins: [x!], outs: [{ shape: shapeOf(s), dtype: "float32" }], attrs: s };
    },
    (e, s) => channelsLast(e, e.node("AveragePool", [channelsFirst(e, e.in(0))], { ...attributes(s), count_include_pad: 0 })),
  ),
  /** Each window's gradient goes to its first largest pixel. */
  MaxPoolGrad: define<PoolAttrs, Sizes>(
    ({ dy, input }, attrs) => {
      const s = sizesOf(input!, attrs);
      return s && { ins: [dy!, input!], outs: [{ shape: input!.shape, dtype: "float32" }], attrs: s };
    },
    (e, s) => {
      const places = e.graph.nodes("MaxPool", [channelsFirst(e, e.in(1))], attributes(s), 2)[1]!;
      const count = sizeOf(shapeOf(s)), all = s.B * s.C * s.Y * s.X;
      const dx = addRows(e, e.reshape(places, [count]), e.reshape(channelsFirst(e, e.in(0)), [count, 1]), count, all, 1);
      return channelsLast(e, e.reshape(dx, [s.B, s.C, s.Y, s.X]));
    },
  ),
  /** By the pixels that a window covers, as the forward pass divides; tfjs' own kernels divide by the window's size, margin or not. */
  AvgPoolGrad: define<PoolAttrs, Sizes>(
    ({ dy, input }, attrs) => {
      const s = sizesOf(input!, attrs);
      return s && { ins: [dy!], outs: [{ shape: input!.shape, dtype: "float32" }], attrs: s };
    },
    (e, s) => {
      const { P, Q, C, Y, X, window, stride, pads: [top, left, bottom, right] } = s;
      const share = e.node("Div", [channelsFirst(e, e.in(0)), e.constant(covered(s), [1, 1, P, Q])]);
      const ones = e.constant(new Array<number>(C * window[0] * window[1]).fill(1), [C, 1, ...window]);
      const rest = [unreached(P, stride[0], window[0], Y, top, bottom), unreached(Q, stride[1], window[1], X, left, right)];
      return channelsLast(e, e.node("ConvTranspose", [share, ones], { ...attributes(s), group: C, output_padding: rest }));
    },
  ),
  FusedBatchNorm: define<{ varianceEpsilon: number }, { epsilon: number; scale: number; offset: number }>(
    ({ x, mean, variance, scale, offset }, { varianceEpsilon }) => {
      const extra = [scale, offset].filter((t) => t != null);
      return {
        ins: [x!, mean!, variance!, ...extra], outs: [{ shape: x!.shape, dtype: "float32" }],
        attrs: { epsilon: varianceEpsilon, scale: scale == null ? 0 : 3, offset: offset == null ? 0 : 2 + extra.length },
      };
    },
    (e, { epsilon, scale, offset }) => {
      const centred = e.node("Sub", [e.in(0), e.in(1)]);
      const spread = e.node("Sqrt", [e.node("Add", [e.in(2), e.scalar(epsilon)])]);
      const y = scale === 0 ? e.node("Div", [centred, spread]) : e.node("Mul", [centred, e.node("Div", [e.in(scale), spread])]);
      return offset === 0 ? y : e.node("Add", [y, e.in(offset)]);
    },
  ),
};
