import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "vitest";
import { tf } from "../../../lib/engine/tf";
import { anchorAttentionLoss } from "../../../lib/train/losses/ground";
import { expectTensorClose, numericGrad } from "../../setup/tensors";

beforeAll(() => tf.setBackend("cpu"));

// two nouns over a prefix of 3 and a sentence of 1 token; the second noun is padding
const attention = [
  [0.1, 0.2, 0.3, 0.4],
  [0.25, 0.25, 0.25, 0.25],
];
const tokens = tf.tensor2d([
  [0, 1, 1],
  [1, 0, 0],
]);

test("-ln of the attention on the anchor's tokens, padding left out", () => {
  const loss = anchorAttentionLoss(tf.tensor2d(attention), tokens, tf.tensor1d([1, 0]));
  expect(loss.dataSync()[0]).toBeCloseTo(-Math.log(0.5), 5);
});

test("a noun whose anchor no token shows counts as padding; none at all gives 0", () => {
  const nowhere = tf.tensor2d([
    [0, 1, 1],
    [0, 0, 0],
  ]);
  expect(anchorAttentionLoss(tf.tensor2d(attention), nowhere, tf.tensor1d([1, 1])).dataSync()[0]).toBeCloseTo(
    -Math.log(0.5),
    5,
  );
  expect(anchorAttentionLoss(tf.tensor2d(attention), tokens, tf.tensor1d([0, 0])).dataSync()[0]).toBe(0);
});

test("gradient agrees with central differences", () => {
  const f = (x: tf.Tensor): tf.Scalar => anchorAttentionLoss(x as tf.Tensor2D, tokens, tf.tensor1d([1, 1]));
  const x = tf.tensor2d(attention);
  // the second noun's share is 0.25, so 1e-2 leaves the curvature's (1e-2)² / 0.25³
  expectTensorClose(tf.grad(f)(x), numericGrad(f, x), { rtol: 1e-2, atol: 3e-3 });
});

test("sizes that disagree are named", () => {
  expect(() => anchorAttentionLoss(tf.tensor2d(attention), tokens, tf.tensor1d([1]))).toThrow(
    /anchorAttentionLoss: weights must be \[A=2\], got \[1\]/,
  );
});
