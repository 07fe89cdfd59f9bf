import { beforeAll, describe, expect, test } from "vitest";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
import { difference, expectTensorClose, numericGrad } from "../setup/tensors";

describe("difference", () => {
  test("nothing within atol + rtol * |expected|", () => {
    expect(difference([1, 100], [1.05, 104], { rtol: 0.04, atol: 0.01 })).toBeUndefined();
    expect(difference(3, [3])).toBeUndefined();
    expect(difference([], [])).toBeUndefined();
    expect(difference([NaN, Infinity, 0], [NaN, Infinity, -0])).toBeUndefined();
  });

  test("names count, place, values and allowance of the worst", () => {
    expect(difference([1, 2, 3.5, 9], [1, 2.1, 3, 9], { rtol: 0, atol: 0.01 })).toBe(
      "2 of 4 numbers differ; worst at [2]: got 3.5, expected 3 (off by 5.00e-1, allowed 1.00e-2; rtol 0, atol 0.01)",
    );
  });

  test.each([
    [[NaN], [1]],
    [[1], [NaN]],
    [[Infinity], [1]],
    [[1], [Infinity]],
    [[-Infinity], [Infinity]],
  ])("%j is not close to %j", (actual, expected) => {
    expect(difference(actual, expected, { rtol: 10, atol: 1e9 })).toMatch(/^1 of 1 numbers differ/);
  });

  test("another count", () => {
    expect(difference([1, 2], [1])).toBe("2 numbers instead of 1");
  });
});

test("expectTensorClose fails with that text", () => {
  expectTensorClose([1], [1]);
  expect(() => expectTensorClose([1], [2])).toThrow("1 of 1 numbers differ; worst at [0]: got 1, expected 2");
});

describe("on tensors", () => {
  beforeAll(async () => {
    await chooseEngine({ engine: "cpu" });
  });

  test("places are named by axis, and shapes must agree", () => {
    const zeros = tf.zeros([2, 2, 3]);
    const one = tf.tensor([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0], [2, 2, 3]);
    expect(difference(one, zeros)).toMatch(/^1 of 12 numbers differ; worst at \[1, 1, 1\]: got 5, expected 0 /);
    expect(difference(zeros, tf.zeros([4, 3]))).toBe("shape [2, 2, 3] instead of [4, 3]");
    expect(difference(zeros, new Float32Array(12))).toBeUndefined();
  });

  test("numericGrad gives a known derivative, and keeps no tensor but its result", () => {
    const x = tf.tensor2d([
      [0.5, -1],
      [2, 0],
    ]);
    const before = tf.memory().numTensors;
    const slope = numericGrad((v) => v.square().mul(3).add(v.sin()).sum(), x);
    expect(tf.memory().numTensors).toBe(before + 1);
    // d/dx (3x² + sin x) = 6x + cos x; central differences err by step²/6 = 2e-5, float32 by about 1e-4
    expectTensorClose(
      slope,
      tf.tensor2d(
        [0.5, -1, 2, 0].map((v) => 6 * v + Math.cos(v)),
        [2, 2],
      ),
      { atol: 1e-3 },
    );
  });
});
