import { describe, expect, test } from "vitest";
import { difference, digest, tolerance } from "../../lib/bench/agreement";

describe("agreement", () => {
  test("of a step is relative for each number", () => {
    expect(difference([2.0002, 10], [2, 10], "step")).toBeCloseTo(1e-4, 6);
    expect(difference([2, 10.01], [2, 10], "step")).toBeCloseTo(1e-3, 6);
  });

  test("of an output is relative to its root mean square, which the digest ends with", () => {
    const output = Float32Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? 3 : -3));
    const numbers = digest(output);
    expect(numbers.length).toBe(257);
    expect(numbers.at(-1)).toBeCloseTo(3, 6);
    expect(difference([0.3, ...numbers.slice(1)], [0, ...numbers.slice(1)], "inference")).toBeCloseTo(0.1, 6);
    expect(digest([1, 2])).toEqual([1, 2, Math.sqrt(2.5)]);
  });

  test("fails for what is not finite and for another count", () => {
    expect(difference([NaN], [1], "step")).toBe(Infinity);
    expect(difference([1, 1], [1], "step")).toBe(Infinity);
    expect(difference([], [], "step")).toBe(Infinity);
  });

  test("is stricter for float32 on the processor than for TF32 and half precision", () => {
    expect((["ort-cpu", "ort-cuda-tf32", "torch-cuda-fp16"] as const).map(tolerance)).toEqual([1e-4, 5e-3, 5e-2]);
  });
});
