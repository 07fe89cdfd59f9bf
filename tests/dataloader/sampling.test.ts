import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { Rng } from "../../lib/core/rng";
import { type SceneSizes, sampleStep } from "../../lib/dataloader/sampling";

const config = resolveConfig({
  preset: "nano",
  set: ["training.scenes=3", "training.sentences=4", "data.frames=5", "data.pool=8"],
});
const sizes: SceneSizes = { pool: 8, sentences: [6, 2, 0, 9, 4, 7, 3] };
const rng = (seed = 0): Rng => new Rng(seed, "test");

describe("a step's picks", () => {
  test("are a pure function of seed and step", () => {
    const forwards = [0, 1, 2, 3, 4].map((step) => sampleStep(step, sizes, config, rng()));
    const backwards = [4, 3, 2, 1, 0].map((step) => sampleStep(step, sizes, config, rng())).reverse();
    expect(backwards).toEqual(forwards);
    expect(sampleStep(2, sizes, config, rng(1))).not.toEqual(forwards[2]);
  });

  test("do not depend on other data that was drawn from in between", () => {
    const others: SceneSizes = { pool: 8, sentences: [0, 5, 5, 5, 5, 5, 5] };
    const alone = sampleStep(0, sizes, config, rng());
    sampleStep(0, others, config, rng());
    expect(sampleStep(0, sizes, config, rng())).toEqual(alone);
    expect(sampleStep(0, others, config, rng()).every((pick) => pick.scene !== 0)).toBe(true);
  });

  test("take every scene with sentences once an epoch, in another order each time", () => {
    // six usable scenes, three a step: two steps an epoch
    const epochs = [0, 1, 2, 3].map((e) =>
      [2 * e, 2 * e + 1].flatMap((step) => sampleStep(step, sizes, config, rng()).map((p) => p.scene)),
    );
    for (const epoch of epochs) expect([...epoch].sort()).toEqual([0, 1, 3, 4, 5, 6]);
    expect(new Set(epochs.map(String)).size).toBeGreaterThan(1);
  });

  test("stay in range: views ascend, sentences are distinct, turns are quarters", () => {
    const picks = Array.from({ length: 100 }, (_, step) => sampleStep(step, sizes, config, rng())).flat();
    for (const { scene, views, sentences, turns, draw } of picks) {
      expect(views.length).toBe(5);
      expect(views.every((v, i) => v >= 0 && v < 8 && (i === 0 || v > views[i - 1]!))).toBe(true);
      expect(sentences.length).toBe(Math.min(4, sizes.sentences[scene]!));
      expect(new Set(sentences).size).toBe(sentences.length);
      expect(sentences.every((s) => s >= 0 && s < sizes.sentences[scene]!)).toBe(true);
      expect([0, 1, 2, 3]).toContain(turns);
      expect(draw >= 0 && draw < 1).toBe(true);
    }
    expect(new Set(picks.map((p) => p.turns)).size).toBe(4);
    expect(new Set(picks.flatMap((p) => p.views)).size).toBe(8);
  });

  test("the paper's way: the same spread views each time, never turned", () => {
    const plain = {
      ...config,
      data: { ...config.data, trainFrames: "uniform" as const },
      training: { ...config.training, rotate: false },
    };
    for (const pick of [0, 7].flatMap((step) => sampleStep(step, sizes, plain, rng()))) {
      expect(pick.views).toEqual([0, 1, 3, 5, 7]); // trunc(linspace(0, 7, 5))
      expect(pick.turns).toBe(0);
    }
  });
});
