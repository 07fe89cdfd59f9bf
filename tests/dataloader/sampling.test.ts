import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { Rng } from "../../lib/core/rng";
import { type SceneSizes, SentenceOrder, sampleStep } from "../../lib/dataloader/sampling";

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

test("the draws of a step are frozen: runs of before can be gone on with", () => {
  expect(sampleStep(3, sizes, config, rng())).toEqual([
    { scene: 5, views: [0, 2, 3, 5, 6], sentences: [5, 0, 4, 3], turns: 3, draw: 0.5770143887493759 },
    { scene: 6, views: [0, 1, 2, 4, 6], sentences: [1, 2, 0], turns: 2, draw: 0.3463083258830011 },
    { scene: 1, views: [0, 1, 3, 4, 6], sentences: [1, 0], turns: 2, draw: 0.2201372953131795 },
  ]);
});

describe("sentences by epochs", () => {
  const set = (n: number, name: "scanrefer" | "nr3d" | "sr3d" = "scanrefer") => new Array<typeof name>(n).fill(name);
  const byEpochs = (...change: string[]) =>
    resolveConfig({
      preset: "llava-video-7b",
      set: ["training.scenes=3", "training.sentences=4", "data.frames=5", ...change],
    });
  /** "scene:sentence" of all batches of a training. */
  const seen = (order: SentenceOrder, epochs: number, from = 0, to = order.batches(epochs)): string[] =>
    Array.from({ length: to - from }, (_, i) => order.batch(from + i, 5, epochs))
      .flat()
      .flatMap((pick) => pick.sentences.map((s) => `${pick.scene}:${s}`));
  const sets = [set(6), set(2), [], set(9), set(4), set(7), set(3)];
  const all = sets.flatMap((own, scene) => own.map((_, s) => `${scene}:${s}`)).sort();

  test.each([1, 2, 3])("%i epochs: each sentence once in each, none left out, none twice", (epochs) => {
    const config = byEpochs(`training.epochs=${epochs}`);
    const order = new SentenceOrder(sets, config, rng());
    const list = seen(order, epochs);
    expect(list.length).toBe(epochs * all.length);
    for (let e = 0; e < epochs; e++) {
      const part = order.epoch(e).flatMap((g) => g.sentences.map((s) => `${g.scene}:${s}`));
      expect(part.sort()).toEqual(all);
      // the batches of the training hold the epochs one after the other
      expect(list.slice(e * all.length, (e + 1) * all.length).sort()).toEqual(all);
    }
    const batches = Array.from({ length: order.batches(epochs) }, (_, n) => order.batch(n, 5, epochs));
    // all but the last are full, none holds more of a scene than the config says
    expect(batches.slice(0, -1).every((picks) => picks.length === 3)).toBe(true);
    expect(batches.flat().every((pick) => pick.sentences.length <= 4)).toBe(true);
    expect(order.batch(batches.length, 5, epochs)).toEqual([]);
  });

  test("the order is another in each epoch and for each seed, and goes on where a run stopped", () => {
    const config = byEpochs("training.epochs=2");
    const order = new SentenceOrder(sets, config, rng());
    expect(order.epoch(0)).not.toEqual(order.epoch(1));
    expect(new SentenceOrder(sets, config, rng(1)).epoch(0)).not.toEqual(order.epoch(0));
    const total = order.batches(2);
    for (const stop of [1, 3, total - 1]) {
      const resumed = new SentenceOrder(sets, config, rng());
      expect([...seen(order, 2, 0, stop), ...seen(resumed, 2, stop)]).toEqual(seen(order, 2));
    }
  });

  test("single sentences are shuffled over all scenes, as in the release", () => {
    const order = new SentenceOrder([set(40), set(40)], byEpochs("training.sentences=1", "training.scenes=1"), rng());
    const scenes = order.epoch(0).map(({ scene }) => scene);
    expect(scenes.length).toBe(80);
    const changes = scenes.filter((scene, i) => i > 0 && scene !== scenes[i - 1]).length;
    expect(changes).toBeGreaterThan(25);
    expect(changes).toBeLessThan(55);
  });

  test("half an epoch has half of the groups, and steps may go beyond an epoch", () => {
    const order = new SentenceOrder(sets, byEpochs("training.sentences=1", "training.scenes=1"), rng());
    expect([order.groups(0.5), order.batches(0.5), order.groups(1.5)]).toEqual([16, 16, 47]);
    const endless = Array.from({ length: 70 }, (_, n) => order.batch(n, 5, undefined)).flat();
    expect(endless.length).toBe(70);
    expect(
      endless
        .slice(31, 62)
        .map((p) => `${p.scene}:${p.sentences[0]}`)
        .sort(),
    ).toEqual(all);
  });

  test("weights say how often a set's sentences come in a pass", () => {
    const mixed = [
      [...set(10), ...set(20, "nr3d")],
      [...set(10, "sr3d"), ...set(10)],
    ];
    const config = byEpochs(
      'data.sentences=["scanrefer","nr3d","sr3d"]',
      "data.sentenceWeights.nr3d=0.5",
      "data.sentenceWeights.sr3d=2.2",
    );
    const order = new SentenceOrder(mixed, config, rng());
    const times = (epoch: number): Record<string, number> => {
      const out: Record<string, number> = {};
      for (const { scene, sentences } of order.epoch(epoch))
        for (const s of sentences) {
          const key = `${mixed[scene]![s]!} ${scene}:${s}`;
          out[key] = (out[key] ?? 0) + 1;
        }
      return out;
    };
    const of = (epoch: number, name: string): number[] =>
      Object.entries(times(epoch))
        .filter(([key]) => key.startsWith(name))
        .map(([, n]) => n);
    expect(of(0, "scanrefer")).toEqual(new Array(20).fill(1));
    expect(of(0, "nr3d")).toEqual(new Array(10).fill(1));
    expect(of(0, "sr3d").sort()).toEqual([2, 2, 2, 2, 2, 2, 2, 2, 3, 3]);
    // another half the next time
    expect(Object.keys(times(0))).not.toEqual(Object.keys(times(1)));
    const nr3d = (epoch: number) => Object.keys(times(epoch)).filter((key) => key.startsWith("nr3d"));
    expect(new Set([...nr3d(0), ...nr3d(1)]).size).toBeGreaterThan(10);
  });

  test("without a sentence there is no epoch", () => {
    expect(() => new SentenceOrder([[], []], byEpochs(), rng())).toThrow(
      /an epoch has no sentence; check data.sentences/,
    );
    const none = byEpochs("data.sentenceWeights.scanrefer=0.01");
    expect(() => new SentenceOrder([set(3)], none, rng())).toThrow(/an epoch has no sentence/);
  });
});
