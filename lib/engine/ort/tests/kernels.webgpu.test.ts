import { beforeAll, describe, expect, it } from "vitest";
import { configureOrt, ortStats } from "../register";
import { tf } from "../tf";
import { expectClose, on, read, worst } from "./compare";
import { leaveOut, use, WHERE } from "./engines";
import { evaluateFused, FUSED_CASES } from "./fused-cases";
import { evaluate, OP_CASES } from "./op-cases";

/** Looser than on the CPU, by case. */
const LOOSE: Readonly<Record<string, number>> = {
  // WGSL lets a device err by 4096 units in the last place
  acos: 5e-5,
  asin: 5e-5,
  atan: 5e-5,
};

// strict: a node that the provider leaves to the CPU is an error
describe.skipIf(leaveOut)(`operations ${WHERE}`, () => {
  beforeAll(async () => {
    await use("ort-webgpu");
    configureOrt({ strict: true }, "ort-webgpu");
  }, 120_000);

  describe.each(OP_CASES)("%s equal tfjs', with gradients", (_, cases) => {
    it.each(cases.map((c) => [c.name, c] as const))("%s", async (name, c) => {
      const want = await on("cpu", () => read(evaluate(c)));
      const got = await on("ort-webgpu", () => read(evaluate(c)));
      expectClose(got, want, LOOSE[name] ?? c.tolerance ?? 1e-6, name);
    });
  });

  it.each(FUSED_CASES)("%s equals plain operations, with gradients", async (name, shapes, f) => {
    const want = await on("cpu", () => read(evaluateFused(shapes, f)));
    expectClose(await on("ort-webgpu", () => read(evaluateFused(shapes, f))), want, 2e-6, name);
  });

  it("only what ONNX Runtime cannot do there goes through plain JavaScript", () => {
    expect(Object.keys(ortStats("ort-webgpu").fallbacks).sort()).toEqual(["Cumprod", "TopK"]);
  });

  it("sines of large angles, slices of large integers, remainders and rounded quotients are exact", async () => {
    const angles = Array.from({ length: 41 }, (_, i) => (i - 20) * 157.3);
    const got = await on("ort-webgpu", () =>
      read([
        tf.sin(tf.tensor1d(angles)),
        tf.cos(tf.tensor1d(angles)),
        tf.slice(tf.tensor1d([7, 2_147_483_647, -2_147_483_648, 123_456_789], "int32"), 1, 3),
        tf.reverse(tf.tensor1d([-65_537, 16_777_217, 3], "int32")),
        tf.mod(tf.tensor1d([-7, 7, -7, 6], "int32"), tf.tensor1d([3, -3, -3, 3], "int32")),
        tf.floorDiv(tf.tensor1d([-7, 7, -7, 6], "int32"), tf.tensor1d([3, -3, -3, 3], "int32")),
        tf.round(tf.tensor1d([0.5, 1.5, -0.5, -2.5, 8_388_609, 2.4999998])),
      ]),
    );
    // float32 spaces numbers near 3146 by 2.4e-4: compare with the sine of the rounded angle
    const rounded = Array.from(Float32Array.from(angles));
    expect(worst(got[0]!.values, rounded.map(Math.sin))).toBeLessThan(2e-6);
    expect(worst(got[1]!.values, rounded.map(Math.cos))).toBeLessThan(2e-6);
    // WGSL lets a device ignore the sign of a zero, as in round(-0.5): adding 0 takes it away
    expect(got.slice(2).map((r) => r.values.map((v) => v + 0))).toEqual([
      [2_147_483_647, -2_147_483_648, 123_456_789],
      [3, 16_777_217, -65_537],
      [2, -2, -1, 0],
      [-3, -3, 2, 2],
      [0, 2, 0, -2, 8_388_609, 2],
    ]);
  });

  it("rows with the same id are added without losing any", async () => {
    const [count, width] = [4000, 64];
    const sums = await on("ort-webgpu", () =>
      Array.from(
        tf
          .unsortedSegmentSum(
            tf.ones([count, width]),
            tf.tensor1d(
              Int32Array.from({ length: count }, (_, i) => (i * 7) % 5),
              "int32",
            ),
            300,
          )
          .dataSync(),
      ),
    );
    expect(sums.filter((_, i) => i % width === 0).slice(0, 6)).toEqual([800, 800, 800, 800, 800, 0]);
    expect(sums.reduce((a, b) => a + b, 0)).toBe(count * width);
  });
});
