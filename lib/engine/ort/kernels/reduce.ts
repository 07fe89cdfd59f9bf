import type { Dtype } from "../ir";
import { sizeOf } from "../ir";
import { tf } from "../tf";
import { define, dtypeOf, type Kernel, type KernelTable, keepNaN } from "./kernel";

interface Reduction {
  axes: number[];
  keep: boolean;
}

function outShape(shape: readonly number[], axes: readonly number[], keep: boolean): number[] {
  return keep ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));
}

/**
 * Reductions whose float32 sum ONNX Runtime adds up one by one: 8 in 1,000 off for 68 million numbers. And what joins
 * the rows' results.
 */
const ROWWISE: Readonly<Record<string, string>> = {
  ReduceSum: "ReduceSum",
  ReduceMean: "ReduceMean",
  ReduceSumSquare: "ReduceSum",
};
const MANY = 1 << 20;

/** How long the rows are that many numbers are first reduced by; undefined where they are few or do not divide. */
function rowLength(size: number): number | undefined {
  if (size <= MANY) return undefined;
  for (let k = 4096; k >= 64; k--) if (size % k === 0) return k;
  return undefined;
}

/**
 * @param result output type by input type
 * @param computed type ONNX computes in, by input type
 */
function reduction(op: string, result: (d: Dtype) => Dtype, computed: (d: Dtype) => Dtype = result): Kernel {
  return define<{ axis?: number | number[]; reductionIndices?: number | number[]; keepDims?: boolean }, Reduction>(
    ({ x }, attrs) => {
      const axes = tf.util.parseAxisParam((attrs.axis ?? attrs.reductionIndices) as number[], x!.shape);
      const keep = attrs.keepDims ?? false;
      return {
        ins: [x!],
        outs: [{ shape: outShape(x!.shape, axes, keep), dtype: result(dtypeOf(x!)) }],
        attrs: { axes, keep },
      };
    },
    (e, { axes, keep }) => {
      const from = e.dtype(0) as Dtype;
      const to = computed(from);
      const x = from === to ? e.in(0) : e.cast(e.in(0), to);
      const over = ROWWISE[op];
      const rows = over !== undefined && axes.length === e.shape(0).length ? rowLength(sizeOf(e.shape(0))) : undefined;
      if (rows !== undefined && to === "float32") {
        const parts = e.node(op, [e.reshape(x, [sizeOf(e.shape(0)) / rows, rows]), e.list([1])], { keepdims: 0 });
        return e.reshape(e.node(over!, [parts, e.list([0])], { keepdims: 0 }), e.out.shape);
      }
      // ONNX reads "no axes" as "all axes".
      const y = axes.length === 0 ? x : e.node(op, [x, e.list(axes)], { keepdims: keep ? 1 : 0 });
      return to === e.out.dtype ? y : e.cast(y, e.out.dtype);
    },
  );
}

const same = (d: Dtype): Dtype => d;
const number = (d: Dtype): Dtype => (d === "bool" ? "int32" : d);

/**
 * ReduceMax or ReduceMin of floats, NaN where there is one among them as tfjs has it: ONNX Runtime's result depends on
 * where it stands.
 */
function extreme(op: "ReduceMax" | "ReduceMin"): Kernel {
  const plain = reduction(op, same, number);
  return {
    ...plain,
    lower: (e, attrs: never) => {
      const { axes, keep } = attrs as Reduction;
      const most = plain.lower(e, attrs) as string;
      if (e.dtype(0) !== "float32" || axes.length === 0) return most;
      const missing = e.cast(e.node("IsNaN", [e.in(0)]), "float32");
      return keepNaN(e, most, e.node("ReduceMax", [missing, e.list(axes)], { keepdims: keep ? 1 : 0 }));
    },
  };
}

function arg(op: string): Kernel {
  return define<{ axis: number }, { axis: number }>(
    ({ x }, attrs) => {
      const axis = tf.util.parseAxisParam(attrs.axis, x!.shape)[0]!;
      return { ins: [x!], outs: [{ shape: outShape(x!.shape, [axis], false), dtype: "int32" }], attrs: { axis } };
    },
    (e, { axis }) => {
      const x = e.dtype(0) === "bool" ? e.cast(e.in(0), "int32") : e.in(0);
      return e.cast(e.node(op, [x], { axis, keepdims: 0 }), "int32");
    },
  );
}

export const reduceKernels: KernelTable = {
  Sum: reduction("ReduceSum", number),
  /** See ops/sum-squares.ts. */
  SumSquares: reduction("ReduceSumSquare", () => "float32"),
  Prod: reduction("ReduceProd", number),
  Mean: reduction("ReduceMean", () => "float32"),
  Max: extreme("ReduceMax"),
  Min: extreme("ReduceMin"),
  Any: reduction(
    "ReduceMax",
    () => "bool",
    () => "int32",
  ),
  All: reduction(
    "ReduceMin",
    () => "bool",
    () => "int32",
  ),
  ArgMax: arg("ArgMax"),
  ArgMin: arg("ArgMin"),
  Cumsum: define<
    { axis: number; exclusive: boolean; reverse: boolean },
    { axis: number; exclusive: boolean; reverse: boolean }
  >(
    ({ x }, { axis, exclusive, reverse }) => ({
      ins: [x!],
      outs: [{ shape: x!.shape, dtype: number(dtypeOf(x!)) }],
      attrs: { axis: tf.util.parseAxisParam(axis, x!.shape)[0]!, exclusive, reverse },
    }),
    (e, { axis, exclusive, reverse }) => {
      const x = e.dtype(0) === "bool" ? e.cast(e.in(0), "int32") : e.in(0);
      return e.node("CumSum", [x, e.scalar(axis, "int64")], { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 });
    },
  ),
  Softmax: define<{ dim: number }, { axis: number }>(
    ({ logits }, { dim }) => ({
      ins: [logits!],
      outs: [{ shape: logits!.shape, dtype: "float32" }],
      attrs: { axis: tf.util.parseAxisParam(dim, logits!.shape)[0]! },
    }),
    (e, { axis }) => e.node("Softmax", [e.in(0)], { axis }),
  ),
  LogSoftmax: define<{ axis: number }, { axis: number }>(
    ({ logits }, { axis }) => ({
      ins: [logits!],
      outs: [{ shape: logits!.shape, dtype: "float32" }],
      attrs: { axis: tf.util.parseAxisParam(axis, logits!.shape)[0]! },
    }),
    (e, { axis }) => e.node("LogSoftmax", [e.in(0)], { axis }),
  ),
  TopK: define<{ k: number; sorted: boolean }, { k: number; sorted: boolean }>(
    ({ x }, { k, sorted }) => {
      const shape = [...x!.shape.slice(0, -1), k];
      return {
        ins: [x!],
        outs: [
          { shape, dtype: dtypeOf(x!) },
          { shape, dtype: "int32" },
        ],
        attrs: { k, sorted },
      };
    },
    (e, { k, sorted }) => {
      const attributes = { axis: -1, largest: 1, sorted: sorted ? 1 : 0 };
      const topOf = (x: string): string[] => e.graph.nodes("TopK", [x, e.list([k])], attributes, 2);
      if (e.dtype(0) !== "float32") {
        const [values, indices] = topOf(e.in(0)) as [string, string];
        return [values, e.cast(indices, "int32")];
      }
      // NaN counts as the largest: ONNX Runtime's order would depend on where it stands
      const [, indices] = topOf(e.select(e.node("IsNaN", [e.in(0)]), e.scalar(Infinity), e.in(0))) as [string, string];
      return [e.node("GatherElements", [e.in(0), indices], { axis: e.shape(0).length - 1 }), e.cast(indices, "int32")];
    },
  ),
};
