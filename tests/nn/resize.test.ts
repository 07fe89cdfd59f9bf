import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { tf } from "../../lib/engine/tf";
import { averageMatrix, cornerMatrix, halfPixelMatrix, mapGrid, mapPlanes } from "../../lib/nn/resize";
import { expectTensorClose } from "../setup/tensors";

import { checkGradient, random } from "./gradients";

beforeAll(() => tf.setBackend("cpu"));

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
