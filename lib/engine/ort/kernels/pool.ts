import type { Emission } from "../lower/emission";
import { tf } from "../tf";
import { farMargin, unreached } from "./conv";
import { define, type KernelTable, keepNaN } from "./kernel";

interface PoolAttrs {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: "valid" | "same" | number | [number, number][];
  dimRoundingMode?: "floor" | "round" | "ceil";
}

/** One pooling, NHWC: B batch, Y X image, C channels, P Q result. */
interface Sizes {
  B: number;
  Y: number;
  X: number;
  C: number;
  P: number;
  Q: number;
  window: [number, number];
  stride: [number, number];
  /** top, left, bottom, right */
  pads: [number, number, number, number];
}

function sizesOf(x: { readonly shape: readonly number[]; readonly dtype: string }, a: PoolAttrs): Sizes | undefined {
  if (x.dtype !== "float32") return undefined;
  const i = tf.backend_util.computePool2DInfo(
    x.shape as never,
    a.filterSize,
    a.strides,
    1,
    a.pad as never,
    a.dimRoundingMode,
  );
  const { top, left } = i.padInfo;
  const pads: Sizes["pads"] = [
    top,
    left,
    farMargin(i.outHeight, i.strideHeight, i.filterHeight, i.inHeight, top),
    farMargin(i.outWidth, i.strideWidth, i.filterWidth, i.inWidth, left),
  ];
  // ONNX Runtime takes no window that lies in the margin altogether
  if (pads.some((p, side) => p >= (side % 2 === 0 ? i.filterHeight : i.filterWidth))) return undefined;
  const sizes: Sizes = {
    B: i.batchSize,
    Y: i.inHeight,
    X: i.inWidth,
    C: i.inChannels,
    P: i.outHeight,
    Q: i.outWidth,
    window: [i.filterHeight, i.filterWidth],
    stride: [i.strideHeight, i.strideWidth],
    pads,
  };
  // with a margin given as a number tfjs counts windows by the vertical stride alone, which ONNX cannot say
  return rest(sizes).some((places, axis) => places >= sizes.stride[axis]!) ? undefined : sizes;
}

const shapeOf = (s: Sizes): number[] => [s.B, s.P, s.Q, s.C];
const attributes = (s: Sizes): { kernel_shape: number[]; strides: number[]; pads: number[] } => ({
  kernel_shape: s.window,
  strides: s.stride,
  pads: s.pads,
});
const channelsFirst = (e: Emission, name: string): string => e.transpose(name, [0, 3, 1, 2]);
const channelsLast = (e: Emission, name: string): string => e.transpose(name, [0, 2, 3, 1]);

/** Pixels of the image under each window, [P * Q]. */
function covered({ Y, X, P, Q, window, stride, pads }: Sizes): number[] {
  const along = (out: number, size: number, axis: 0 | 1): number[] =>
    Array.from({ length: out }, (_, o) => {
      const begin = o * stride[axis] - pads[axis];
      return Math.min(size, begin + window[axis]) - Math.max(0, begin);
    });
  const columns = along(Q, X, 1);
  return along(P, Y, 0).flatMap((rows) => columns.map((n) => rows * n));
}

/** Far edges of the image that no window reaches, for ONNX's way back. */
const rest = ({ P, Q, Y, X, window, stride, pads: [top, left, bottom, right] }: Sizes): number[] => [
  unreached(P, stride[0], window[0], Y, top, bottom),
  unreached(Q, stride[1], window[1], X, left, right),
];

/**
 * Per pixel of a window those gradients that are its own, as channels; a transposed convolution carries each to its
 * place.
 */
function maxGradient(e: Emission, s: Sizes): string {
  const {
    B,
    C,
    P,
    Q,
    window: [K, L],
    stride,
    pads: [top, left, bottom, right],
  } = s;
  const x = channelsFirst(e, e.in(1));
  const dy = channelsFirst(e, e.in(0));
  const most = e.node("MaxPool", [x], attributes(s));
  // a number, not -∞: shading languages have no such constant
  const padded = s.pads.every((p) => p === 0)
    ? x
    : e.node("Pad", [x, e.list([0, 0, top, left, 0, 0, bottom, right]), e.scalar(-3.4028234663852886e38)]);
  let free: string | undefined;
  const shares = Array.from({ length: K * L }, (_, tap) => {
    const begin = [Math.floor(tap / L), tap % L];
    const end = [begin[0]! + (P - 1) * stride[0] + 1, begin[1]! + (Q - 1) * stride[1] + 1];
    // as numbers: a transposition moved behind the comparison would need one of bools, which WebGPU has not
    const equal = e.cast(e.node("Equal", [e.slice(padded, [2, 3], begin, end, stride), most]), "float32");
    const first = free === undefined ? equal : e.node("Mul", [equal, free]);
    free = e.node("Sub", [free ?? e.scalar(1), first]);
    return e.reshape(e.node("Mul", [first, dy]), [B * C, 1, P, Q]);
  });
  const taps = K * L;
  const places = e.constant(
    Array.from({ length: taps * taps }, (_, i) => (i % (taps + 1) === 0 ? 1 : 0)),
    [taps, 1, K, L],
  );
  const dx = e.node("ConvTranspose", [e.node("Concat", shares, { axis: 1 }), places], {
    ...attributes(s),
    output_padding: rest(s),
  });
  return e.reshape(dx, [B, C, s.Y, s.X]);
}

export const poolKernels: KernelTable = {
  MaxPool: define<PoolAttrs, Sizes>(
    ({ x }, attrs) => {
      const s = sizesOf(x!, attrs);
      return s && { ins: [x!], outs: [{ shape: shapeOf(s), dtype: "float32" }], attrs: s };
    },
    (e, s) => {
      const x = channelsFirst(e, e.in(0));
      // NaN stays: ONNX Runtime's result depends on where in the window it stands
      const missing = e.cast(e.node("IsNaN", [x]), "float32");
      const [most, any] = [x, missing].map((y) => e.node("MaxPool", [y], attributes(s))) as [string, string];
      return channelsLast(e, keepNaN(e, most, any));
    },
  ),
  AvgPool: define<PoolAttrs, Sizes>(
    ({ x }, attrs) => {
      const s = sizesOf(x!, attrs);
      return s && { ins: [x!], outs: [{ shape: shapeOf(s), dtype: "float32" }], attrs: s };
    },
    (e, s) =>
      channelsLast(e, e.node("AveragePool", [channelsFirst(e, e.in(0))], { ...attributes(s), count_include_pad: 0 })),
  ),
  /** Each window's gradient goes to its first largest pixel. */
  MaxPoolGrad: define<PoolAttrs, Sizes>(
    ({ dy, input }, attrs) => {
      const s = sizesOf(input!, attrs);
      return s && { ins: [dy!, input!], outs: [{ shape: input!.shape, dtype: "float32" }], attrs: s };
    },
    (e, s) => channelsLast(e, maxGradient(e, s)),
  ),
  /**
   * By the pixels that a window covers, as the forward pass divides; tfjs' own kernels divide by the window's size,
   * margin or not.
   */
  AvgPoolGrad: define<PoolAttrs, Sizes>(
    ({ dy, input }, attrs) => {
      const s = sizesOf(input!, attrs);
      return s && { ins: [dy!], outs: [{ shape: input!.shape, dtype: "float32" }], attrs: s };
    },
    (e, s) => {
      const { P, Q, C, window } = s;
      const share = e.node("Div", [channelsFirst(e, e.in(0)), e.constant(covered(s), [1, 1, P, Q])]);
      const ones = e.constant(new Array<number>(C * window[0] * window[1]).fill(1), [C, 1, ...window]);
      return channelsLast(
        e,
        e.node("ConvTranspose", [share, ones], { ...attributes(s), group: C, output_padding: rest(s) }),
      );
    },
  ),
  FusedBatchNorm: define<{ varianceEpsilon: number }, { epsilon: number; scale: number; offset: number }>(
    ({ x, mean, variance, scale, offset }, { varianceEpsilon }) => {
      const extra = [scale, offset].filter((t) => t != null);
      return {
        ins: [x!, mean!, variance!, ...extra],
        outs: [{ shape: x!.shape, dtype: "float32" }],
        attrs: {
          epsilon: varianceEpsilon,
          scale: scale == null ? 0 : 3,
          offset: offset == null ? 0 : 2 + extra.length,
        },
      };
    },
    (e, { epsilon, scale, offset }) => {
      const centred = e.node("Sub", [e.in(0), e.in(1)]);
      const spread = e.node("Sqrt", [e.node("Add", [e.in(2), e.scalar(epsilon)])]);
      const y =
        scale === 0 ? e.node("Div", [centred, spread]) : e.node("Mul", [centred, e.node("Div", [e.in(scale), spread])]);
      return offset === 0 ? y : e.node("Add", [y, e.in(offset)]);
    },
  ),
};
