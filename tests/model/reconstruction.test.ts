import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { tf } from "../../lib/engine/tf";
import { initParameters } from "../../lib/model/initialise";
import { imageEmbeddings, reconstruct, reconstructionParameters } from "../../lib/model/reconstruction";
import { Scope } from "../../lib/nn/scope";
import { expectTensorClose } from "../setup/tensors";
import { tinyConfig } from "./tiny";

beforeAll(() => tf.setBackend("cpu"));

const normal = <T extends tf.Tensor>(shape: number[], seed = 1): T =>
  tf.randomNormal(shape, 0, 1, "float32", seed) as tf.Tensor as T;

describe("reconstruction", () => {
  test("the image-index table: row 0 is sin 0 | cos 0", () => {
    expectTensorClose(
      imageEmbeddings(tf.tensor2d([[0, 2]], [1, 2], "int32"), 4),
      [0, 0, 1, 1, Math.sin(2), Math.sin(0.02), Math.cos(2), Math.cos(0.02)],
      { atol: 1e-6 },
    );
  });

  test.each([
    // an odd width leaves its last channel zero
    [5, [Math.sin(3), Math.sin(3 * 10000 ** -0.4), Math.cos(3), Math.cos(3 * 10000 ** -0.4), 0]],
    [1, [0]],
    [10, Array.from({ length: 10 }, (_, c) => (c < 5 ? Math.sin : Math.cos)(3 * 10000 ** (-(c % 5) / 5)))],
  ])("the image-index table at width %i", (D, wanted) => {
    expectTensorClose(imageEmbeddings(tf.tensor2d([[3]], [1, 1], "int32"), D), wanted, { atol: 1e-6 });
  });

  test("pointmaps have patchSize pixels a patch; confidence is above 1; an odd grid works", () => {
    const config = tinyConfig();
    const p = new Scope(initParameters(reconstructionParameters(config), new Rng(6)));
    const ids = tf.tensor2d([[0, 1]], [1, 2], "int32");
    for (const side of [3, 4]) {
      const { global, local } = reconstruct(
        p,
        normal<tf.Tensor4D>([1, 2, side * side, 16]).mul(0.1) as tf.Tensor4D,
        ids,
        config.reconstruction,
      );
      expect(global!.points.shape).toEqual([1, 2, 2 * side, 2 * side, 3]);
      expect(local!.confidence.shape).toEqual([1, 2, 2 * side, 2 * side]);
      expect(global!.confidence.min().dataSync()[0]).toBeGreaterThan(1);
    }
  });
});
