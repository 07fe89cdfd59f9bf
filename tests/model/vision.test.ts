import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { tf } from "../../lib/engine/tf";
import { initParameters } from "../../lib/model/initialise";
import { visionParameters, visionPrefix, visionTower } from "../../lib/model/vision";
import { Scope } from "../../lib/nn/scope";
import { expectTensorClose } from "../setup/tensors";
import { tinyConfig } from "./tiny";

beforeAll(() => tf.setBackend("cpu"));

const normal = <T extends tf.Tensor>(shape: number[], seed = 1): T =>
  tf.randomNormal(shape, 0, 1, "float32", seed) as tf.Tensor as T;

describe("vision tower", () => {
  const config = tinyConfig({ vision: { imageSize: 18 } });
  const p = new Scope(initParameters(visionParameters(config), new Rng(4))).at(visionPrefix);

  test("18 pixels hold 4 patches of 4 a side; the last two rows and columns are not looked at", () => {
    const pixels = normal<tf.Tensor4D>([2, 18, 18, 3]);
    const edge = pixels.add(
      tf.pad(
        tf.zeros([2, 16, 16, 3]),
        [
          [0, 0],
          [0, 2],
          [0, 2],
          [0, 0],
        ],
        5,
      ),
    ) as tf.Tensor4D;
    const features = visionTower(p, pixels, config.vision);
    expect(features.shape).toEqual([2, 16, 12]);
    expectTensorClose(visionTower(p, edge, config.vision), features);
  });

  test("another image size is an error that names both", () => {
    expect(() => visionTower(p, normal([1, 12, 12, 3]), config.vision)).toThrow(
      "images of 12x12 pixels give 9 patches, the model has 16 positions",
    );
  });
});
