import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { swiGlu, tf } from "../../lib/engine/tf";
import { gelu, geluTanh } from "../../lib/nn/activations";
import { constant, releaseConstants, spread } from "../../lib/nn/constants";
import { conv, upconv } from "../../lib/nn/conv";
import { gatherRows } from "../../lib/nn/gather";
import { dropout, linear, mergedWeight } from "../../lib/nn/linear";
import { layerNorm, rmsNorm, standardise, unit } from "../../lib/nn/norms";
import { averageMatrix, cornerMatrix, halfPixelMatrix, mapGrid, mapPlanes } from "../../lib/nn/resize";
import { Scope } from "../../lib/nn/scope";
import { expectTensorClose, numericGrad } from "../setup/tensors";

beforeAll(() => tf.setBackend("cpu"));

function random(shape: number[], seed = 1): tf.Tensor {
  const rng = new Rng(seed);
  return tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
    shape,
  );
}

const scopeOf = (tensors: Record<string, tf.Tensor>, scale = 1): Scope =>
  new Scope(new Map(Object.entries(tensors)), { scale });

/** The gradient of sum(f · weights) against central differences of step 1e-2: float32 leaves about 1e-3 of noise. */
function checkGradient(f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): void {
  const weights = random(f(x).shape, 9);
  const scalar = (y: tf.Tensor): tf.Tensor => f(y).mul(weights).sum();
  expectTensorClose(tf.grad(scalar)(x), numericGrad(scalar, x), { rtol: 5e-3, atol: 5e-3 });
}

describe("norms", () => {
  const x = random([3, 5]);
  const p = scopeOf({ weight: random([5], 2), bias: random([5], 3) });

  test("LayerNorm has mean 0 and variance 1 before its weights", () => {
    const y = standardise(x.mul(4).add(2), 0);
    expectTensorClose(y.mean(1), [0, 0, 0], { atol: 1e-6 });
    expectTensorClose(y.square().mean(1), [1, 1, 1], { rtol: 1e-5 });
    expectTensorClose(layerNorm(p, x, 1e-5), standardise(x, 1e-5).mul(p.get("weight")).add(p.get("bias")));
  });

  test("RMSNorm divides by the root of the mean square", () => {
    // row (3, 4): mean square 12.5
    const y = rmsNorm(scopeOf({ weight: tf.tensor1d([1, 2]) }), tf.tensor2d([[3, 4]]), 0);
    expectTensorClose(y, [3 / Math.sqrt(12.5), 8 / Math.sqrt(12.5)]);
  });

  test.each([
    ["LayerNorm", (y: tf.Tensor) => layerNorm(p, y, 1e-5)],
    ["without weights", (y: tf.Tensor) => standardise(y)],
    ["RMSNorm", (y: tf.Tensor) => rmsNorm(p, y, 1e-6)],
    ["unit length", (y: tf.Tensor) => unit(y)],
  ])("%s: gradient of the input", (_, f) => checkGradient(f, x));

  test("gradients of the weights", () => {
    checkGradient((w) => layerNorm(scopeOf({ weight: w, bias: p.get("bias") }), x, 1e-5), p.get("weight"));
    checkGradient((b) => layerNorm(scopeOf({ weight: p.get("weight"), bias: b }), x, 1e-5), p.get("bias"));
    checkGradient((w) => rmsNorm(scopeOf({ weight: w }), x, 1e-6), p.get("weight"));
  });

  test("a zero row stays finite, gradient included", () => {
    const zero = tf.zeros([1, 4]);
    expectTensorClose(unit(zero), [0, 0, 0, 0]);
    expect(
      tf
        .grad((y: tf.Tensor) => unit(y).sum())(zero)
        .isFinite()
        .all()
        .dataSync()[0],
    ).toBe(1);
  });
});

describe("activations", () => {
  const x = tf.tensor1d([-3, -1, -0.1, 0, 0.5, 2]);

  test("GELU: x Φ(x), values of the normal distribution's tables", () => {
    expectTensorClose(gelu(tf.tensor1d([0, 1, -1, 2])), [0, 0.8413447, -0.1586553, 1.9544997], { atol: 1e-5 });
    // the tanh form is an approximation within 1e-3 of it
    expectTensorClose(geluTanh(x), gelu(x), { rtol: 0, atol: 1e-3 });
  });

  test.each([
    ["gelu", gelu],
    ["geluTanh", geluTanh],
  ])("%s: gradient", (_, f) => checkGradient(f, x));

  test("SwiGLU: silu(1) · 2, and both gradients", () => {
    expectTensorClose(swiGlu(tf.tensor1d([1]), tf.tensor1d([2])), [2 / (1 + Math.exp(-1))]);
    const other = random([6], 4);
    checkGradient((g) => swiGlu(g, other), x);
    checkGradient((u) => swiGlu(x, u), other);
  });
});

describe("linear", () => {
  const tensors = {
    weight: random([2, 3]),
    bias: random([2], 2),
    "lora_A.weight": random([1, 3], 3),
    "lora_B.weight": random([2, 1], 4),
  };

  test("the adapter equals the merged weight", () => {
    const p = scopeOf(tensors, 0.25);
    const x = random([4, 2, 3], 5);
    const merged = scopeOf({ weight: mergedWeight(p), bias: tensors.bias });
    expectTensorClose(linear(p, x), linear(merged, x));
    expect(linear(p, x).shape).toEqual([4, 2, 2]);
  });

  test("another width and a missing parameter are named", () => {
    const p = new Scope(new Map(Object.entries(tensors)).set("q.weight", tensors.weight));
    expect(() => linear(p.at("q"), tf.zeros([1, 4]))).toThrow("q.weight: input must be [..., 3], got [1, 4]");
    expect(() => linear(p.at("k"), tf.zeros([1, 3]))).toThrow('parameter "k.weight" is missing');
  });

  test("dropout keeps the mean, drops its share and is fixed by the seed", () => {
    const y = dropout(tf.ones([20000]), 0.25, new Rng(1));
    const values = y.dataSync();
    expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    // 20,000 draws: standard error 0.004
    expect(y.mean().dataSync()[0]).toBeCloseTo(1, 1);
    expectTensorClose(dropout(tf.ones([9]), 0.5, new Rng(7)), dropout(tf.ones([9]), 0.5, new Rng(7)));
  });
});

describe("grid maps", () => {
  test("27 → 14 starts at source 0.4643 = 0.5 · 27/14 - 0.5", () => {
    const row = halfPixelMatrix(27, 14).dataSync().slice(0, 27);
    const start = (0.5 * 27) / 14 - 0.5;
    expect(row[0]).toBeCloseTo(1 - start, 6);
    expect(row[1]).toBeCloseTo(start, 6);
  });

  test("every row of an interpolation sums to 1; corners map to corners", () => {
    for (const m of [halfPixelMatrix(5, 3), cornerMatrix(3, 7), cornerMatrix(4, 1), averageMatrix(7, 2)]) {
      expectTensorClose(m.sum(-1), tf.ones([1, m.shape[1]]), { atol: 1e-6 });
    }
    const m = cornerMatrix(3, 5).squeeze([0]) as tf.Tensor2D;
    expectTensorClose(tf.matMul(m, tf.tensor2d([[0], [1], [2]])), [0, 0.5, 1, 1.5, 2]);
  });

  test("rows and columns are mapped separately, with a gradient", () => {
    const x = random([2, 3, 4, 2]) as tf.Tensor4D;
    const f = (y: tf.Tensor): tf.Tensor => mapGrid(y as tf.Tensor4D, cornerMatrix(3, 6), averageMatrix(4, 2));
    expect(f(x).shape).toEqual([2, 6, 2, 2]);
    checkGradient(f, x);
    const planes = (y: tf.Tensor): tf.Tensor => mapPlanes(y as tf.Tensor4D, cornerMatrix(3, 6), averageMatrix(4, 2));
    expectTensorClose(planes(x.transpose([0, 3, 1, 2])).transpose([0, 2, 3, 1]), f(x));
    checkGradient(planes, x.transpose([0, 3, 1, 2]));
  });
});

describe("convolutions against a sum over the window", () => {
  const x = random([1, 2, 4, 5]) as tf.Tensor4D;

  test.each([1, 2])("3x3, stride %i", (stride) => {
    const w = random([3, 2, 3, 3], 2);
    const [xs, ws] = [x.arraySync(), w.arraySync() as number[][][][]];
    const out: number[] = [];
    for (let o = 0; o < 3; o++)
      for (let i = 0; i < 4; i += stride)
        for (let j = 0; j < 5; j += stride) {
          let sum = 0;
          for (let c = 0; c < 2; c++)
            for (let a = 0; a < 3; a++)
              for (let b = 0; b < 3; b++) {
                sum += (xs[0]![c]![i + a - 1]?.[j + b - 1] ?? 0) * ws[o]![c]![a]![b]!;
              }
          out.push(sum);
        }
    expectTensorClose(conv(scopeOf({ weight: w }), x, stride), out, { atol: 1e-5 });
    checkGradient((y) => conv(scopeOf({ weight: w }), y as tf.Tensor4D, stride), x);
  });

  test("transposed, side 2: each pixel becomes its own 2x2 patch", () => {
    const w = random([2, 3, 2, 2], 3);
    const [xs, ws] = [x.arraySync(), w.arraySync() as number[][][][]];
    const y = upconv(scopeOf({ weight: w, bias: tf.tensor1d([0, 0, 7]) }), x).arraySync();
    for (const [i, j, o] of [
      [0, 0, 0],
      [7, 9, 2],
      [3, 6, 1],
    ] as const) {
      const [first, second] = [xs[0]![0]![i >> 1]![j >> 1]!, xs[0]![1]![i >> 1]![j >> 1]!];
      const wanted = first * ws[0]![o]![i % 2]![j % 2]! + second * ws[1]![o]![i % 2]![j % 2]! + (o === 2 ? 7 : 0);
      expect(y[0]![o]![i]![j]).toBeCloseTo(wanted, 5);
    }
    checkGradient((v) => upconv(scopeOf({ weight: v }), x), w);
  });

  test("1x1 is a linear map of the channels", () => {
    const w = random([3, 2, 1, 1], 4);
    const pixels = linear(scopeOf({ weight: w.reshape([3, 2]), bias: tf.ones([3]) }), x.transpose([0, 2, 3, 1]));
    expectTensorClose(conv(scopeOf({ weight: w, bias: tf.ones([3]) }), x), pixels.transpose([0, 3, 1, 2]));
  });
});

test("a gathered row that occurs twice gets both gradients", () => {
  const grad = tf.grad((m: tf.Tensor) =>
    gatherRows(m as tf.Tensor2D, tf.tensor1d([2, 0, 2], "int32"))
      .mul(tf.tensor2d([[1], [2], [4]]))
      .sum(),
  );
  expectTensorClose(grad(tf.zeros([3, 2])), [2, 2, 0, 0, 5, 5]);
});

test("spread repeats along axes of size 1; its gradient is their sum", () => {
  const x = tf.tensor3d([1, 2], [1, 1, 2]);
  expectTensorClose(spread(x, [2, 3, 2]), tf.tile(x, [2, 3, 1]));
  expectTensorClose(tf.grad((y: tf.Tensor) => spread(y, [2, 3, 2]).sum())(x), [6, 6]);
});

test("constants are made once and can be released", () => {
  let made = 0;
  const make = (): tf.Tensor => (made++, tf.scalar(3));
  tf.tidy(() => void constant("test", make));
  expect(constant("test", make).dataSync()[0]).toBe(3);
  expect(made).toBe(1);
  releaseConstants();
  constant("test", make);
  expect(made).toBe(2);
});
