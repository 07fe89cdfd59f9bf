import type { Tensor } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { tf } from "../tf";
import { worst } from "./compare";
import type { Engine } from "./engines";
import { use } from "./engines";
import { Random } from "./random";

/** Central differences of Σ w·f(x), the weights fixed, against tfjs' gradient. */
function differenceGap(f: (x: Tensor) => Tensor, shape: number[]): number {
  const rng = new Random("gradients");
  const at = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.uniform(-1, 1));
  const size = tf.tidy(() => f(tf.tensor(at, shape)).size);
  const weights = Float32Array.from({ length: size }, () => rng.uniform(-1, 1));
  const value = (x: Float32Array): number =>
    tf.tidy(() => Array.from(f(tf.tensor(x, shape)).dataSync()).reduce((a, v, i) => a + v * weights[i]!, 0));
  const got = tf.tidy(() =>
    Array.from(
      tf
        .grad((x) => f(x).flatten().mul(tf.tensor1d(weights)).sum())(tf.tensor(at, shape))
        .dataSync(),
    ),
  );
  const h = 1e-2; // the functions below are at most quadratic between kinks, so only rounding is left
  const want = Array.from(at, (v, i) => {
    const [up, down] = [at.slice(), at.slice()];
    up[i] = v + h;
    down[i] = v - h;
    return (value(up) - value(down)) / (2 * h);
  });
  return worst(got, want);
}

const other = (): Tensor => tf.tensor2d([0.6, -0.55, 0.35], [3, 1]);

const CASES: readonly (readonly [string, (x: Tensor) => Tensor, number[]])[] = [
  ["sum", (x) => x.sum([0, 2]), [2, 3, 2]],
  ["mean", (x) => x.mean(1), [2, 3, 2]],
  ["tile of rank 5", (x) => tf.tile(x, [2, 1, 2, 1, 3]), [1, 2, 2, 1, 2]],
  ["maximum of a broadcast operand", (x) => tf.maximum(x, other()), [1, 2]],
  ["minimum of a broadcast operand", (x) => tf.minimum(other(), x), [1, 2]],
  ["squared difference of a broadcast operand", (x) => tf.squaredDifference(x, other()), [1, 2]],
  ["resize up, corners aligned", (x) => tf.image.resizeBilinear(x as never, [5, 7], true), [2, 3, 4, 2]],
  ["resize up", (x) => tf.image.resizeBilinear(x as never, [5, 7]), [1, 3, 4, 2]],
  ["resize, half pixel centres", (x) => tf.image.resizeBilinear(x as never, [6, 8], false, true), [1, 3, 4, 2]],
  ["resize down, half pixel centres", (x) => tf.image.resizeBilinear(x as never, [2, 3], false, true), [1, 5, 4, 1]],
];

describe("gradients that ort-cpu has right and tfjs' own kernels have not", () => {
  it("an average pool with a margin", async () => {
    const f = (x: Tensor): Tensor => tf.avgPool(x as never, 3, 2, "same");
    await use("ort-cpu");
    expect(differenceGap(f, [1, 5, 4, 2])).toBeLessThan(1e-4);
    await use("cpu");
    expect(differenceGap(f, [1, 5, 4, 2])).toBeGreaterThan(0.05);
  });
});

for (const engine of ["cpu", "ort-cpu", "wasm"] as const satisfies readonly Engine[]) {
  describe(`replaced gradients on ${engine}`, () => {
    it.each(CASES)("%s", async (_, f, shape) => {
      await use(engine);
      expect(differenceGap(f, shape)).toBeLessThan(1e-4);
    });
  });
}
