import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { tf } from "../../lib/engine/tf";
import { groundingParameters, groundingScores, groundingVector } from "../../lib/model/grounding";
import { initParameters } from "../../lib/model/initialise";
import { objectFeatures } from "../../lib/model/objects";
import { Scope } from "../../lib/nn/scope";
import { expectTensorClose } from "../setup/tensors";
import { tinyConfig } from "./tiny";

beforeAll(() => tf.setBackend("cpu"));

const normal = <T extends tf.Tensor>(shape: number[], seed = 1): T =>
  tf.randomNormal(shape, 0, 1, "float32", seed) as tf.Tensor as T;
const largest = (x: tf.Tensor): number => x.abs().max().dataSync()[0]!;

describe("grounding", () => {
  const config = tinyConfig();
  const shared = new Scope(initParameters(groundingParameters(config), new Rng(3)));

  test("scores are cosines of every object and of the zero target", () => {
    const scores = groundingScores(shared, normal([2, 5, 16]), normal([2, 3, 16], 2), "infonce");
    expect(scores.shape).toEqual([2, 3, 6]);
    expect(largest(scores)).toBeLessThanOrEqual(1 + 1e-6);
    for (const head of ["ground_head_obj", "ground_head_query"] as const) {
      expectTensorClose(
        groundingVector(shared, head, normal([4, 16]))
          .square()
          .sum(-1),
        [1, 1, 1, 1],
      );
    }
  });

  test("with heads of zero the shared skip compares the inputs themselves", () => {
    const parameters = initParameters(groundingParameters(config), new Rng(3));
    for (const head of ["ground_head_obj", "ground_head_query"])
      parameters.get(`${head}.3.weight`)!.assign(tf.zeros([16, 16]));
    const x = normal<tf.Tensor3D>([1, 4, 16]);
    const scores = groundingScores(new Scope(parameters), x, x, "infonce").slice([0, 0, 0], [1, 4, 4]);
    expectTensorClose(
      tf
        .eye(4)
        .mul(scores.squeeze([0]))
        .sum(-1),
      [1, 1, 1, 1],
    );
  });

  test("object features are the weighted mean of patches", () => {
    const patches = tf.tensor3d([
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    ]);
    expectTensorClose(
      objectFeatures(
        patches,
        tf.tensor3d([
          [
            [0.5, 0, 0.5],
            [0, 0, 0],
          ],
        ]),
      ),
      [3, 4, 0, 0],
    );
    expect(() => objectFeatures(patches, tf.zeros([1, 2, 4]))).toThrow(
      "objectFeatures: weights must be [B=1, O, N=3], got [1, 2, 4]",
    );
  });
});
