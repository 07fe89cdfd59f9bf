import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, test } from "vitest";
import { tf } from "../../lib/engine/tf";
import { gatherRows } from "../../lib/nn/gather";
import { expectTensorClose } from "../setup/tensors";

beforeAll(() => tf.setBackend("cpu"));

test("a gathered row that occurs twice gets both gradients", () => {
  const grad = tf.grad((m: tf.Tensor) =>
    gatherRows(m as tf.Tensor2D, tf.tensor1d([2, 0, 2], "int32"))
      .mul(tf.tensor2d([[1], [2], [4]]))
      .sum(),
  );
  expectTensorClose(grad(tf.zeros([3, 2])), [2, 2, 0, 0, 5, 5]);
});
