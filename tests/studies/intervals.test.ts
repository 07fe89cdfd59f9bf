import { describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import {
  type Answer,
  accuracyInterval,
  halfWidth,
  includesZero,
  pairedDifference,
  seedHalfWidth,
} from "../../lib/studies/intervals";

/** `n` answers of which `right` are right, each in a scene of its own unless `perScene` says otherwise. */
function answers(n: number, right: number, perScene = 1): Answer[] {
  return Array.from({ length: n }, (_, i) => ({
    queryId: `q${i}`,
    sceneId: `s${Math.floor(i / perScene)}`,
    iou: i < right ? 1 : 0,
  }));
}

describe("accuracyInterval", () => {
  test("one sentence a scene and one seed: the binomial's normal interval", () => {
    const interval = accuracyInterval(new Map([[0, answers(400, 240)]]), 0.25);
    expect(interval).toMatchObject({ value: 60, over: "scenes", seeds: 1, n: 400 });
    // 1.96 * sqrt(0.6 * 0.4 / 400) = 4.80 points; 2000 draws put a quantile within about 4 % of it, ends lie on a grid
    // of 0.25
    expect(halfWidth(interval)).toBeGreaterThan(4.4);
    expect(halfWidth(interval)).toBeLessThan(5.2);
    expect(interval.low + interval.high).toBeCloseTo(120, 0);
  });

  test("scenes whose sentences agree count as one each: the interval widens by the root of their size", () => {
    // 100 scenes of 4 sentences, all right or all wrong: 1.96 * sqrt(0.6 * 0.4 / 100) = 9.6
    const interval = accuracyInterval(new Map([[0, answers(400, 240, 4)]]), 0.25);
    expect(halfWidth(interval)).toBeGreaterThan(8.8);
    expect(halfWidth(interval)).toBeLessThan(10.4);
  });

  test("seeds that differ widen it", () => {
    const same = accuracyInterval(
      new Map([
        [0, answers(400, 240)],
        [1, answers(400, 240)],
      ]),
      0.25,
    );
    const apart = accuracyInterval(
      new Map([
        [0, answers(400, 160)],
        [1, answers(400, 320)],
      ]),
      0.25,
    );
    expect(same.over).toBe("scenes and seeds");
    expect(apart.value).toBe(60);
    // with two seeds half of the draws take one seed twice, so the interval reaches beyond both means
    expect(apart.low).toBeLessThan(40);
    expect(apart.high).toBeGreaterThan(80);
    expect(halfWidth(same)).toBeLessThan(6);
  });

  test("the threshold counts an exact hit", () => {
    const run = new Map([
      [
        0,
        [
          { queryId: "a", sceneId: "s", iou: 0.25 },
          { queryId: "b", sceneId: "s", iou: 0.2499 },
        ],
      ],
    ]);
    expect(accuracyInterval(run, 0.25).value).toBe(50);
  });

  test("is the same every time", () => {
    const run = new Map([[0, answers(60, 31, 3)]]);
    expect(accuracyInterval(run, 0.25)).toEqual(accuracyInterval(run, 0.25));
  });

  test("no answer is an error", () => {
    expect(() => accuracyInterval(new Map(), 0.25)).toThrow("an interval needs answers; a run has none");
    expect(() => accuracyInterval(new Map([[0, []]]), 0.25)).toThrow("a run has none");
  });
});

describe("pairedDifference", () => {
  test("a variant that answers the same is exactly 0 apart, however hard the scenes", () => {
    const run = new Map([[0, answers(100, 37)]]);
    expect(pairedDifference(run, run, 0.25)).toMatchObject({ value: 0, low: 0, high: 0 });
  });

  test("independent answers: the interval of a difference of two proportions", () => {
    const rng = new Rng(1, "test");
    const draw = (p: number): Answer[] =>
      Array.from({ length: 1000 }, (_, i) => ({ queryId: `q${i}`, sceneId: `s${i}`, iou: rng.next() < p ? 1 : 0 }));
    const interval = pairedDifference(new Map([[0, draw(0.5)]]), new Map([[0, draw(0.5)]]), 0.25);
    // 1.96 * sqrt(2 * 0.25 / 1000) = 4.38 points
    expect(halfWidth(interval)).toBeGreaterThan(4);
    expect(halfWidth(interval)).toBeLessThan(4.8);
    expect(includesZero(interval)).toBe(true);
  });

  test("uses the seeds that both have, and takes the first minus the second", () => {
    const first = new Map([
      [0, answers(50, 10)],
      [1, answers(50, 20)],
      [2, answers(50, 50)],
    ]);
    const second = new Map([
      [0, answers(50, 20)],
      [1, answers(50, 30)],
    ]);
    const interval = pairedDifference(first, second, 0.25);
    expect(interval).toMatchObject({ value: -20, seeds: 2 });
    expect(includesZero(interval)).toBe(false);
  });

  test("no common seed, and other sentences, are errors", () => {
    expect(() => pairedDifference(new Map([[0, answers(5, 1)]]), new Map([[3, answers(5, 1)]]), 0.25)).toThrow(
      "the two variants share no seed (0 against 3); run both with the same seeds",
    );
    expect(() => pairedDifference(new Map([[0, answers(5, 1)]]), new Map([[0, answers(6, 1)]]), 0.25)).toThrow(
      "seed 0: the two variants answered different sentences (5 and 6); run both on the same data",
    );
  });
});

test("seedHalfWidth is Student's interval of a mean", () => {
  // values 1, 2, 3: standard deviation 1, t(2) = 4.303, 4.303 / sqrt(3) = 2.484
  expect(seedHalfWidth([1, 2, 3])).toBeCloseTo(2.484, 3);
  expect(seedHalfWidth([5, 7])).toBeCloseTo(12.706, 3);
  expect(seedHalfWidth([5])).toBeUndefined();
});
