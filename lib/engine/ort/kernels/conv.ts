import type { TensorInfo } from "@tensorflow/tfjs-core";
import { sizeOf } from "../ir";
import type { Emission } from "../lower/emission";
import { tf } from "../tf";
import { define, type KernelTable } from "./kernel";
import { type Activation, activate } from "./matmul";

/**
 * Margin that the last of `out` windows needs behind an axis of `size` with `near` before it: tfjs rounds in its own
 * way.
 */
export function farMargin(out: number, stride: number, field: number, size: number, near: number): number {
  return Math.max(0, (out - 1) * stride + field - size - near);
}

/**
 * Places at the far end of an axis, margins included, that no window reaches: ONNX's output_padding of the way back.
 */
export function unreached(out: number, stride: number, field: number, size: number, near: number, far: number): number {
  return size + near + far - ((out - 1) * stride + field);
}

interface ConvAttrs {
  strides: [number, number] | number;
  pad: "valid" | "same" | number | [number, number][];
  dataFormat?: "NHWC" | "NCHW";
  dilations?: [number, number] | number;
  dimRoundingMode?: "floor" | "round" | "ceil";
}

/** Sizes of one convolution, NHWC: B batch, Y X image, C channels in, P Q image out, D channels out, K L filter. */
interface Sizes {
  B: number;
  Y: number;
  X: number;
  C: number;
  P: number;
  Q: number;
  D: number;
  K: number;
  L: number;
  stride: [number, number];
  dilation: [number, number];
  /** top, left, bottom, right */
  pads: [number, number, number, number];
}

function sizesOf(x: readonly number[], filter: readonly number[], a: ConvAttrs): Sizes | undefined {
  if ((a.dataFormat ?? "NHWC") !== "NHWC") return undefined;
  const i = tf.backend_util.computeConv2DInfo(
    x as never,
    filter as never,
    a.strides,
    a.dilations ?? 1,
    a.pad as never,
    a.dimRoundingMode,
    false,
    "channelsLast",
  );
  if (i.inChannels !== filter[2]) return undefined;
  const { top, left } = i.padInfo;
  const bottom = farMargin(i.outHeight, i.strideHeight, i.effectiveFilterHeight, i.inHeight, top);
  const right = farMargin(i.outWidth, i.strideWidth, i.effectiveFilterWidth, i.inWidth, left);
  const sizes: Sizes = {
    B: i.batchSize,
    Y: i.inHeight,
    X: i.inWidth,
    C: i.inChannels,
    P: i.outHeight,
    Q: i.outWidth,
    D: i.outChannels,
    K: i.filterHeight,
    L: i.filterWidth,
    stride: [i.strideHeight, i.strideWidth],
    dilation: [i.dilationHeight, i.dilationWidth],
    pads: [top, left, bottom, right],
  };
  // with a margin given as a number tfjs counts places by the vertical stride and size alone, which ONNX cannot say
  return uncovered(sizes).some((places, axis) => places >= sizes.stride[axis]!) ? undefined : sizes;
}

/** The filter tiles the image without overlap or rest (patch embedding, 1x1): the convolution is one matrix product. */
function tiles(s: Sizes): boolean {
  return (
    s.stride[0] === s.K &&
    s.stride[1] === s.L &&
    s.dilation[0] === 1 &&
    s.dilation[1] === 1 &&
    s.pads.every((p) => p === 0) &&
    s.P * s.K === s.Y &&
    s.Q * s.L === s.X
  );
}

/** [B, Y, X, C] → [B·P·Q, K·L·C], one row a tile. */
function toRows(e: Emission, x: string, s: Sizes): string {
  const { B, P, K, Q, L, C } = s;
  const cut = K === 1 && L === 1 ? x : e.transpose(e.reshape(x, [B, P, K, Q, L, C]), [0, 1, 3, 2, 4, 5]);
  return e.reshape(cut, [B * P * Q, K * L * C]);
}

function fromRows(e: Emission, rows: string, s: Sizes): string {
  const { B, P, K, Q, L, C, Y, X } = s;
  if (K === 1 && L === 1) return e.reshape(rows, [B, Y, X, C]);
  return e.reshape(e.transpose(e.reshape(rows, [B, P, Q, K, L, C]), [0, 1, 3, 2, 4, 5]), [B, Y, X, C]);
}

const window = (s: Sizes): { strides: number[]; pads: number[]; dilations: number[]; kernel_shape: number[] } => ({
  strides: s.stride,
  pads: s.pads,
  dilations: s.dilation,
  kernel_shape: [s.K, s.L],
});

function forward(e: Emission, x: string, filter: string, s: Sizes): string {
  if (tiles(s)) {
    const y = e.matmul(toRows(e, x, s), e.reshape(filter, [s.K * s.L * s.C, s.D]));
    return e.reshape(y, [s.B, s.P, s.Q, s.D]);
  }
  const y = e.node("Conv", [e.transpose(x, [0, 3, 1, 2]), e.transpose(filter, [3, 2, 0, 1])], window(s));
  return e.transpose(y, [0, 2, 3, 1]);
}

/** Rows and columns at the far edges that no window reaches. */
function uncovered(s: Sizes): number[] {
  const [top, left, bottom, right] = s.pads;
  const field = (k: number, axis: 0 | 1): number => (k - 1) * s.dilation[axis] + 1;
  return [
    unreached(s.P, s.stride[0], field(s.K, 0), s.Y, top, bottom),
    unreached(s.Q, s.stride[1], field(s.L, 1), s.X, left, right),
  ];
}

function inputGradient(e: Emission, dy: string, filter: string, s: Sizes): string {
  if (tiles(s)) {
    const rows = e.matmul(
      e.reshape(dy, [s.B * s.P * s.Q, s.D]),
      e.reshape(filter, [s.K * s.L * s.C, s.D]),
      false,
      true,
    );
    return fromRows(e, rows, s);
  }
  const dx = e.node("ConvTranspose", [e.transpose(dy, [0, 3, 1, 2]), e.transpose(filter, [3, 2, 0, 1])], {
    ...window(s),
    output_padding: uncovered(s),
  });
  return e.transpose(dx, [0, 2, 3, 1]);
}

/** What each filter tap sees of the padded image, [B, P, Q, C] each. */
function seenByTaps(e: Emission, x: string, s: Sizes): string[] {
  const [top, left, bottom, right] = s.pads;
  const padded = s.pads.every((p) => p === 0) ? x : e.node("Pad", [x, e.list([0, top, left, 0, 0, bottom, right, 0])]);
  const seen: string[] = [];
  for (let k = 0; k < s.K; k++) {
    for (let l = 0; l < s.L; l++) {
      const begin = [k * s.dilation[0], l * s.dilation[1]];
      const end = [begin[0]! + (s.P - 1) * s.stride[0] + 1, begin[1]! + (s.Q - 1) * s.stride[1] + 1];
      seen.push(e.slice(padded, [1, 2], begin, end, s.stride));
    }
  }
  return seen;
}

/** One matrix product [C, B·P·Q] x [B·P·Q, D] a filter tap, on the slice of the padded image that the tap sees. */
function filterGradient(e: Emission, x: string, dy: string, s: Sizes): string {
  const dyRows = e.reshape(dy, [s.B * s.P * s.Q, s.D]);
  if (tiles(s)) return e.reshape(e.matmul(toRows(e, x, s), dyRows, true), [s.K, s.L, s.C, s.D]);
  const taps = seenByTaps(e, x, s).map((seen) => e.matmul(e.reshape(seen, [s.B * s.P * s.Q, s.C]), dyRows, true));
  const all = taps.length === 1 ? taps[0]! : e.node("Concat", taps, { axis: 0 });
  return e.reshape(all, [s.K, s.L, s.C, s.D]);
}

/**
 * A convolution of each of C channels with M filters of its own, filter [K, L, C, M]; the result's channels are c * M +
 * m.
 */
interface Depthwise extends Sizes {
  M: number;
}

function depthwiseOf(x: readonly number[], filter: readonly number[], a: ConvAttrs): Depthwise | undefined {
  if ((a.dataFormat ?? "NHWC") !== "NHWC") return undefined;
  // sizes are those of an ordinary convolution to one channel
  const s = sizesOf(x, [filter[0]!, filter[1]!, filter[2]!, 1], a);
  return s && { ...s, D: filter[2]! * filter[3]!, M: filter[3]! };
}

const depthwiseFilter = (e: Emission, filter: string, s: Depthwise): string =>
  e.reshape(e.transpose(filter, [2, 3, 0, 1]), [s.D, 1, s.K, s.L]);

export const convKernels: KernelTable = {
  Conv2D: define<ConvAttrs, Sizes>(
    ({ x, filter }, attrs) => {
      const s = sizesOf(x!.shape, filter!.shape, attrs);
      return s && { ins: [x!, filter!], outs: [{ shape: [s.B, s.P, s.Q, s.D], dtype: "float32" }], attrs: s };
    },
    (e, s) => forward(e, e.in(0), e.in(1), s),
  ),
  FusedConv2D: define<ConvAttrs & Activation, Sizes & Activation>(
    ({ x, filter, bias, preluActivationWeights }, attrs) => {
      const s = sizesOf(x!.shape, filter!.shape, attrs);
      // A slope of another layout than per channel is left to the fallback.
      if (s === undefined || (preluActivationWeights != null && sizeOf(preluActivationWeights.shape) !== s.D))
        return undefined;
      const extra = [bias, preluActivationWeights].filter((t): t is TensorInfo => t != null);
      return {
        ins: [x!, filter!, ...extra],
        outs: [{ shape: [s.B, s.P, s.Q, s.D], dtype: "float32" }],
        attrs: { ...s, activation: attrs.activation, leakyreluAlpha: attrs.leakyreluAlpha },
      };
    },
    (e, s) => {
      const extra = e.op.ins.length - 2;
      const slope = s.activation === "prelu" ? e.in(1 + extra) : undefined;
      const y = forward(e, e.in(0), e.in(1), s);
      const biased = extra - (slope === undefined ? 0 : 1) > 0 ? e.node("Add", [y, e.in(2)]) : y;
      return activate(e, biased, s, slope);
    },
  ),
  Conv2DBackpropInput: define<ConvAttrs & { inputShape: number[] }, Sizes>(
    ({ dy, filter }, attrs) => {
      const s = sizesOf(attrs.inputShape, filter!.shape, attrs);
      return s && { ins: [dy!, filter!], outs: [{ shape: attrs.inputShape, dtype: "float32" }], attrs: s };
    },
    (e, s) => inputGradient(e, e.in(0), e.in(1), s),
  ),
  Conv2DBackpropFilter: define<ConvAttrs & { filterShape: number[] }, Sizes>(
    ({ x, dy }, attrs) => {
      const s = sizesOf(x!.shape, attrs.filterShape, attrs);
      return s && { ins: [x!, dy!], outs: [{ shape: attrs.filterShape, dtype: "float32" }], attrs: s };
    },
    (e, s) => filterGradient(e, e.in(0), e.in(1), s),
  ),
  DepthwiseConv2dNative: define<ConvAttrs, Depthwise>(
    ({ x, filter }, attrs) => {
      const s = depthwiseOf(x!.shape, filter!.shape, attrs);
      return s && { ins: [x!, filter!], outs: [{ shape: [s.B, s.P, s.Q, s.D], dtype: "float32" }], attrs: s };
    },
    (e, s) => {
      const y = e.node("Conv", [e.transpose(e.in(0), [0, 3, 1, 2]), depthwiseFilter(e, e.in(1), s)], {
        ...window(s),
        group: s.C,
      });
      return e.transpose(y, [0, 2, 3, 1]);
    },
  ),
  DepthwiseConv2dNativeBackpropInput: define<ConvAttrs & { inputShape: number[] }, Depthwise>(
    ({ dy, filter }, attrs) => {
      const s = depthwiseOf(attrs.inputShape, filter!.shape, attrs);
      return s && { ins: [dy!, filter!], outs: [{ shape: attrs.inputShape, dtype: "float32" }], attrs: s };
    },
    (e, s) => {
      // one filter a channel at a time: ONNX Runtime's WebGPU provider mixes up several in a group
      const dy = e.reshape(e.in(0), [s.B, s.P, s.Q, s.C, s.M]);
      const filter = e.transpose(e.in(1), [2, 3, 0, 1]);
      const parts = Array.from({ length: s.M }, (_, m) => {
        const own = e.reshape(e.slice(dy, [4], [m], [m + 1]), [s.B, s.P, s.Q, s.C]);
        const taps = e.reshape(e.slice(filter, [1], [m], [m + 1]), [s.C, 1, s.K, s.L]);
        return e.node("ConvTranspose", [e.transpose(own, [0, 3, 1, 2]), taps], {
          ...window(s),
          group: s.C,
          output_padding: uncovered(s),
        });
      });
      return e.transpose(
        parts.reduce((a, b) => e.node("Add", [a, b])),
        [0, 2, 3, 1],
      );
    },
  ),
  DepthwiseConv2dNativeBackpropFilter: define<ConvAttrs & { filterShape: number[] }, Depthwise>(
    ({ x, dy }, attrs) => {
      const s = depthwiseOf(x!.shape, attrs.filterShape, attrs);
      return s && { ins: [x!, dy!], outs: [{ shape: attrs.filterShape, dtype: "float32" }], attrs: s };
    },
    (e, s) => {
      const dy = e.reshape(e.in(1), [s.B * s.P * s.Q, s.C, s.M]);
      const all = seenByTaps(e, e.in(0), s).map((seen) =>
        e.node("ReduceSum", [e.node("Mul", [e.reshape(seen, [s.B * s.P * s.Q, s.C, 1]), dy]), e.list([0])], {
          keepdims: 1,
        }),
      );
      return e.reshape(all.length === 1 ? all[0]! : e.node("Concat", all, { axis: 0 }), [s.K, s.L, s.C, s.M]);
    },
  ),
};
