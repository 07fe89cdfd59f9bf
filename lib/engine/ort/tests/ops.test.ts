import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { gelu, swiGlu } from "../ops/activations";
import { sumSquares } from "../ops/adamw";
import { attention } from "../ops/attention";
import { crossEntropy } from "../ops/cross-entropy";
import { layerNorm } from "../ops/layer-norm";
import { planeConv } from "../ops/plane-conv";
import { rmsNorm } from "../ops/rms-norm";
import { ortStats, resetOrtStats } from "../register";
import { tf } from "../tf";
import { expectClose, on, type Result, read, worst } from "./compare";
import { evaluateFused, FUSED_CASES } from "./fused-cases";

describe("fused operations", () => {
  it.each(FUSED_CASES)("%s equals plain operations, with gradients", async (name, shapes, f) => {
    const run = (): Result[] => read(evaluateFused(shapes, f));
    const want = await on("cpu", run);
    expectClose(await on("ort-cpu", run), want, 2e-6, name);
    expectClose(await on("wasm", run), want, 2e-6, `${name} on wasm`);
  });

  it("record one operation each way", async () => {
    await on("ort-cpu", () => {
      const x = tf.ones([2, 4]) as Tensor2D;
      const [g, b] = [tf.ones([4]), tf.zeros([4])];
      const [ids, weights] = [tf.tensor1d([0, 3], "int32"), tf.ones([2])] as [Tensor1D, Tensor1D];
      resetOrtStats();
      layerNorm(x, g, b, 1e-5);
      rmsNorm(x, g, 1e-5);
      gelu(x, "exact");
      attention(x, x, x, { scale: 1 });
      swiGlu(x, x);
      crossEntropy(x, ids, weights);
      expect(ortStats().opsRecorded).toBe(6);
    });
  });

  it("add up squares, millions of them too", async () => {
    const numbers = Float32Array.from({ length: 3 * 2 ** 19 }, (_, i) => ((i * 7919) % 1000) / 500 - 1);
    const want = numbers.reduce((sum, x) => sum + x * x, 0);
    for (const engine of ["ort-cpu", "wasm", "cpu"] as const) {
      const got = await on(engine, () =>
        [
          sumSquares(tf.tensor(numbers)),
          sumSquares(
            tf.tensor2d([
              [1, -2],
              [3, 4],
            ]),
          ),
          sumSquares(tf.scalar(-3)),
        ].map((t) => t.dataSync()[0]!),
      );
      // wasm adds up one by one
      expect(Math.abs(got[0]! / want - 1), engine).toBeLessThan(engine === "ort-cpu" ? 1e-6 : 1e-3);
      expect(got.slice(1), engine).toEqual([30, 9]);
    }
  });

  it("refuse causal attention of rows that belong to no key, and with a bias", async () => {
    await on("ort-cpu", () => {
      const [q, k] = [tf.ones([5, 4]), tf.ones([2, 4])];
      expect(() => attention(q, k, k, { scale: 1, causal: true })).toThrow(
        "needs the same number of query rows for each key, got 5 rows for 2 keys",
      );
      expect(() => attention(k, k, k, { scale: 1, causal: true, bias: tf.zeros([2, 2]) })).toThrow(
        "causal attention takes no bias",
      );
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
      return read(
        tf.grad((t: Tensor) =>
          layerNorm(t, tf.ones([4]), tf.zeros([4]), 1e-5)
            .square()
            .sum(),
        )(x),
      );
    });
    // Σ ŷ² is D whatever x is, up to eps: its gradient vanishes
    expect(worst(got[0]!.values, [0, 0, 0, 0])).toBeLessThan(1e-4);
  });

  // x Φ(x) with Φ(1) = 0.8413447 and Φ(2) = 0.9772499; the tanh form evaluated in double precision
  it.each([
    ["exact", [-0.1586553, 0, 1.9544997]],
    ["tanh", [-0.158808, 0, 1.9545977]],
  ] as const)("gelu %s has the known values", async (form, want) => {
    for (const engine of ["cpu", "ort-cpu"] as const) {
      const got = await on(engine, () => read(gelu(tf.tensor1d([-1, 0, 2]), form)));
      expect(worst(got[0]!.values, want)).toBeLessThan(1e-6);
    }
  });
});
