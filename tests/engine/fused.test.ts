import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { Rng } from "../../lib/core/rng";
import { gelu } from "../../lib/engine/ops/gelu";
import { layerNorm } from "../../lib/engine/ops/layer-norm";
import { planeConv } from "../../lib/engine/ops/plane-conv";
import { rmsNorm } from "../../lib/engine/ops/rms-norm";
import { rotary } from "../../lib/engine/ops/rotary";
import { ortStats, resetOrtStats } from "../../lib/engine/ort/register";
import { tf } from "../../lib/engine/tf";
import { expectClose, on, read, type Result, worst } from "./compare";

/** Value and gradients of a weighted sum, with inputs drawn from one seed. */
function evaluate(shapes: readonly number[][], f: (...x: Tensor[]) => Tensor): Tensor[] {
  const rng = new Rng(13, "fused");
  const make = (shape: number[]): Tensor => tf.tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.uniform(-3, 3)), shape);
  const inputs = shapes.map(make);
  const y = f(...inputs);
  const weights = make(y.shape);
  return [y, ...tf.grads((...x: Tensor[]) => f(...x).mul(weights).sum())(inputs)];
}

/** Cosines and signed sines of angles that grow with the token and shrink with the element. */
function angles(tables: number, L: number, K: number, f: (angle: number) => number, first: number): Tensor4D {
  const values = Array.from({ length: tables * L * K }, (_, i) => {
    const half = i % (K / 2);
    return (i % K < K / 2 ? first : 1) * f((Math.floor(i / K) + 1) / (half + 1));
  });
  return tf.tensor4d(values, [tables, L, 1, K]);
}

const turned = (tables: number) => (x?: Tensor): Tensor => {
  const [, L, , K] = x!.shape as [number, number, number, number];
  return rotary(x!, angles(tables, L, K, Math.cos, 1), angles(tables, L, K, Math.sin, -1));
};

// On "cpu" the same functions are plain tfjs operations with tfjs' own gradients: that is the reference.
const CASES: readonly (readonly [string, number[][], (...x: Tensor[]) => Tensor])[] = [
  ["layerNorm", [[2, 3, 8], [8], [8]], (x, g, b) => layerNorm(x!, g, b, 1e-5)],
  ["layerNorm of a matrix", [[5, 8], [8], [8]], (x, g, b) => layerNorm(x!, g, b, 1e-6)],
  ["layerNorm of one row", [[8], [8], [8]], (x, g, b) => layerNorm(x!, g, b, 1e-6)],
  ["layerNorm without weights", [[2, 3, 8]], (x) => layerNorm(x!, undefined, undefined, 1e-5)],
  ["layerNorm with gamma only", [[4, 8], [8]], (x, g) => layerNorm(x!, g, undefined, 1e-5)],
  ["rmsNorm", [[2, 3, 8], [8]], (x, g) => rmsNorm(x!, g, 1e-6)],
  ["rmsNorm without weights", [[4, 8]], (x) => rmsNorm(x!, undefined, 1e-6)],
  ["gelu, exact", [[4, 9]], (x) => gelu(x!, "exact")],
  ["gelu, tanh", [[4, 9]], (x) => gelu(x!, "tanh")],
  ["rotary, one table", [[2, 5, 3, 4]], turned(1)],
  ["rotary, a table a sequence", [[3, 2, 2, 6]], turned(3)],
  ["planeConv 3x3", [[2, 3, 5, 4], [4, 3, 3, 3], [4]], (x, f, b) => planeConv(x as Tensor4D, f as Tensor4D, b)],
  ["planeConv 3x3, even size, stride 2", [[2, 3, 4, 6], [2, 3, 3, 3], [2]], (x, f, b) => planeConv(x as Tensor4D, f as Tensor4D, b, 2)],
  ["planeConv 3x3, odd size, stride 2", [[1, 3, 5, 7], [2, 3, 3, 3]], (x, f) => planeConv(x as Tensor4D, f as Tensor4D, undefined, 2)],
  ["planeConv 1x1", [[2, 3, 2, 3], [4, 3, 1, 1], [4]], (x, f, b) => planeConv(x as Tensor4D, f as Tensor4D, b)],
];

describe("fused operations", () => {
  it.each(CASES)("%s equals plain operations, with gradients", async (name, shapes, f) => {
    const run = (): Result[] => read(evaluate(shapes, f));
    const want = await on("cpu", run);
    expectClose(await on("ort-cpu", run), want, 2e-6, name);
    expectClose(await on("wasm", run), want, 2e-6, `${name} on wasm`);
  });

  it("record one operation each way", async () => {
    await on("ort-cpu", () => {
      const x = tf.ones([2, 4]);
      const [g, b] = [tf.ones([4]), tf.zeros([4])];
      resetOrtStats();
      layerNorm(x, g, b, 1e-5);
      rmsNorm(x, g, 1e-5);
      gelu(x, "exact");
      expect(ortStats().opsRecorded).toBe(3);
    });
  });

  it("record no gradient of a frozen filter", async () => {
    await on("ort-cpu", () => {
      const [x, filter] = [tf.ones([1, 2, 4, 4]), tf.ones([2, 2, 3, 3])] as [Tensor4D, Tensor4D];
      resetOrtStats();
      tf.grad((t: Tensor) => planeConv(t as Tensor4D, filter, undefined))(x, tf.ones([1, 2, 4, 4]));
      // forward and the input's gradient
      expect(ortStats().opsRecorded).toBe(2);
    });
  });

  it("leave out weight gradients that nobody takes", async () => {
    const got = await on("ort-cpu", () => {
      const x = tf.tensor2d([1, 2, 4, 8], [1, 4]);
      return read(tf.grad((t: Tensor) => layerNorm(t, tf.ones([4]), tf.zeros([4]), 1e-5).square().sum())(x));
    });
    // Σ ŷ² is D whatever x is, up to eps: its gradient vanishes
    expect(worst(got[0]!.values, [0, 0, 0, 0])).toBeLessThan(1e-4);
  });

  // x Φ(x) with Φ(1) = 0.8413447 and Φ(2) = 0.9772499; the tanh form evaluated in double precision
  it.each([["exact", [-0.1586553, 0, 1.9544997]], ["tanh", [-0.158808, 0, 1.9545977]]] as const)("gelu %s has the known values", async (form, want) => {
    for (const engine of ["cpu", "ort-cpu"] as const) {
      const got = await on(engine, () => read(gelu(tf.tensor1d([-1, 0, 2]), form)));
      expect(worst(got[0]!.values, want)).toBeLessThan(1e-6);
    }
  });
});
