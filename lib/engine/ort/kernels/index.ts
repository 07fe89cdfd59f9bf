import type { DataType } from "@tensorflow/tfjs-core";
import { tf } from "../../tf";
import type { Emission } from "../emission";
import { define, dtypeOf, type KernelTable, reshaped, sizeOf } from "../kernel";
import { type Dtype, isDtype } from "../value";

/** Zeros of the output's shape and type. */
function zeros(e: Emission, shape: readonly number[]): string {
  return e.node("Expand", [e.scalar(0, e.out.dtype), e.list(shape)]);
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

export const indexKernels: KernelTable = {
  GatherV2: define<{ axis: number; batchDims?: number }, { axis: number; batches: number; count: number }>(
    ({ x, indices }, attrs) => {
      const axis = tf.util.parseAxisParam(attrs.axis, x!.shape)[0]!;
      const batchDims = attrs.batchDims ?? 0;
      const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(x as never, indices as never, axis, batchDims);
      const out = { shape: info.outputShape, dtype: dtypeOf(x!) };
      const { batchSize, outerSize, dimSize, sliceSize } = info;
      if (batchSize === 1) return { ins: [x!, indices!], outs: [out], attrs: { axis, batches: 1, count: dimSize } };
      if (outerSize !== 1) return undefined;
      // Rows of all batches in one table, indices moved by the batch's first row.
      const ins = [reshaped(x!, [batchSize * dimSize, sliceSize]), reshaped(indices!, [batchSize, sizeOf(indices!.shape) / batchSize])];
      return { ins, outs: [out], attrs: { axis: 0, batches: batchSize, count: dimSize } };
    },
    (e, { axis, batches, count }) => {
      if (batches === 1) {
        // A leading batch axis of size 1 on both sides is not part of ONNX's Gather.
        return e.reshape(e.node("Gather", [e.in(0), e.in(1)], { axis }), e.out.shape);
      }
      const first = e.constant(range(batches).map((b) => b * count), [batches, 1], "int32");
      return e.reshape(e.node("Gather", [e.in(0), e.node("Add", [e.in(1), first])], { axis: 0 }), e.out.shape);
    },
  ),
  GatherNd: define<object, object>(
    ({ params, indices }) => {
      const [shape] = tf.gather_util.prepareAndValidate(params as never, indices as never);
      return { ins: [params!, indices!], outs: [{ shape: shape!, dtype: dtypeOf(params!) }], attrs: {} };
    },
    (e) => e.node("GatherND", [e.in(0), e.cast(e.in(1), "int64")]),
  ),
  ScatterNd: define<{ shape: number[] }, { shape: number[] }>(
    ({ indices, updates }, { shape }) => ({ ins: [indices!, updates!], outs: [{ shape, dtype: dtypeOf(updates!) }], attrs: { shape } }),
    (e, { shape }) => e.node("ScatterND", [zeros(e, shape), e.cast(e.in(0), "int64"), e.in(1)], { reduction: "add" }),
  ),
  TensorScatterUpdate: define<object, object>(
    ({ tensor, indices, updates }) => ({ ins: [tensor!, indices!, updates!], outs: [{ shape: tensor!.shape, dtype: dtypeOf(tensor!) }], attrs: {} }),
    (e) => e.node("ScatterND", [e.in(0), e.cast(e.in(1), "int64"), e.in(2)]),
  ),
  /** Rows of x added into the row their id names; ids outside are dropped, as in tfjs. */
  UnsortedSegmentSum: define<{ numSegments: number }, { rows: number }>(
    ({ x, segmentIds }, { numSegments }) => {
      if (segmentIds!.shape.length !== 1) return undefined;
      return { ins: [x!, segmentIds!], outs: [{ shape: [numSegments, ...x!.shape.slice(1)], dtype: dtypeOf(x!) }], attrs: { rows: numSegments } };
    },
    (e, { rows }) => {
      const ids = e.in(1);
      const zero = e.scalar(0, "int32");
      const inside = e.node("And", [e.node("GreaterOrEqual", [ids, zero]), e.node("Less", [ids, e.scalar(rows, "int32")])]);
      const rank = e.shape(0).length;
      const keep = e.reshape(inside, [e.shape(1)[0]!, ...Array<number>(rank - 1).fill(1)]);
      const updates = e.select(keep, e.in(0), e.scalar(0, e.out.dtype));
      const at = e.reshape(e.cast(e.select(inside, ids, zero), "int64"), [e.shape(1)[0]!, 1]);
      return e.node("ScatterND", [zeros(e, e.out.shape), at, updates], { reduction: "add" });
    },
  ),
  OneHot: define<{ depth: number; onValue: number; offValue: number; dtype?: DataType }, { depth: number; on: number; off: number; dtype: Dtype }>(
    ({ indices }, { depth, onValue, offValue, dtype }) => {
      const type = dtype ?? "int32";
      if (!isDtype(type)) return undefined;
      return { ins: [indices!], outs: [{ shape: [...indices!.shape, depth], dtype: type }], attrs: { depth, on: onValue, off: offValue, dtype: type } };
    },
    (e, { depth, on, off, dtype }) => {
      const ids = e.reshape(e.cast(e.in(0), "int32"), [...e.shape(0), 1]);
      const hot = e.node("Equal", [ids, e.constant(range(depth), [depth], "int32")]);
      return e.select(hot, e.scalar(on, dtype), e.scalar(off, dtype));
    },
  ),
  Range: {
    plan: (_, { start, stop, step, dtype }: { start: number; stop: number; step: number; dtype: Dtype }) => {
      const count = Math.max(0, Math.ceil((stop - start) / step));
      const values = Array.from({ length: count }, (_, i) => start + i * step);
      return { values: dtype === "int32" ? Int32Array.from(values) : Float32Array.from(values), shape: [count], dtype: dtype === "int32" ? "int32" : "float32" };
    },
    emit: () => [],
  },
  LinSpace: {
    plan: (_, { start, stop, num }: { start: number; stop: number; num: number }) => {
      const step = (stop - start) / (num - 1);
      return { values: Float32Array.from({ length: num }, (_, i) => (i === 0 ? start : start + i * step)), shape: [num], dtype: "float32" };
    },
    emit: () => [],
  },
};
