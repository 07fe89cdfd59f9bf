import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { tf } from "../../lib/engine/tf";
import { anchorLoss, groundingBce, groundingLoss } from "../../lib/train/losses/ground";
import { languageLoss } from "../../lib/train/losses/language";
import { type Predicted, pointmapTerms, reconstructionLoss } from "../../lib/train/losses/pointmap";
import { totalLoss } from "../../lib/train/losses/total";
import { expectTensorClose, numericGrad } from "../setup/tensors";

beforeAll(() => tf.setBackend("cpu"));

function random<T extends tf.Tensor>(shape: number[], seed = 1, scale = 1): T {
  const rng = new Rng(seed);
  return tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * rng.normal()),
    shape,
  ) as T;
}

/** Against central differences of step 1e-2, which float32 leaves about 1e-3 of noise. */
function checkGradient<T extends tf.Tensor>(
  f: (x: T) => tf.Tensor,
  x: T,
  tolerance = { rtol: 1e-2, atol: 3e-3 },
): void {
  expectTensorClose(tf.grad(f as (x: tf.Tensor) => tf.Tensor)(x), numericGrad(f, x), tolerance);
}

describe("groundingLoss", () => {
  const two = tf.ones([1, 2]) as tf.Tensor2D;
  const one = tf.ones([1, 1]) as tf.Tensor2D;
  const positives = (row: number[]): tf.Tensor3D => tf.tensor3d([[row]]);

  test("equal scores of n proposals give ln(n+1)", () => {
    const scores = tf.fill([1, 1, 51], 0.3) as tf.Tensor3D;
    const right = tf.oneHot(tf.tensor2d([[7]], [1, 1], "int32"), 51).toFloat() as tf.Tensor3D;
    expectTensorClose(groundingLoss(scores, right, tf.ones([1, 50]), one, 0.07), Math.log(51), { rtol: 1e-5 });
  });

  test("several right answers add up; none means the last column", () => {
    const scores = tf.tensor3d([[[0.1, 0.2, 0.3]]]);
    const e = [0.1, 0.2, 0.3].map((s) => Math.exp(s / 0.07));
    const total = e[0]! + e[1]! + e[2]!;
    expectTensorClose(groundingLoss(scores, positives([1, 1, 0]), two, one, 0.07), -Math.log((e[0]! + e[1]!) / total), {
      rtol: 1e-4,
    });
    expectTensorClose(groundingLoss(scores, positives([0, 0, 0]), two, one, 0.07), -Math.log(e[2]! / total), {
      rtol: 1e-4,
    });
  });

  test("a padded object takes no part", () => {
    const scores = tf.tensor3d([[[0.1, 0.9, 0.3]]]);
    const e = [0.1, 0.3].map((s) => Math.exp(s / 0.07));
    expectTensorClose(
      groundingLoss(scores, positives([1, 0, 0]), tf.tensor2d([[1, 0]]), one, 0.07),
      -Math.log(e[0]! / (e[0]! + e[1]!)),
      { rtol: 1e-4 },
    );
  });

  test("padded sentences weigh nothing; without any sentence the loss is 0 and its gradient finite", () => {
    const scores = random<tf.Tensor3D>([2, 3, 4]);
    const right = tf
      .oneHot(
        tf.tensor2d(
          [
            [0, 1, 2],
            [1, 3, 0],
          ],
          [2, 3],
          "int32",
        ),
        4,
      )
      .toFloat() as tf.Tensor3D;
    const mask = tf.ones([2, 3]) as tf.Tensor2D;
    const alone = groundingLoss(
      scores.slice([0, 0, 0], [1, 1, 4]),
      right.slice([0, 0, 0], [1, 1, 4]),
      tf.ones([1, 3]),
      one,
      0.5,
    );
    expectTensorClose(
      groundingLoss(
        scores,
        right,
        mask,
        tf.tensor2d([
          [1, 0, 0],
          [0, 0, 0],
        ]),
        0.5,
      ),
      alone,
    );
    const none = (s: tf.Tensor): tf.Tensor => groundingLoss(s as tf.Tensor3D, right, mask, tf.zeros([2, 3]), 0.5);
    expectTensorClose(none(scores), 0);
    expectTensorClose(tf.grad(none)(scores), tf.zeros([2, 3, 4]));
  });

  test("gradient", () => {
    const right = tf.oneHot(tf.tensor2d([[0, 3]], [1, 2], "int32"), 4).toFloat() as tf.Tensor3D;
    checkGradient(
      (s: tf.Tensor3D) => groundingLoss(s, right, tf.tensor2d([[1, 1, 0]]), tf.ones([1, 2]), 0.5),
      random<tf.Tensor3D>([1, 2, 4]),
    );
  });

  test("wrong shapes are named", () => {
    const scores = tf.zeros([1, 1, 3]) as tf.Tensor3D;
    expect(() => groundingLoss(scores, tf.zeros([1, 1, 2]), two, one, 1)).toThrow(
      "groundingLoss: positives must be [B=1, Q=1, J=3], got [1, 1, 2]",
    );
    expect(() => groundingLoss(scores, tf.zeros([1, 1, 3]), tf.zeros([1, 3]), one, 1)).toThrow(
      "groundingLoss: objectMask",
    );
    expect(() => groundingLoss(scores, tf.zeros([1, 1, 3]), two, tf.zeros([1, 2]), 1)).toThrow(
      "groundingLoss: sentenceMask",
    );
  });
});

describe("groundingBce", () => {
  const one = tf.ones([1, 1]) as tf.Tensor2D;

  test("right answers weigh (N - P) / P", () => {
    const s = [0.5, -1, 2];
    const bce = (x: number, y: number): number => Math.log(1 + Math.exp(x)) - x * y;
    const wanted = (2 * bce(s[0]!, 1) + bce(s[1]!, 0) + bce(s[2]!, 0)) / 3;
    const loss = groundingBce(tf.tensor3d([[s]]), tf.tensor3d([[[1, 0, 0]]]), tf.ones([1, 3]), one);
    expectTensorClose(loss, wanted);
    expectTensorClose(groundingBce(tf.tensor3d([[s]]), tf.tensor3d([[[1, 0, 0, 0]]]), tf.ones([1, 3]), one), loss);
  });

  test("no right answer weighs every object alike; padding does not count; large scores stay finite", () => {
    expectTensorClose(
      groundingBce(tf.tensor3d([[[0, 0, 9]]]), tf.zeros([1, 1, 3]), tf.tensor2d([[1, 1, 0]]), one),
      Math.LN2,
    );
    expectTensorClose(groundingBce(tf.tensor3d([[[1000, -1000]]]), tf.tensor3d([[[1, 0]]]), tf.ones([1, 2]), one), 0);
  });

  test("gradient", () => {
    checkGradient(
      (s: tf.Tensor3D) =>
        groundingBce(
          s,
          tf.tensor3d([
            [
              [0, 1, 0],
              [1, 1, 0],
            ],
          ]),
          tf.ones([1, 3]),
          tf.ones([1, 2]),
        ),
      random<tf.Tensor3D>([1, 2, 3]),
    );
  });
});

describe("anchorLoss", () => {
  const scenes = tf.tensor1d([0, 1, 1], "int32");
  const objects = tf.tensor1d([1, 2, 3], "int32");
  const mask = tf.ones([2, 2]) as tf.Tensor2D;

  test("only boxes of the noun's own scene compete", () => {
    const scores = tf.tensor2d([
      [0, 1, 50, 50],
      [50, 50, 1, 0],
      [50, 50, 2, 2],
    ]);
    const first = Math.log(1 + Math.exp(-1));
    expectTensorClose(anchorLoss(scores, mask, scenes, objects, tf.tensor1d([1, 1, 0]), 1), first, { rtol: 1e-4 });
    expectTensorClose(anchorLoss(scores, mask, scenes, objects, tf.tensor1d([0, 0, 1]), 1), Math.LN2, { rtol: 1e-4 });
    expectTensorClose(anchorLoss(scores, mask, scenes, objects, tf.zeros([3]), 1), 0);
  });

  test("gradient and wrong shapes", () => {
    checkGradient(
      (s: tf.Tensor2D) => anchorLoss(s, mask, scenes, objects, tf.ones([3]), 0.5),
      random<tf.Tensor2D>([3, 4]),
    );
    expect(() => anchorLoss(tf.zeros([3, 3]), mask, scenes, objects, tf.ones([3]), 1)).toThrow(
      "anchorLoss: scores must be [A, J=4], got [3, 3]",
    );
    expect(() => anchorLoss(tf.zeros([3, 4]), mask, scenes, objects, tf.ones([2]), 1)).toThrow(
      "anchorLoss: weights must be [A=3], got [2]",
    );
  });
});

describe("languageLoss", () => {
  const logits = random<tf.Tensor2D>([3, 5]);
  const ids = tf.tensor1d([0, 4, 2], "int32");

  test("-log of the softmax at the right ids, weighted", () => {
    const rows = logits.arraySync();
    const surprise = rows.map((row, i) => Math.log(row.reduce((s, x) => s + Math.exp(x), 0)) - row[[0, 4, 2][i]!]!);
    expectTensorClose(languageLoss(logits, ids, tf.tensor1d([0.5, 0.5, 0])), (surprise[0]! + surprise[1]!) / 2);
    expectTensorClose(languageLoss(logits, ids, tf.zeros([3])), 0);
  });

  test("gradient, overflow, wrong shapes", () => {
    checkGradient((x: tf.Tensor2D) => languageLoss(x, ids, tf.tensor1d([0.2, 0.3, 0.5])), logits);
    expectTensorClose(languageLoss(tf.tensor2d([[1e4, -1e4]]), tf.tensor1d([0], "int32"), tf.ones([1])), 0);
    expect(() => languageLoss(logits, tf.tensor1d([0], "int32"), tf.ones([3]))).toThrow(
      "languageLoss: ids must be [n=3], got [1]",
    );
  });
});

describe("pointmaps", () => {
  const shape: [number, number, number, number] = [1, 2, 2, 3];
  const truth = random<tf.Tensor5D>([...shape, 3], 1);
  const valid = tf.tensor4d([1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1], shape);
  const predicted = (points: tf.Tensor5D, confidence = tf.ones(shape) as tf.Tensor4D): Predicted => ({
    points,
    confidence,
  });

  test("a scaled copy of the truth has distance 0, for either scaling", () => {
    for (const scaling of ["joint", "each"] as const) {
      expectTensorClose(pointmapTerms(predicted(truth.mul(7)), truth, valid, scaling, 0.2).distance, [0, 0], {
        atol: 1e-6,
      });
    }
  });

  test("views of different scale only agree when each has its own factor", () => {
    const uneven = truth.mul(tf.tensor([1, 5], [1, 2, 1, 1, 1])) as tf.Tensor5D;
    expectTensorClose(pointmapTerms(predicted(uneven), truth, valid, "each", 0.2).distance, [0, 0], { atol: 1e-6 });
    expect(pointmapTerms(predicted(uneven), truth, valid, "joint", 0.2).distance.min().dataSync()[0]).toBeGreaterThan(
      0.1,
    );
  });

  test("confidence 1 leaves the mean distance; C weighs it and pays α ln C", () => {
    const points = random<tf.Tensor5D>([...shape, 3], 2);
    const plain = pointmapTerms(predicted(points), truth, valid, "joint", 0.2);
    expectTensorClose(plain.confidence, plain.distance);
    const surer = pointmapTerms(predicted(points, tf.fill(shape, 3) as tf.Tensor4D), truth, valid, "joint", 0.2);
    expectTensorClose(surer.confidence, plain.distance.mul(3).sub(0.2 * Math.log(3)));
  });

  test("pixels that are not valid do not matter; a view without any counts as 0", () => {
    const points = random<tf.Tensor5D>([...shape, 3], 2);
    const elsewhere = points.add(tf.sub(1, valid).mul(100).expandDims(-1)) as tf.Tensor5D;
    const terms = (x: tf.Tensor5D): tf.Tensor => pointmapTerms(predicted(x), truth, valid, "joint", 0.2).distance;
    expectTensorClose(terms(elsewhere), terms(points));
    const blind = valid.mul(tf.tensor([1, 0], [1, 2, 1, 1])) as tf.Tensor4D;
    for (const scaling of ["joint", "each"] as const) {
      const distance = (x: tf.Tensor5D): tf.Tensor =>
        pointmapTerms(predicted(x), truth, blind, scaling, 0.2).confidence.sum();
      expect(pointmapTerms(predicted(points), truth, blind, scaling, 0.2).distance.dataSync()[1]).toBe(0);
      expect(
        tf
          .grad(distance as (x: tf.Tensor) => tf.Tensor)(points)
          .isFinite()
          .all()
          .dataSync()[0],
      ).toBe(1);
    }
    expectTensorClose(pointmapTerms(predicted(points), truth, tf.zeros(shape), "joint", 0.2).confidence, [0, 0]);
  });

  test("gradients of points (through their own factor) and of confidence; finite for a perfect prediction", () => {
    const points = random<tf.Tensor5D>([...shape, 3], 2);
    const confidence = random<tf.Tensor4D>(shape, 3).abs().add(1) as tf.Tensor4D;
    for (const scaling of ["joint", "each"] as const) {
      checkGradient(
        (x: tf.Tensor5D) => pointmapTerms(predicted(x, confidence), truth, valid, scaling, 0.2).confidence.sum(),
        points,
      );
    }
    checkGradient(
      (c: tf.Tensor4D) => pointmapTerms(predicted(points, c), truth, valid, "joint", 0.2).confidence.sum(),
      confidence,
    );
    const same = tf.grad((x: tf.Tensor) =>
      pointmapTerms(predicted(x as tf.Tensor5D), truth, valid, "joint", 0.2).distance.sum(),
    )(truth);
    expect(same.isFinite().all().dataSync()[0]).toBe(1);
  });

  test("global and local views are counted together", () => {
    const [a, b] = [predicted(random<tf.Tensor5D>([...shape, 3], 2)), predicted(random<tf.Tensor5D>([...shape, 3], 3))];
    const sum = tf.concat([
      pointmapTerms(a, truth, valid, "joint", 0.2).confidence,
      pointmapTerms(b, truth, valid, "each", 0.2).confidence,
    ]);
    expectTensorClose(
      reconstructionLoss({ global: a, local: b }, { valid, global: truth, local: truth }, 0.2),
      sum.mean(),
    );
    expect(() => reconstructionLoss({ local: b }, { valid, global: truth }, 0.2)).toThrow("targets.local is missing");
    expect(() => reconstructionLoss({}, { valid }, 0.2)).toThrow("no pointmap is predicted");
  });

  test("wrong shapes are named", () => {
    expect(() => pointmapTerms(predicted(truth), truth, tf.zeros([1, 2, 2, 2]), "joint", 0.2)).toThrow(
      "pointmapTerms: valid must be [S=1, V=2, Y=2, X=3]",
    );
    expect(() => pointmapTerms(predicted(truth), tf.zeros([1, 1, 2, 3, 3]), valid, "joint", 0.2)).toThrow(
      "pointmapTerms: truth",
    );
  });
});

test("the total weighs each part; an absent one adds nothing", () => {
  const parts = { ground: tf.scalar(1), language: tf.scalar(10), recon: tf.scalar(100), anchor: tf.scalar(1000) };
  const weights = { ground: 1, language: 0.5, recon: 0.3, anchor: 0.1, anchorAttention: 0 };
  expectTensorClose(totalLoss(parts, weights), 136);
  expectTensorClose(totalLoss({ ground: tf.scalar(2) }, weights), 2);
});
