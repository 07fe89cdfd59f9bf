import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { estimate, memoryOf, requireMemory } from "../../lib/train/estimate";

const paper = (...set: string[]) => resolveConfig({ preset: "llava-video-7b", set });

describe("llava-video-7b", () => {
  test("16, 24 and 32 frames have the paper's visual tokens (spec 2.7)", () => {
    expect([16, 24, 32].map((n) => estimate(paper(`data.frames=${n}`), "answer").visualTokens)).toEqual([
      3360, 5040, 6720,
    ]);
  });

  test("training holds each weight, gradient and moment once", () => {
    const { memory } = estimate(paper(), "train");
    expect(memory.gradients).toBe(4 * 1_767_499_776);
    expect(memory["optimiser's moments"]).toBe(8 * 1_767_499_776);
  });

  test("computing layers again takes less memory and a third more work; several batches keep their sum", () => {
    const [plain, again] = [estimate(paper(), "train"), estimate(paper("training.recompute=true"), "train")];
    expect(again!.memory.activations).toBeLessThan(0.3 * plain!.memory.activations!);
    expect(again!.flops / plain!.flops).toBeGreaterThan(1.2);
    expect(again!.flops / plain!.flops).toBeLessThan(1.5);
    expect(plain!.memory["gathered gradients"]).toBe(8 * 1_767_499_776);
    expect(estimate(paper("training.accumulate=1"), "train").memory["gathered gradients"]).toBeUndefined();
  });

  test("streamed, the gradients of one frame stay below 20 GB", () => {
    const { memory, bytes } = estimate(
      resolveConfig({ preset: "llava-video-7b", ablation: "no-sg", set: ["data.frames=1", "training.scenes=1"] }),
      "stream-train",
    );
    expect(memory.gradients).toBeGreaterThan(4 * 1.76e9);
    expect(bytes).toBeLessThan(20e9);
  });

  test("streamed, an answer on 16 frames stays below 20 GB, and all weights in memory do not", () => {
    expect(estimate(paper(), "stream").bytes).toBeLessThan(20e9);
    expect(estimate(paper(), "answer").bytes).toBeGreaterThan(32e9);
  });

  test("an answer takes two operations for each weight of the language model and each token, at least", () => {
    expect(estimate(paper(), "answer").flops).toBeGreaterThan(2 * 28 * 233_057_792 * 3360);
  });

  test("more frames need more", () => {
    const [few, many] = [8, 32].map((n) => estimate(paper(`data.frames=${n}`), "train"));
    expect(many!.bytes).toBeGreaterThan(few!.bytes);
    expect(many!.flops).toBeGreaterThan(4 * few!.flops);
  });
});

test("nano fits, the 7B model is refused with numbers and what to change", () => {
  expect(() => requireMemory(resolveConfig({ preset: "nano" }), "train", "ort-cpu", 2)).not.toThrow();
  const large = paper("training.scenes=64");
  expect(() => requireMemory(large, "train", "ort-cpu")).toThrow(
    new RegExp(
      "^preset llava-video-7b does not fit: training on 16 frames needs about \\d+ GB " +
        "\\(activations \\d+ GB, .*weights 35 GB.*\\), ort-cpu has [\\d.]+ GB here; use a smaller preset, fewer frames",
    ),
  );
  expect(() => requireMemory(large, "train", "ort-cpu", 2)).toThrow("for each of 2 runs side by side");
});

test("wasm has four gigabytes at most; what a GPU has is not known", () => {
  expect(memoryOf("wasm")).toBeLessThanOrEqual(2 ** 32);
  expect(memoryOf("tensorflow")).toBeUndefined();
  expect(() => requireMemory(paper(), "train", "tensorflow")).not.toThrow();
});
