import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { tf } from "../../lib/engine/tf";
import { layerNorm, rmsNorm, standardise, unit } from "../../lib/nn/norms";
import { expectTensorClose } from "../setup/tensors";

import { checkGradient, random, scopeOf } from "./gradients";

beforeAll(() => tf.setBackend("cpu"));

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
