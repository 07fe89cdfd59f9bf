import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { tf } from "../../lib/engine/tf";
import { conv, upconv } from "../../lib/nn/conv";
import { linear } from "../../lib/nn/linear";
import { expectTensorClose } from "../setup/tensors";

import { checkGradient, random, scopeOf } from "./gradients";

beforeAll(() => tf.setBackend("cpu"));

describe("convolutions against a sum over the window", () => {
  const x = random([1, 2, 4, 5]) as tf.Tensor4D;

  test.each([1, 2])("3x3, stride %i", (stride) => {
    const w = random([3, 2, 3, 3], 2);
    const [xs, ws] = [x.arraySync(), w.arraySync() as number[][][][]];
    const out: number[] = [];
    for (let o = 0; o < 3; o++)
      for (let i = 0; i < 4; i += stride)
        for (let j = 0; j < 5; j += stride) {
          let sum = 0;
          for (let c = 0; c < 2; c++)
            for (let a = 0; a < 3; a++)
              for (let b = 0; b < 3; b++) {
                sum += (xs[0]![c]![i + a - 1]?.[j + b - 1] ?? 0) * ws[o]![c]![a]![b]!;
              }
          out.push(sum);
        }
    expectTensorClose(conv(scopeOf({ weight: w }), x, stride), out, { atol: 1e-5 });
    checkGradient((y) => conv(scopeOf({ weight: w }), y as tf.Tensor4D, stride), x);
  });

  test("transposed, side 2: each pixel becomes its own 2x2 patch", () => {
    const w = random([2, 3, 2, 2], 3);
    const [xs, ws] = [x.arraySync(), w.arraySync() as number[][][][]];
    const y = upconv(scopeOf({ weight: w, bias: tf.tensor1d([0, 0, 7]) }), x).arraySync();
    for (const [i, j, o] of [
      [0, 0, 0],
      [7, 9, 2],
      [3, 6, 1],
    ] as const) {
      const [first, second] = [xs[0]![0]![i >> 1]![j >> 1]!, xs[0]![1]![i >> 1]![j >> 1]!];
      const wanted = first * ws[0]![o]![i % 2]![j % 2]! + second * ws[1]![o]![i % 2]![j % 2]! + (o === 2 ? 7 : 0);
      expect(y[0]![o]![i]![j]).toBeCloseTo(wanted, 5);
    }
    checkGradient((v) => upconv(scopeOf({ weight: v }), x), w);
  });

  test("1x1 is a linear map of the channels", () => {
    const w = random([3, 2, 1, 1], 4);
    const pixels = linear(scopeOf({ weight: w.reshape([3, 2]), bias: tf.ones([3]) }), x.transpose([0, 2, 3, 1]));
    expectTensorClose(conv(scopeOf({ weight: w, bias: tf.ones([3]) }), x), pixels.transpose([0, 3, 1, 2]));
  });
});
