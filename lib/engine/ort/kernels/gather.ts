import type { DataType } from "@tensorflow/tfjs-core";
import { type Dtype, isDtype, sizeOf } from "../ir";
import type { Emission } from "../lower/emission";
import { tf } from "../tf";
import { define, dtypeOf, type KernelTable, reshaped } from "./kernel";

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

/**
 * Adds rows into zeros: out[ids[n]] += updates[n].
 *
 * @param ids int32 or int64 [n], every one inside
 * @param updates [n, width]
 */
export function addRows(e: Emission, ids: string, updates: string, count: number, rows: number, width: number): string {
  const dtype = e.out.dtype;
  const zeros = e.node("Expand", [e.scalar(0, dtype), e.list([rows, width])]);
  const column = (name: string): string => e.reshape(name, [count, 1]);
  if (e.graph.target.scatterAdds)
    return e.node("ScatterND", [zeros, column(e.cast(ids, "int64")), updates], { reduction: "add" });
  // With several threads ONNX Runtime's ScatterND loses additions to the same row (two threads read, add and
  // write at once). A product is exact and as fast for few rows; ScatterElements runs on one thread.
  if (rows <= 256 && dtype === "float32") {
    const hot = e.node("Equal", [column(e.cast(ids, "int32")), e.constant(range(rows), [1, rows], "int32")]);
    return e.matmul(e.cast(hot, "float32"), updates, true);
  }
  const at = e.node("Expand", [column(ids), e.list([count, width])]);
  return e.node("ScatterElements", [zeros, at, updates], { axis: 0, reduction: "add" });
}

// tfjs knows indices from 0 to the size alone; ONNX would count negative ones from the end. They are moved behind the
// end, where a provider that looks (the CPU's) refuses them; on a GPU a wrong index reads zeros or another row.

/** Indices, with `outside` in place of negative ones. */
function nonNegative(e: Emission, indices: string, outside: number): string {
  return e.select(e.node("Less", [indices, e.scalar(0, "int32")]), e.scalar(outside, "int32"), indices);
}

/** Indices into `batches` tables of `count` rows, one after the other: int32[batches, n] */
function rowsOfBatches(e: Emission, indices: string, batches: number, count: number): string {
  const first = range(batches).map((b) => b * count);
  const rows = e.node("Add", [indices, e.constant(first, [batches, 1], "int32")]);
  const wrong = e.node("Or", [
    e.node("Less", [indices, e.scalar(0, "int32")]),
    e.node("GreaterOrEqual", [indices, e.scalar(count, "int32")]),
  ]);
  // the next batch's rows are none of this one's
  return e.select(wrong, e.scalar(batches * count, "int32"), rows);
}

export const gatherKernels: KernelTable = {
  GatherV2: define<{ axis: number; batchDims?: number }, { axis: number; batches: number; count: number }>(
    ({ x, indices }, attrs, known) => {
      const axis = tf.util.parseAxisParam(attrs.axis, x!.shape)[0]!;
      const batchDims = attrs.batchDims ?? 0;
      const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(x as never, indices as never, axis, batchDims);
      const out = { shape: info.outputShape, dtype: dtypeOf(x!) };
      const { batchSize, outerSize, dimSize, sliceSize } = info;
      for (const index of known(indices!) ?? [])
        tf.util.assert(
          index >= 0 && index < dimSize,
          () => `GatherV2: the index value ${index} is not in [0, ${dimSize - 1}]`,
        );
      if (batchSize === 1) return { ins: [x!, indices!], outs: [out], attrs: { axis, batches: 1, count: dimSize } };
      if (outerSize !== 1) return undefined;
      // Rows of all batches in one table, indices moved by the batch's first row.
      const ins = [
        reshaped(x!, [batchSize * dimSize, sliceSize]),
        reshaped(indices!, [batchSize, sizeOf(indices!.shape) / batchSize]),
      ];
      return { ins, outs: [out], attrs: { axis: 0, batches: batchSize, count: dimSize } };
    },
    (e, { axis, batches, count }) => {
      // A leading batch axis of size 1 on both sides is not part of ONNX's Gather.
      const rows = batches === 1 ? nonNegative(e, e.in(1), count) : rowsOfBatches(e, e.in(1), batches, count);
      return e.reshape(e.node("Gather", [e.in(0), rows], { axis }), e.out.shape);
    },
  ),
  GatherNd: define<object, object>(
    ({ params, indices }) => {
      const [shape] = tf.gather_util.prepareAndValidate(params as never, indices as never);
      return { ins: [params!, indices!], outs: [{ shape: shape!, dtype: dtypeOf(params!) }], attrs: {} };
    },
    (e) => e.node("GatherND", [e.in(0), e.cast(nonNegative(e, e.in(1), 2 ** 30), "int64")]),
  ),
  ScatterNd: define<{ shape: number[] }, { shape: number[] }>(
    ({ indices, updates }, { shape }) => {
      const { sliceRank, numUpdates, sliceSize } = tf.scatter_util.calculateShapes(updates!, indices!, shape);
      const ins = [reshaped(indices!, [numUpdates, sliceRank]), reshaped(updates!, [numUpdates, sliceSize])];
      return { ins, outs: [{ shape, dtype: dtypeOf(updates!) }], attrs: { shape } };
    },
    (e, { shape }) => {
      const [count, rank] = e.shape(0) as [number, number];
      const rows = sizeOf(shape.slice(0, rank));
      const strides = range(rank).map((i) => sizeOf(shape.slice(i + 1, rank)));
      const ids =
        rank === 1
          ? e.reshape(e.in(0), [count])
          : e.node("ReduceSum", [e.node("Mul", [e.in(0), e.constant(strides, [rank], "int32")]), e.list([1])], {
              keepdims: 0,
            });
      return e.reshape(addRows(e, ids, e.in(1), count, rows, e.shape(1)[1]!), shape);
    },
  ),
  TensorScatterUpdate: define<object, object>(
    ({ tensor, indices, updates }) => ({
      ins: [tensor!, indices!, updates!],
      outs: [{ shape: tensor!.shape, dtype: dtypeOf(tensor!) }],
      attrs: {},
    }),
    (e) => e.node("ScatterND", [e.in(0), e.cast(e.in(1), "int64"), e.in(2)]),
  ),
  /** Rows of x added into the row their id names; ids outside are dropped, as in tfjs. */
  UnsortedSegmentSum: define<{ numSegments: number }, { rows: number; shape: number[] }>(
    ({ x, segmentIds }, { numSegments }) => {
      if (segmentIds!.shape.length !== 1) return undefined;
      const count = segmentIds!.shape[0]!;
      const ins = [reshaped(x!, [count, sizeOf(x!.shape.slice(1))]), segmentIds!];
      return {
        ins,
        outs: [{ shape: [numSegments, ...x!.shape.slice(1)], dtype: dtypeOf(x!) }],
        attrs: { rows: numSegments, shape: x!.shape.slice(1) },
      };
    },
    (e, { rows }) => {
      const ids = e.in(1);
      const zero = e.scalar(0, "int32");
      const [count, width] = e.shape(0) as [number, number];
      const inside = e.node("And", [
        e.node("GreaterOrEqual", [ids, zero]),
        e.node("Less", [ids, e.scalar(rows, "int32")]),
      ]);
      const updates = e.select(e.reshape(inside, [count, 1]), e.in(0), e.scalar(0, e.out.dtype));
      return e.reshape(addRows(e, e.select(inside, ids, zero), updates, count, rows, width), e.out.shape);
    },
  ),
  OneHot: define<
    { depth: number; onValue: number; offValue: number; dtype?: DataType },
    { depth: number; on: number; off: number; dtype: Dtype }
  >(
    ({ indices }, { depth, onValue, offValue, dtype }) => {
      const type = dtype ?? "int32";
      if (!isDtype(type)) return undefined;
      return {
        ins: [indices!],
        outs: [{ shape: [...indices!.shape, depth], dtype: type }],
        attrs: { depth, on: onValue, off: offValue, dtype: type },
      };
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
      return {
        values: dtype === "int32" ? Int32Array.from(values) : Float32Array.from(values),
        shape: [count],
        dtype: dtype === "int32" ? "int32" : "float32",
      };
    },
    lower: () => [],
  },
  LinSpace: {
    plan: (_, { start, stop, num }: { start: number; stop: number; num: number }) => {
      const step = (stop - start) / (num - 1);
      return {
        values: Float32Array.from({ length: num }, (_, i) => (i === 0 ? start : start + i * step)),
        shape: [num],
        dtype: "float32",
      };
    },
    lower: () => [],
  },
};
