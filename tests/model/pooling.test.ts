import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { tf } from "../../lib/engine/tf";
import { pooledSide, poolTokens } from "../../lib/model/pooling";
import { expectTensorClose } from "../setup/tensors";

beforeAll(() => tf.setBackend("cpu"));

describe("pooling", () => {
  test.each([
    ["bilinear", 14],
    ["average", 13],
    ["max", 13],
  ] as const)("27 → %s %i", (mode, side) => {
    expect(pooledSide(27, mode, 2)).toBe(side);
    expect(poolTokens(tf.zeros([2, 729, 3]), mode, 2).shape).toEqual([2, side * side, 3]);
  });

  test("average and max of a 3x3 grid leave the last row and column out", () => {
    const x = tf.tensor3d([1, 2, 9, 3, 4, 9, 9, 9, 9], [1, 9, 1]);
    expectTensorClose(poolTokens(x, "average", 2), [2.5]);
    expectTensorClose(poolTokens(x, "max", 2), [4]);
  });
});
