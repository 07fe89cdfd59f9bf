import type { Tensor } from "@tensorflow/tfjs-core";
import { tf } from "../tf";
import { Random } from "./random";

type Input =
  | number[]
  | { readonly ints: number[]; readonly below: number }
  | { readonly bools: number[] }
  | { readonly given: number[]; readonly shape: number[] };

export interface Case {
  readonly name: string;
  readonly inputs: readonly Input[];
  readonly f: (...x: Tensor[]) => Tensor | Tensor[];
  /** Inputs that get a gradient; all float inputs unless stated. */
  readonly grad?: boolean;
  /** Looser than 1e-6 for a reason given beside it. */
  readonly tolerance?: number;
  /** Bounds of the uniform inputs. */
  readonly range?: readonly [number, number];
}

function make(input: Input, rng: Random, [low, high]: readonly [number, number]): Tensor {
  if (Array.isArray(input))
    return tf.tensor(
      Float32Array.from({ length: input.reduce((a, b) => a * b, 1) }, () => rng.uniform(low, high)),
      input,
    );
  if ("given" in input) return tf.tensor(Float32Array.from(input.given), input.shape);
  if ("bools" in input)
    return tf.tensor(
      Uint8Array.from({ length: input.bools.reduce((a, b) => a * b, 1) }, () => rng.int(2)),
      input.bools,
      "bool",
    );
  return tf.tensor(
    Int32Array.from({ length: input.ints.reduce((a, b) => a * b, 1) }, () => rng.int(input.below)),
    input.ints,
    "int32",
  );
}

/** Outputs and, of a weighted sum of them, gradients. */
export function evaluate(c: Case): Tensor[] {
  const rng = new Random(c.name);
  const inputs = c.inputs.map((i) => make(i, rng, c.range ?? [-2, 2]));
  const result = c.f(...inputs);
  const outputs = Array.isArray(result) ? result : [result];
  const floats = inputs.map((x, i) => (x.dtype === "float32" ? i : -1)).filter((i) => i >= 0);
  if (c.grad === false || floats.length === 0) return outputs;
  // A weighted sum of all outputs, so that every element has its own gradient.
  const weights = outputs.map((o) => make(o.shape, rng, [-1, 1]));
  const grads = tf.grads((...xs: Tensor[]) => {
    const full = inputs.map((x, i) => (floats.includes(i) ? xs[floats.indexOf(i)]! : x));
    const y = c.f(...full);
    return (Array.isArray(y) ? y : [y]).map((o, i) => o.mul(weights[i]!).sum()).reduce((a, b) => a.add(b));
  })(floats.map((i) => inputs[i]!));
  return [...outputs, ...grads];
}

const unary = (name: string, f: (x: Tensor) => Tensor, more: Partial<Case> = {}): Case => ({
  name,
  inputs: [[2, 3, 5]],
  f: f as Case["f"],
  ...more,
});

const PAIRS: readonly (readonly [string, number[], number[]])[] = [
  ["same shape", [2, 3], [2, 3]],
  ["row", [2, 3], [3]],
  ["both ways", [2, 1, 3], [4, 1]],
  ["scalar", [], [2, 2]],
  ["one element", [1], [1, 1]],
];

const binary = (name: string, f: (a: Tensor, b: Tensor) => Tensor, more: Partial<Case> = {}): Case[] =>
  PAIRS.map(([label, a, b]) => ({ name: `${name}, ${label}`, inputs: [a, b], f: f as Case["f"], ...more }));

const image = (name: string, x: number[], w: number[], strides: number, pad: "same" | "valid" | number): Case => ({
  name: `conv2d ${name}`,
  inputs: [x, w],
  f: (a, b) => tf.conv2d(a as never, b as never, strides, pad),
  tolerance: 2e-6, // sums of up to 81 products in another order
});

const pooled = (
  name: string,
  pool: (x: Tensor, size: number | number[], strides: number | number[], pad: string) => Tensor,
  size: number | number[],
  strides: number | number[],
  pad: string,
): Case => ({
  name,
  inputs: [[2, 6, 7, 3]],
  f: (x) => pool(x!, size, strides, pad),
});

/** Cases by what they are about. */
export const OP_CASES: readonly (readonly [string, readonly Case[]])[] = [
  [
    "unary ops",
    [
      unary("exp", tf.exp),
      // Single precision exp of the argument is amplified by the function's size.
      unary("expm1", tf.expm1),
      unary("log", tf.log, { range: [0.1, 3] }),
      unary("log1p", tf.log1p, { range: [-0.9, 3] }),
      unary("sqrt", tf.sqrt, { range: [0.1, 3] }),
      unary("rsqrt", tf.rsqrt, { range: [0.1, 3], tolerance: 2e-6 }),
      unary("reciprocal", tf.reciprocal, { range: [0.2, 3] }),
      unary("square", tf.square),
      unary("tanh", tf.tanh),
      unary("sigmoid", tf.sigmoid),
      // tfjs approximates erf to 1.5e-7 (Abramowitz and Stegun 7.1.26).
      unary("erf", tf.erf),
      unary("softplus", tf.softplus),
      unary("relu", tf.relu),
      unary("relu6", tf.relu6, { range: [-3, 9] }),
      unary("leakyRelu", (x) => tf.leakyRelu(x, 0.1)),
      unary("elu", tf.elu),
      unary("selu", tf.selu),
      unary("abs", tf.abs),
      unary("neg", tf.neg),
      unary("sign", tf.sign),
      unary("floor", tf.floor),
      unary("ceil", tf.ceil),
      unary("round", tf.round),
      unary("round to even", tf.round, {
        inputs: [{ given: [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], shape: [6] }],
        grad: false,
      }),
      unary("step", (x) => tf.step(x, 0.2)),
      unary("clip", (x) => tf.clipByValue(x, -0.5, 0.7)),
      unary("sin", tf.sin),
      unary("cos", tf.cos),
      unary("tan", tf.tan, { range: [-1, 1], tolerance: 2e-6 }),
      unary("asin", tf.asin, { range: [-0.9, 0.9] }),
      unary("acos", tf.acos, { range: [-0.9, 0.9] }),
      unary("atan", tf.atan),
      unary("sinh", tf.sinh),
      unary("cosh", tf.cosh),
      unary("asinh", tf.asinh),
      unary("acosh", tf.acosh, { range: [1.2, 3] }),
      unary("atanh", tf.atanh, { range: [-0.9, 0.9], tolerance: 2e-6 }),
      unary("isNaN, isInf, isFinite", (x) => tf.stack([tf.isNaN(x), tf.isInf(x), tf.isFinite(x)]), {
        inputs: [{ given: [1, NaN, Infinity, -Infinity], shape: [4] }],
        grad: false,
      }),
      unary("zerosLike, onesLike", (x) => tf.concat([tf.zerosLike(x), tf.onesLike(x)])),
      unary(
        "int32 abs, neg, sign, square",
        (x) => {
          const y = x.sub(tf.scalar(3, "int32"));
          return tf.stack([tf.abs(y), tf.neg(y), tf.sign(y), tf.square(y)]);
        },
        { inputs: [{ ints: [7], below: 7 }] },
      ),
      unary("logicalNot", tf.logicalNot, { inputs: [{ bools: [2, 3] }] }),
      unary("cast float to int truncates", (x) => x.cast("int32"), {
        inputs: [{ given: [-1.7, -0.2, 0.2, 1.7], shape: [4] }],
        grad: false,
      }),
      unary("cast float to bool", (x) => x.cast("bool"), {
        inputs: [{ given: [-1, 0, 0.2], shape: [3] }],
        grad: false,
      }),
      unary("cast bool to float", (x) => x.cast("float32"), { inputs: [{ bools: [5] }] }),
    ],
  ],
  [
    "binary ops",
    [
      ...binary("add", tf.add),
      ...binary("sub", tf.sub),
      ...binary("mul", tf.mul),
      ...binary("div", tf.div, { range: [0.5, 2] }),
      ...binary("maximum", tf.maximum),
      ...binary("minimum", tf.minimum),
      ...binary("pow", tf.pow, { range: [0.5, 2], tolerance: 2e-6 }),
      ...binary("squaredDifference", tf.squaredDifference),
      ...binary("atan2", tf.atan2),
      ...binary(
        "comparisons",
        (a, b) =>
          tf.stack([
            tf.less(a, b),
            tf.lessEqual(a, b),
            tf.greater(a, b),
            tf.greaterEqual(a, b),
            tf.equal(a, b),
            tf.notEqual(a, b),
          ]),
        { grad: false },
      ),
      ...binary("mod", tf.mod, { grad: false, tolerance: 2e-6 }),
      ...binary("floorDiv", tf.floorDiv, { grad: false }),
      {
        name: "int32 arithmetic",
        inputs: [
          { ints: [6], below: 9 },
          { ints: [6], below: 5 },
        ],
        f: (a, b) =>
          tf.stack([
            a!.add(b!),
            a!.sub(b!),
            a!.mul(b!),
            tf.floorDiv(a!.sub(tf.scalar(4, "int32")), b!.add(tf.scalar(1, "int32"))),
            tf.mod(a!.sub(tf.scalar(4, "int32")), b!.add(tf.scalar(1, "int32"))),
            tf.maximum(a!, b!),
          ]),
      },
      { name: "int32 and float", inputs: [{ ints: [6], below: 9 }, [6]], f: (a, b) => a!.mul(b!) },
      {
        name: "bool logic",
        inputs: [{ bools: [6] }, { bools: [6] }],
        f: (a, b) => tf.stack([tf.logicalAnd(a!, b!), tf.logicalOr(a!, b!), tf.logicalXor(a!, b!), tf.equal(a!, b!)]),
      },
      {
        name: "addN",
        inputs: [
          [2, 2],
          [2, 2],
          [2, 2],
        ],
        f: (...x) => tf.addN(x),
      },
      { name: "prelu", inputs: [[2, 3], [3]], f: (x, a) => tf.prelu(x!, a!) },
      { name: "where", inputs: [{ bools: [2, 3] }, [2, 3], [2, 3]], f: (c, a, b) => tf.where(c!, a!, b!) },
      { name: "where, broadcast", inputs: [{ bools: [3] }, [2, 3], [1]], f: (c, a, b) => tf.where(c!, a!, b!) },
      {
        name: "atan2 on the axes",
        inputs: [
          { given: [0, 0, 1, -1, 0], shape: [5] },
          { given: [1, -1, 0, 0, 0], shape: [5] },
        ],
        f: (a, b) => tf.atan2(a!, b!),
        grad: false,
      },
    ],
  ],
  [
    "reductions",
    [
      ...(["sum", "mean", "max", "min"] as const).flatMap((op): Case[] => [
        { name: `${op} of all`, inputs: [[2, 3, 4]], f: (x) => tf[op](x!) },
        { name: `${op} of the last axis, kept`, inputs: [[2, 3, 4]], f: (x) => tf[op](x!, -1, true) },
        { name: `${op} of outer axes`, inputs: [[2, 3, 4]], f: (x) => tf[op](x!, [0, 1]) },
        { name: `${op} of a scalar`, inputs: [[]], f: (x) => tf[op](x!) },
      ]),
      { name: "prod", inputs: [[2, 3]], f: (x) => tf.prod(x!, 1) },
      { name: "any, all", inputs: [{ bools: [3, 4] }], f: (x) => [tf.any(x!, 1), tf.all(x!, 0)] },
      { name: "int32 sum and max", inputs: [{ ints: [3, 4], below: 10 }], f: (x) => [tf.sum(x!, 0), tf.max(x!, 1)] },
      { name: "bool sum", inputs: [{ bools: [3, 4] }], f: (x) => tf.sum(x!, 0) },
      { name: "int32 mean", inputs: [{ ints: [3, 4], below: 10 }], f: (x) => tf.mean(x!, 0) },
      { name: "argMax, argMin", inputs: [[3, 5]], f: (x) => [tf.argMax(x!, -1), tf.argMin(x!, 0)], grad: false },
      {
        name: "argMax of a tie takes the first",
        inputs: [{ given: [1, 3, 3, 2], shape: [4] }],
        f: (x) => tf.argMax(x!),
        grad: false,
      },
      { name: "cumsum", inputs: [[3, 4]], f: (x) => tf.cumsum(x!, 1) },
      { name: "cumsum, exclusive and reverse", inputs: [[3, 4]], f: (x) => tf.cumsum(x!, 0, true, true), grad: false },
      {
        name: "moments",
        inputs: [[3, 4]],
        f: (x) => {
          const { mean, variance } = tf.moments(x!, -1, true);
          return [mean, variance];
        },
      },
      { name: "logSumExp", inputs: [[3, 4]], f: (x) => tf.logSumExp(x!, -1) },
      {
        name: "topk",
        inputs: [[2, 6]],
        f: (x) => {
          const { values, indices } = tf.topk(x!, 3);
          return [values, indices];
        },
        grad: false,
      },
      { name: "softmax", inputs: [[2, 3, 5]], f: (x) => tf.softmax(x!) },
      {
        name: "softmax with a -inf mask",
        inputs: [[2, 4], { given: [0, -Infinity, 0, 0, 0, 0, -Infinity, -Infinity], shape: [2, 4] }],
        f: (x, m) => tf.softmax(x!.add(m!)),
      },
      { name: "logSoftmax", inputs: [[2, 3, 5]], f: (x) => tf.logSoftmax(x!) },
    ],
  ],
  [
    "shape ops",
    [
      { name: "reshape and back", inputs: [[2, 6]], f: (x) => x!.reshape([3, 4]).mul(2).reshape([2, 6]).add(x!) },
      { name: "expandDims, squeeze", inputs: [[2, 1, 3]], f: (x) => tf.expandDims(tf.squeeze(x!, [1]), 0) },
      { name: "transpose", inputs: [[2, 3, 4, 5]], f: (x) => tf.transpose(x!, [0, 2, 1, 3]) },
      { name: "transpose of unit axes", inputs: [[1, 3, 1, 5]], f: (x) => tf.transpose(x!, [2, 1, 0, 3]) },
      { name: "transpose, int32", inputs: [{ ints: [2, 3], below: 9 }], f: (x) => tf.transpose(x!) },
      { name: "slice", inputs: [[4, 5]], f: (x) => tf.slice(x!, [1, 2], [2, -1]) },
      { name: "slice of bool", inputs: [{ bools: [4, 5] }], f: (x) => tf.slice(x!, [1, 0], [2, 5]) },
      { name: "stridedSlice", inputs: [[6, 5]], f: (x) => tf.stridedSlice(x!, [1, 4], [6, 0], [2, -1]), grad: false },
      { name: "reverse", inputs: [[3, 4]], f: (x) => tf.reverse(x!, [1]) },
      {
        name: "concat",
        inputs: [
          [2, 3],
          [2, 1],
          [2, 2],
        ],
        f: (...x) => tf.concat(x, 1),
      },
      {
        name: "concat with an empty part",
        inputs: [
          [2, 3],
          [0, 3],
        ],
        f: (...x) => tf.concat(x, 0),
        grad: false,
      },
      {
        name: "stack",
        inputs: [
          [2, 3],
          [2, 3],
        ],
        f: (...x) => tf.stack(x, 1),
      },
      { name: "unstack", inputs: [[3, 2]], f: (x) => tf.unstack(x!, 0) },
      { name: "split", inputs: [[2, 6]], f: (x) => tf.split(x!, [1, 2, 3], 1) },
      {
        name: "pad",
        inputs: [[2, 3]],
        f: (x) =>
          tf.pad(
            x!,
            [
              [1, 0],
              [0, 2],
            ],
            0.5,
          ),
      },
      {
        name: "mirrorPad reflect",
        inputs: [[3, 4]],
        f: (x) =>
          tf.mirrorPad(
            x!,
            [
              [1, 1],
              [2, 0],
            ],
            "reflect",
          ),
        grad: false,
      },
      { name: "tile", inputs: [[2, 3]], f: (x) => tf.tile(x!, [2, 2]) },
      { name: "broadcastTo", inputs: [[3, 1]], f: (x) => tf.broadcastTo(x!, [2, 3, 4]) },
      {
        name: "broadcastTo used with and without need",
        inputs: [
          [3, 1],
          [3, 4],
        ],
        f: (x, y) => {
          const b = tf.broadcastTo(x!, [3, 4]);
          return [b.mul(y!), b.mul(2), b.add(b)];
        },
      },
      {
        name: "two partial broadcasts",
        inputs: [
          [3, 1],
          [1, 4],
        ],
        f: (x, y) => tf.broadcastTo(x!, [3, 4]).mul(tf.broadcastTo(y!, [3, 4])),
      },
      {
        name: "two full broadcasts",
        inputs: [
          [1, 1],
          [1, 1],
        ],
        f: (x, y) => tf.broadcastTo(x!, [3, 4]).mul(tf.broadcastTo(y!, [3, 4])),
      },
      {
        name: "broadcast of a broadcast",
        inputs: [[3, 1]],
        f: (x) => tf.broadcastTo(tf.broadcastTo(x!, [3, 4]), [2, 3, 4]).square(),
      },
      {
        name: "fill, range, linspace, eye",
        inputs: [],
        f: () => [
          tf.fill([2, 3], 1.5),
          tf.range(0, 7, 2),
          tf.range(5, 0, -1, "int32"),
          tf.linspace(0, 1, 5),
          tf.eye(3),
        ],
      },
      {
        name: "empty tensors",
        inputs: [[0, 3]],
        f: (x) => [x!.mul(2), tf.sum(x!, 0), tf.concat([x!, x!])],
        grad: false,
      },
    ],
  ],
  [
    "products",
    [
      ...[
        [false, false],
        [false, true],
        [true, false],
        [true, true],
      ].map(
        ([ta, tb]): Case => ({
          name: `matMul ${ta ? "aᵀ" : "a"} ${tb ? "bᵀ" : "b"}`,
          inputs: [ta ? [4, 3] : [3, 4], tb ? [5, 4] : [4, 5]],
          f: (a, b) => tf.matMul(a!, b!, ta, tb),
        }),
      ),
      {
        name: "batched matMul",
        inputs: [
          [2, 3, 4, 5],
          [2, 3, 6, 5],
        ],
        f: (a, b) => tf.matMul(a!, b!, false, true),
      },
      {
        name: "batched matMul by a matrix",
        inputs: [
          [2, 4, 5],
          [5, 3],
        ],
        f: (a, b) => tf.matMul(a!, b!),
        grad: false,
      },
      {
        name: "matMul with a row and a column",
        inputs: [
          [1, 4],
          [1, 4],
        ],
        f: (a, b) => [tf.matMul(a!, b!, false, true), tf.matMul(a!, b!, true, false)],
      },
      {
        name: "matMul by a transposed row",
        inputs: [
          [3, 4],
          [1, 4],
        ],
        f: (a, b) => tf.matMul(a!, b!, false, true),
      },
      {
        name: "matMul of a transposed operand, many columns",
        inputs: [
          [4, 3],
          [4, 1030],
        ],
        f: (a, b) => tf.matMul(a as never, b as never, true),
      },
      {
        name: "fused matMul",
        inputs: [[3, 4], [4, 5], [5]],
        f: (a, b, c) => tf.fused.matMul({ a: a as never, b: b as never, bias: c!, activation: "relu" }),
      },
      {
        name: "dot, outerProduct",
        inputs: [[4], [4]],
        f: (a, b) => [tf.dot(a!, b!), tf.outerProduct(a as never, b as never)],
      },
      {
        name: "einsum",
        inputs: [
          [2, 3, 4],
          [4, 3, 5],
        ],
        f: (a, b) => tf.einsum("bij,jik->bk", a!, b!),
        grad: false,
      },
    ],
  ],
  [
    "indexing",
    [
      { name: "gather rows", inputs: [[5, 3], { ints: [7], below: 5 }], f: (x, i) => tf.gather(x!, i!) },
      { name: "gather, 2-D indices", inputs: [[5, 3], { ints: [2, 3], below: 5 }], f: (x, i) => tf.gather(x!, i!) },
      {
        name: "gather of an inner axis",
        inputs: [[2, 5, 3], { ints: [4], below: 5 }],
        f: (x, i) => tf.gather(x!, i!, 1),
      },
      {
        name: "gather with batchDims",
        inputs: [[2, 5, 3], { ints: [2, 4], below: 5 }],
        f: (x, i) => tf.gather(x!, i!, 1, 1),
        grad: false,
      },
      {
        name: "gather with batchDims of one batch",
        inputs: [[1, 5, 3], { ints: [1, 4], below: 5 }],
        f: (x, i) => tf.gather(x!, i!, 1, 1),
        grad: false,
      },
      {
        name: "gatherND",
        inputs: [[4, 3, 2], { ints: [5, 2], below: 3 }],
        f: (x, i) => tf.gatherND(x!, i!),
        grad: false,
      },
      {
        name: "scatterND adds duplicates",
        inputs: [{ ints: [6, 1], below: 3 }, [6, 2]],
        f: (i, u) => tf.scatterND(i!, u!, [3, 2]),
        grad: false,
      },
      {
        name: "tensorScatterUpdate",
        inputs: [[4, 2], { given: [2, 0], shape: [2, 1] }, [2, 2]],
        f: (x, i, u) => tf.tensorScatterUpdate(x!, i!.cast("int32"), u!),
        grad: false,
      },
      {
        name: "unsortedSegmentSum",
        inputs: [[6, 2], { ints: [6], below: 4 }],
        f: (x, i) => tf.unsortedSegmentSum(x!, i as never, 4),
      },
      {
        name: "unsortedSegmentSum drops foreign ids",
        inputs: [[6, 2], { ints: [6], below: 6 }],
        f: (x, i) => tf.unsortedSegmentSum(x!, i!.sub(tf.scalar(2, "int32")) as never, 3),
        grad: false,
      },
      { name: "oneHot", inputs: [{ ints: [2, 3], below: 6 }], f: (i) => tf.oneHot(i!, 4, 0.9, 0.1) },
    ],
  ],
  [
    "images",
    [
      image("3x3 same", [2, 5, 6, 3], [3, 3, 3, 4], 1, "same"),
      image("3x3 valid", [2, 5, 6, 3], [3, 3, 3, 4], 1, "valid"),
      image("3x3 stride 2 same", [1, 6, 5, 3], [3, 3, 3, 4], 2, "same"),
      image("3x3 stride 2 valid with a rest", [1, 6, 8, 3], [3, 3, 3, 4], 2, "valid"),
      image("5x3 padded", [1, 6, 5, 2], [5, 3, 2, 3], 1, 2),
      image("1x1", [2, 4, 4, 3], [1, 1, 3, 5], 1, "same"),
      image("1x1 stride 2", [1, 4, 4, 3], [1, 1, 3, 5], 2, "valid"),
      image("patches", [2, 8, 12, 3], [4, 4, 3, 5], 4, "valid"),
      {
        name: "conv2d dilated",
        inputs: [
          [1, 8, 8, 2],
          [3, 3, 2, 3],
        ],
        f: (x, w) => tf.conv2d(x as never, w as never, 1, "same", "NHWC", 2),
        grad: false,
      },
      {
        name: "conv2dTranspose stride 2",
        inputs: [
          [1, 3, 4, 3],
          [2, 2, 5, 3],
        ],
        f: (x, w) => tf.conv2dTranspose(x as never, w as never, [1, 6, 8, 5], 2, "same"),
      },
      {
        name: "conv2dTranspose 3x3 stride 2",
        inputs: [
          [1, 3, 4, 3],
          [3, 3, 5, 3],
        ],
        f: (x, w) => tf.conv2dTranspose(x as never, w as never, [1, 6, 8, 5], 2, "same"),
      },
      {
        name: "fused conv2d",
        inputs: [[1, 5, 5, 2], [3, 3, 2, 3], [3]],
        f: (x, w, b) =>
          tf.fused.conv2d({ x: x as never, filter: w as never, strides: 1, pad: "same", bias: b!, activation: "relu" }),
      },
      pooled("maxPool", tf.maxPool as never, 2, 2, "valid"),
      pooled("maxPool overlapping", tf.maxPool as never, 3, 1, "same"),
      pooled("maxPool with a rest", tf.maxPool as never, [2, 3], [2, 2], "valid"),
      pooled("avgPool", tf.avgPool as never, 2, 2, "valid"),
      pooled("avgPool overlapping", tf.avgPool as never, 3, 2, "valid"),
      // tfjs' gradient divides by the whole window at the margin too: see gradients.test.ts
      { ...pooled("avgPool with a margin", tf.avgPool as never, 3, 2, "same"), grad: false },
      {
        name: "batch norm",
        inputs: [[2, 3, 4, 5], [5], { given: [0.5, 1, 2, 0.1, 3], shape: [5] }, [5], [5]],
        f: (x, m, v, o, s) => tf.batchNorm(x!, m as never, v as never, o as never, s as never, 1e-3),
        tolerance: 3e-6,
      },
      // tfjs has no gradient without a scale
      {
        name: "batch norm without scale",
        inputs: [[2, 3, 4, 2], [2], { given: [0.5, 1], shape: [2] }, [2]],
        f: (x, m, v, o) => tf.batchNorm(x!, m as never, v as never, o as never),
        tolerance: 3e-6,
        grad: false,
      },
      {
        name: "batch norm of mean and variance alone",
        inputs: [[6, 2], [2], { given: [0.5, 1], shape: [2] }],
        f: (x, m, v) => tf.batchNorm(x!, m as never, v as never),
        tolerance: 3e-6,
        grad: false,
      },
      {
        name: "depthwise conv2d",
        inputs: [
          [2, 5, 6, 3],
          [3, 3, 3, 2],
        ],
        f: (x, w) => tf.depthwiseConv2d(x as never, w as never, 1, "same"),
        tolerance: 2e-6,
      },
      {
        name: "depthwise conv2d stride 2",
        inputs: [
          [1, 6, 7, 2],
          [3, 2, 2, 1],
        ],
        f: (x, w) => tf.depthwiseConv2d(x as never, w as never, 2, "valid"),
        tolerance: 2e-6,
      },
      {
        name: "resize up, corners aligned",
        inputs: [[2, 3, 4, 2]],
        f: (x) => tf.image.resizeBilinear(x as never, [6, 7], true),
      },
      { name: "resize up", inputs: [[2, 3, 4, 2]], f: (x) => tf.image.resizeBilinear(x as never, [6, 7]) },
      { name: "resize down", inputs: [[1, 7, 9, 2]], f: (x) => tf.image.resizeBilinear(x as never, [3, 4], true) },
      {
        name: "resize to one pixel",
        inputs: [[1, 3, 4, 2]],
        f: (x) => tf.image.resizeBilinear(x as never, [1, 1], true),
        grad: false,
      },
      {
        name: "resize, half pixel centres",
        inputs: [[2, 3, 4, 2]],
        f: (x) => tf.image.resizeBilinear(x as never, [6, 8], false, true),
      },
    ],
  ],
];
