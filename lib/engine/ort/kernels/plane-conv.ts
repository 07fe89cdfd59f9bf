import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Emission } from "../lower/emission";
import { define, type KernelTable } from "./kernel";

interface PlaneConvAttrs {
  stride: number;
}

interface Window {
  stride: number;
  side: number;
  /** Zeros on each side. */
  pad: number;
}

type Planes = [n: number, channels: number, rows: number, columns: number];

const windowOf = (side: number, stride: number): Window => ({ stride, side, pad: (side - 1) / 2 });
const steps = (size: number, { stride, side, pad }: Window): number => Math.floor((size + 2 * pad - side) / stride) + 1;
const attributes = ({ stride, side, pad }: Window): Record<string, number[]> => ({
  strides: [stride, stride],
  pads: [pad, pad, pad, pad],
  dilations: [1, 1],
  kernel_shape: [side, side],
});

/**
 * The filter that takes an output's gradient back to the input at stride 1: channels swapped, turned by half a turn.
 */
function backFilter(e: Emission, filter: string, side: number): string {
  const swapped = e.transpose(filter, [1, 0, 2, 3]);
  return side === 1 ? swapped : e.slice(swapped, [2, 3], [-1, -1], [-(2 ** 31), -(2 ** 31)], [-1, -1]);
}

function inputGradient(e: Emission, [, , Y, X]: Planes, w: Window): string {
  // a convolution is faster than ONNX Runtime's transposed one
  if (w.stride === 1) return e.node("Conv", [e.in(0), backFilter(e, e.in(1), w.side)], attributes(w));
  const rest = (size: number): number => size + 2 * w.pad - ((steps(size, w) - 1) * w.stride + w.side);
  return e.node("ConvTranspose", [e.in(0), e.in(1)], { ...attributes(w), output_padding: [rest(Y), rest(X)] });
}

/** Each filter tap sees a shifted image: all of them as channels, then one matrix product an image. */
function filterGradient(e: Emission, [n, C, Y, X]: Planes, D: number, w: Window): string {
  const { side, stride, pad } = w;
  const [P, Q] = [steps(Y, w), steps(X, w)];
  const padded = pad === 0 ? e.in(0) : e.node("Pad", [e.in(0), e.list([0, 0, pad, pad, 0, 0, pad, pad])]);
  const taps = Array.from({ length: side * side }, (_, tap) => {
    const begin = [Math.floor(tap / side), tap % side];
    const end = [begin[0]! + (P - 1) * stride + 1, begin[1]! + (Q - 1) * stride + 1];
    return side === 1 && stride === 1 ? padded : e.slice(padded, [2, 3], begin, end, [stride, stride]);
  });
  const seen = taps.length === 1 ? taps[0]! : e.node("Concat", taps, { axis: 1 });
  const each = e.matmul(
    e.reshape(e.in(1), [n, D, P * Q]),
    e.reshape(seen, [n, side * side * C, P * Q]),
    false,
    true,
    [3, 3],
  );
  const sum = e.node("ReduceSum", [each, e.list([0])], { keepdims: 0 });
  return e.reshape(e.transpose(e.reshape(sum, [D, side * side, C]), [0, 2, 1]), [D, C, side, side]);
}

/** See ops/plane-conv.ts. */
export const planeConvKernels: KernelTable = {
  PlaneConv: define<PlaneConvAttrs, Window>(
    ({ x, filter, bias }, { stride }) => {
      const [n, , Y, X] = x!.shape as Planes;
      const w = windowOf(filter!.shape[2]!, stride);
      const ins = [x!, filter!, bias].filter((t): t is TensorInfo => t != null);
      return { ins, outs: [{ shape: [n, filter!.shape[0]!, steps(Y, w), steps(X, w)], dtype: "float32" }], attrs: w };
    },
    (e, w) => e.node("Conv", e.ins(), attributes(w)),
  ),
  PlaneConvInputGrad: define<PlaneConvAttrs & { shape: Planes }, Window & { shape: Planes }>(
    ({ dy, filter }, { stride, shape }) => ({
      ins: [dy!, filter!],
      outs: [{ shape, dtype: "float32" }],
      attrs: { ...windowOf(filter!.shape[2]!, stride), shape },
    }),
    (e, w) => inputGradient(e, w.shape, w),
  ),
  PlaneConvFilterGrad: define<PlaneConvAttrs & { shape: Planes }, Window>(
    ({ x, dy }, { stride, shape }) => ({
      ins: [x!, dy!],
      outs: [{ shape, dtype: "float32" }],
      attrs: windowOf(shape[2], stride),
    }),
    (e, w) => filterGradient(e, e.shape(0) as Planes, e.out.shape[0]!, w),
  ),
};
