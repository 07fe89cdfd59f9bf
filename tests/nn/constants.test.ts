import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, expect, test } from "vitest";
import { tf } from "../../lib/engine/tf";
import { constant, releaseConstants, spread } from "../../lib/nn/constants";
import { expectTensorClose } from "../setup/tensors";

beforeAll(() => tf.setBackend("cpu"));

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
