import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import { tf } from "../tf";

/** What every backend gives, stated here: tfjs' own disagree among each other. */
export interface Agreement {
  readonly f: () => Tensor;
  readonly want: readonly number[];
}

const rows = (): Tensor =>
  tf.tensor2d([
    [1, NaN, 3],
    [NaN, 1, 2],
    [3, 2, NaN],
    [1, 2, 3],
  ]);
const image = (numbers: number[], channels = 1): Tensor4D => {
  const side = Math.sqrt(numbers.length / channels);
  return tf.tensor4d(numbers, [1, side, side, channels]);
};
const holes = (): Tensor4D => image([NaN, 1, 3, 4, 5, 6, 7, 8, 1, 1, 2, 3, 4, 5, 6, NaN]);
/** Zero to 59 in an order of its own, 5 by 6 pixels of two channels. */
const uneven = (): Tensor4D =>
  tf.tensor4d(
    Array.from({ length: 60 }, (_, i) => (i * 7) % 60),
    [1, 5, 6, 2],
  );

export const NAN_STAYS: Readonly<Record<string, Agreement>> = {
  "max of rows": { f: () => rows().max(1), want: [NaN, NaN, NaN, 3] },
  "max of columns, kept": { f: () => rows().max(0, true), want: [NaN, NaN, NaN] },
  "max of many": { f: () => tf.max(Float32Array.from({ length: 1000 }, (_, i) => (i === 500 ? NaN : i))), want: [NaN] },
  "min of rows": { f: () => rows().min(1), want: [NaN, NaN, NaN, 1] },
  "max of infinities": { f: () => tf.tensor1d([-Infinity, NaN, Infinity]).max(), want: [NaN] },
  maximum: { f: () => tf.maximum([1, NaN, 3, NaN], [NaN, 1, 2, NaN]), want: [NaN, NaN, 3, NaN] },
  minimum: { f: () => tf.minimum([1, NaN, 3, NaN], [NaN, 1, 2, NaN]), want: [NaN, NaN, 2, NaN] },
  "top values: NaN counts as the largest": {
    f: () => tf.topk(tf.tensor2d([1, NaN, 3, 2, NaN, 1, 2, 0, 3, 2, NaN, NaN], [3, 4]), 2).values,
    want: [NaN, 3, NaN, 2, NaN, NaN],
  },
  "top indices: of equal ones the first": {
    f: () => tf.topk(tf.tensor2d([1, NaN, 3, 2, NaN, 1, 2, 0, 3, 2, NaN, NaN], [3, 4]), 2).indices,
    want: [1, 2, 0, 2, 2, 3],
  },
  "max pooling": { f: () => tf.maxPool(holes(), 2, 2, "valid"), want: [NaN, 8, 5, NaN] },
  "max pooling with margins": { f: () => tf.maxPool(holes(), 3, 3, "same"), want: [NaN, 8, 5, NaN] },
  "average pooling": { f: () => tf.avgPool(holes(), 2, 2, "valid"), want: [NaN, 5.5, 2.75, NaN] },
};

/** Shading languages may take every number for one. */
export const NAN_MAY_GO: Readonly<Record<string, Agreement>> = {
  relu: { f: () => tf.relu([NaN, -1, 1]), want: [NaN, 0, 1] },
  relu6: { f: () => tf.relu6([NaN, -1, 9]), want: [NaN, 0, 6] },
  clip: { f: () => tf.clipByValue([NaN, -1, 9], 0, 6), want: [NaN, 0, 6] },
  sign: { f: () => tf.sign([NaN, -2, 9]), want: [NaN, -1, 1] },
  softmax: { f: () => tf.softmax([NaN, 1]), want: [NaN, NaN] },
};

/** Compared with tfjs' plain JavaScript kernels, which have no branch for them. */
export const POOLS: Readonly<Record<string, () => Tensor>> = {
  "uneven strides": () => tf.maxPool(uneven(), 2, [2, 3], "valid"),
  "uneven strides and window, margins": () => tf.maxPool(uneven(), [2, 3], [2, 1], "same"),
  "uneven strides, a margin in pixels": () => tf.maxPool(uneven(), 3, [2, 1], 1, "floor"),
  "averages, uneven strides": () => tf.avgPool(uneven(), [3, 2], [1, 3], "valid"),
  "averages, uneven strides, a margin in pixels": () => tf.avgPool(uneven(), 3, [2, 1], 1, "floor"),
  "gradient, uneven strides": () => tf.grad((x) => tf.maxPool(x as Tensor4D, [2, 3], [2, 1], "same").sum())(uneven()),
};

export const GATHERS: Readonly<Record<string, Agreement>> = {
  "gather in batches": {
    f: () => tf.gather(tf.range(0, 24).reshape([2, 3, 4]), tf.tensor2d([0, 2, 1, 1], [2, 2], "int32"), 1, 1),
    want: [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 16, 17, 18, 19],
  },
  "gather in batches of an inner axis": {
    f: () => tf.gather(tf.range(0, 24).reshape([2, 3, 4]), tf.tensor2d([0, 2, 1, 3], [2, 2], "int32"), 2, 1),
    want: [0, 2, 4, 6, 8, 10, 13, 15, 17, 19, 21, 23],
  },
};
export const numbersOf = (f: () => Tensor): number[] => tf.tidy(() => Array.from(f().dataSync()));

/** Indices that are none, known when the operation is called. */
export const OUTSIDE: Readonly<Record<string, () => Tensor>> = {
  "gather(-1)": () => tf.gather(tf.range(0, 6), tf.tensor1d([0, -1], "int32")),
  "gather(size)": () => tf.gather(tf.range(0, 6), tf.tensor1d([6], "int32")),
  "gather(-1) of an inner axis": () => tf.gather(tf.range(0, 6).reshape([2, 3]), tf.tensor1d([-1], "int32"), 1),
  "gather(size) in batches": () =>
    tf.gather(tf.range(0, 6).reshape([2, 3]), tf.tensor2d([0, 3], [2, 1], "int32"), 1, 1),
};
/** Computed ones, and others that tfjs refuses. */
export const OUTSIDE_COMPUTED: Readonly<Record<string, () => Tensor>> = {
  "gather(-1), computed": () =>
    tf.gather(tf.range(0, 6), tf.tensor1d([0, -2], "int32").add(tf.scalar(1, "int32")).toInt()),
  "gather(size) in batches, computed": () =>
    tf.gather(tf.range(0, 6).reshape([2, 3]), tf.tensor2d([0, 2], [2, 1], "int32").add(tf.scalar(1, "int32")), 1, 1),
  "gatherND(-1)": () => tf.gatherND(tf.range(0, 6), tf.tensor2d([-1], [1, 1], "int32")),
};
