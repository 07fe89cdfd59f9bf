import type { DataType, TensorInfo } from "@tensorflow/tfjs-core";
import { type Dtype, isDtype, sizeOf } from "../ir";
import { tf } from "../tf";
import { define, dtypeOf, type Kernel, type KernelTable, listOf, reshaped } from "./kernel";

interface Bounds {
  begin: number[];
  end: number[];
  step?: number[];
}

const axesOf = (list: readonly unknown[]): number[] => list.map((_, i) => i);

function splitSizes(x: TensorInfo, numOrSizes: number | number[], axis: number): number[] {
  return tf.backend_util.prepareSplitSize({ ...x, rank: x.shape.length } as never, numOrSizes, axis);
}

function filled(value: number): Kernel {
  return {
    broadcast: true,
    plan: ({ x }) => {
      const dtype = dtypeOf(x!);
      return { ins: [], outs: [{ shape: x!.shape, dtype }], attrs: { shape: x!.shape, dtype } };
    },
    lower: (e) => e.scalar(value, e.out.dtype),
  };
}

export const shapeKernels: KernelTable = {
  Identity: { plan: ({ x }) => ({ share: x!, shape: x!.shape }), lower: () => [] },
  Reshape: {
    plan: ({ x }, attrs: { shape: number[] }) => {
      const size = sizeOf(x!.shape);
      const shape = tf.util.inferFromImplicitShape(attrs.shape, size);
      tf.util.assert(
        sizeOf(shape) === size,
        () => `Reshape: [${x!.shape.join(", ")}] has ${size} values, [${shape.join(", ")}] needs ${sizeOf(shape)}`,
      );
      return { share: x!, shape };
    },
    // traced only for shared data that an operation takes under another shape
    lower: (e) => e.reshape(e.in(0), e.out.shape),
  },
  ExpandDims: {
    plan: ({ input }, { dim }: { dim: number }) => {
      const shape = input!.shape.slice();
      shape.splice(dim < 0 ? shape.length + 1 + dim : dim, 0, 1);
      return { share: input!, shape };
    },
    lower: () => [],
  },
  BroadcastTo: {
    broadcast: true,
    plan: ({ x }, { shape }: { shape: number[] }) => ({
      ins: [x!],
      outs: [{ shape, dtype: dtypeOf(x!) }],
      attrs: { shape },
    }),
    lower: () => [],
  },
  ZerosLike: filled(0),
  OnesLike: filled(1),
  Fill: {
    plan: (_, { shape, value, dtype }: { shape: number[]; value: number | string; dtype?: DataType }) => {
      const type = dtype ?? tf.util.inferDtype(value);
      return typeof value === "string" || !isDtype(type) ? undefined : { fill: value, shape, dtype: type };
    },
    lower: () => [],
  },
  Tile: define<{ reps: number[] }, { reps: number[] }>(
    ({ x }, { reps }) => {
      const shape = x!.shape.map((d, i) => d * reps[i]!);
      // tfjs broadcasts through Tile as well.
      const broadcast = reps.every((r, i) => r === 1 || x!.shape[i] === 1);
      return {
        ins: [x!],
        outs: [{ shape, dtype: dtypeOf(x!) }],
        attrs: { reps },
        as: broadcast ? "BroadcastTo" : undefined,
      };
    },
    (e, { reps }) => {
      const x = e.dtype(0) === "bool" ? e.cast(e.in(0), "int32") : e.in(0);
      const y = e.node("Tile", [x, e.list(reps)]);
      return e.dtype(0) === "bool" ? e.cast(y, "bool") : y;
    },
  ),
  Transpose: define<{ perm: number[] }, { perm: number[] }>(
    ({ x }, { perm }) => {
      const shape = perm.map((p) => x!.shape[p]!);
      // Moving axes of size 1 only is a reshape.
      const long = perm.filter((p) => x!.shape[p] !== 1);
      if (long.every((p, i) => i === 0 || p > long[i - 1]!)) return { share: x!, shape };
      return { ins: [x!], outs: [{ shape, dtype: dtypeOf(x!) }], attrs: { perm } };
    },
    (e, { perm }) => e.transpose(e.in(0), perm),
  ),
  Slice: define<{ begin: number | number[]; size: number | number[] }, Bounds>(
    ({ x }, attrs) => {
      const [begin, size] = tf.slice_util.parseSliceParams(
        { ...x!, rank: x!.shape.length } as never,
        attrs.begin,
        attrs.size,
      );
      tf.slice_util.assertParamsValid({ ...x!, rank: x!.shape.length } as never, begin!, size!);
      if (size!.every((d, i) => d === x!.shape[i])) return { share: x!, shape: x!.shape };
      return {
        ins: [x!],
        outs: [{ shape: size!, dtype: dtypeOf(x!) }],
        attrs: { begin: begin!, end: begin!.map((b, i) => b + size![i]!) },
      };
    },
    (e, { begin, end }) => {
      const cut = axesOf(begin).filter((i) => begin[i] !== 0 || end[i] !== e.shape(0)[i]);
      return e.slice(
        e.in(0),
        cut,
        cut.map((i) => begin[i]!),
        cut.map((i) => end[i]!),
      );
    },
  ),
  StridedSlice: define<
    {
      begin: number[];
      end: number[];
      strides: number[];
      beginMask: number;
      endMask: number;
      ellipsisMask: number;
      newAxisMask: number;
      shrinkAxisMask: number;
    },
    Bounds & { shape: number[] }
  >(
    ({ x }, a) => {
      const info = tf.slice_util.sliceInfo(
        x!.shape,
        a.begin,
        a.end,
        a.strides,
        a.beginMask,
        a.endMask,
        a.ellipsisMask,
        a.newAxisMask,
        a.shrinkAxisMask,
      );
      if (info.isIdentity) return { share: x!, shape: info.finalShape };
      return {
        ins: [x!],
        outs: [{ shape: info.finalShape, dtype: dtypeOf(x!) }],
        attrs: { begin: info.begin, end: info.end, step: info.strides, shape: info.finalShape },
      };
    },
    (e, { begin, end, step, shape }) => {
      // An end before the first element is -1 in tfjs, which ONNX would read as the last one.
      const stop = end.map((x, i) => (step![i]! < 0 && x < 0 ? -(2 ** 31) : x));
      return e.reshape(e.slice(e.in(0), axesOf(begin), begin, stop, step), shape);
    },
  ),
  Reverse: define<{ dims: number | number[] }, { axes: number[] }>(
    ({ x }, { dims }) => {
      const axes = tf.util.parseAxisParam(dims, x!.shape);
      if (axes.length === 0) return { share: x!, shape: x!.shape };
      return { ins: [x!], outs: [{ shape: x!.shape, dtype: dtypeOf(x!) }], attrs: { axes } };
    },
    (e, { axes }) =>
      e.slice(
        e.in(0),
        axes,
        axes.map(() => -1),
        axes.map(() => -(2 ** 31)),
        axes.map(() => -1),
      ),
  ),
  Concat: define<{ axis: number }, { axis: number }>(
    (inputs, attrs) => {
      const all = listOf(inputs);
      const axis = tf.util.parseAxisParam(attrs.axis, all[0]!.shape)[0]!;
      tf.backend_util.assertParamsConsistent(
        all.map((t) => t.shape),
        axis,
      );
      const shape = tf.backend_util.computeOutShape(
        all.map((t) => t.shape),
        axis,
      );
      const ins = all.filter((t) => sizeOf(t.shape) > 0);
      if (ins.length === 1) return { share: ins[0]!, shape };
      return { ins, outs: [{ shape, dtype: dtypeOf(all[0]!) }], attrs: { axis } };
    },
    (e, { axis }) => e.node("Concat", e.ins(), { axis }),
  ),
  Pack: define<{ axis: number }, { axis: number }>(
    (inputs, attrs) => {
      const all = listOf(inputs);
      const axis = attrs.axis < 0 ? all[0]!.shape.length + 1 + attrs.axis : attrs.axis;
      const ins = all.map((t) => reshaped(t, [...t.shape.slice(0, axis), 1, ...t.shape.slice(axis)]));
      const shape = ins[0]!.shape.slice();
      shape[axis] = ins.length;
      if (ins.length === 1) return { share: all[0]!, shape };
      return { ins, outs: [{ shape, dtype: dtypeOf(all[0]!) }], attrs: { axis } };
    },
    (e, { axis }) => e.node("Concat", e.ins(), { axis }),
  ),
  SplitV: define<{ numOrSizeSplits: number | number[]; axis: number }, { axis: number; sizes: number[] }>(
    ({ x }, attrs) => {
      const axis = tf.util.parseAxisParam(attrs.axis, x!.shape)[0]!;
      const sizes = splitSizes(x!, attrs.numOrSizeSplits, axis);
      const outs = sizes.map((size) => ({
        shape: x!.shape.map((d, i) => (i === axis ? size : d)),
        dtype: dtypeOf(x!),
      }));
      return { ins: [x!], outs, list: true, attrs: { axis, sizes } };
    },
    (e, { axis, sizes }) =>
      sizes.length === 1 ? e.in(0) : e.graph.nodes("Split", [e.in(0), e.list(sizes)], { axis }, sizes.length),
  ),
  Unpack: define<{ axis: number }, { axis: number; count: number }>(
    ({ value }, attrs) => {
      const axis = attrs.axis < 0 ? attrs.axis + value!.shape.length : attrs.axis;
      const shape = value!.shape.filter((_, i) => i !== axis);
      const count = value!.shape[axis]!;
      return {
        ins: [value!],
        outs: Array.from({ length: count }, () => ({ shape, dtype: dtypeOf(value!) })),
        list: true,
        attrs: { axis, count },
      };
    },
    (e, { axis, count }) => {
      const parts =
        count === 1
          ? [e.in(0)]
          : e.graph.nodes("Split", [e.in(0), e.list(Array<number>(count).fill(1))], { axis }, count);
      return parts.map((p) => e.reshape(p, e.out.shape));
    },
  ),
  PadV2: define<
    { paddings: [number, number][]; constantValue: number },
    { before: number[]; after: number[]; value: number }
  >(
    ({ x }, { paddings, constantValue }) => {
      if (paddings.every(([l, r]) => l === 0 && r === 0)) return { share: x!, shape: x!.shape };
      const shape = x!.shape.map((d, i) => d + paddings[i]![0] + paddings[i]![1]);
      return {
        ins: [x!],
        outs: [{ shape, dtype: dtypeOf(x!) }],
        attrs: { before: paddings.map((p) => p[0]), after: paddings.map((p) => p[1]), value: constantValue },
      };
    },
    (e, { before, after, value }) => {
      const dtype = e.dtype(0) as Dtype;
      const x = dtype === "bool" ? e.cast(e.in(0), "int32") : e.in(0);
      const y = e.node("Pad", [x, e.list([...before, ...after]), e.scalar(value, dtype === "bool" ? "int32" : dtype)], {
        mode: "constant",
      });
      return dtype === "bool" ? e.cast(y, "bool") : y;
    },
  ),
  MirrorPad: define<{ paddings: [number, number][]; mode: "reflect" | "symmetric" }, { pads: number[] }>(
    ({ x }, { paddings, mode }) => {
      if (mode !== "reflect") return undefined;
      const shape = x!.shape.map((d, i) => d + paddings[i]![0] + paddings[i]![1]);
      return {
        ins: [x!],
        outs: [{ shape, dtype: dtypeOf(x!) }],
        attrs: { pads: [...paddings.map((p) => p[0]), ...paddings.map((p) => p[1])] },
      };
    },
    (e, { pads }) => e.node("Pad", [e.in(0), e.list(pads)], { mode: "reflect" }),
  ),
};
