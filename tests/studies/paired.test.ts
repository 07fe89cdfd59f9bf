import { describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import {
  type Arm,
  estimateOf,
  halfWidthOverSeeds,
  holm,
  intervalOf,
  judge,
  pairedDifferenceOf,
  pValue,
  type Scored,
  satterthwaite,
  scoredAt,
  studentQuantile,
  verdictText,
} from "../../lib/studies/paired";

/** Two sentences in each of the rooms; `right` lists the sentences that are answered right, such as "a0". */
function answers(rooms: readonly string[], right: readonly string[]): Scored[] {
  return rooms.flatMap((sceneId) =>
    [0, 1].map((i) => ({ queryId: `${sceneId}${i}`, sceneId, score: Number(right.includes(`${sceneId}${i}`)) })),
  );
}

describe("Student's t", () => {
  // scipy.stats.t.ppf and .cdf, SciPy 1.17.1
  test.each([
    [0.975, 1, 12.706204736174694],
    [0.975, 3.5, 2.9400886379827282],
    [0.975, 10, 2.228138851986274],
    [0.975, 11, 2.200985160082949],
    [0.95, 200, 1.6525081009],
  ])("quantile %d at %d degrees of freedom", (p, dof, expected) => {
    expect(studentQuantile(p, dof)).toBeCloseTo(expected, 6);
  });

  test("tends to the normal distribution's", () => {
    expect(studentQuantile(0.975, Number.POSITIVE_INFINITY)).toBeCloseTo(1.959964, 4);
  });
});

describe("a paired difference", () => {
  const rooms = ["a", "b", "c"];
  const first: Arm = new Map([
    [0, answers(rooms, ["a0", "a1", "b0", "c0"])],
    [1, answers(rooms, ["a0", "a1", "b0", "b1"])],
  ]);
  const second: Arm = new Map([
    [0, answers(rooms, ["a0", "b0"])],
    [1, answers(rooms, ["a0", "c0", "c1"])],
  ]);
  const found = pairedDifferenceOf(first, second);

  test("is the mean over seeds of the differences on the same sentences", () => {
    // seed 0: 4 − 2 of 6; seed 1: 4 − 3 of 6
    expect(found.perSeed.map((d) => d.toFixed(4))).toEqual(["33.3333", "16.6667"]);
    expect(found.value).toBeCloseTo(25, 10);
    expect(found).toMatchObject({ n: 6, rooms: 3, seeds: [0, 1] });
  });

  test("has the two variances by hand", () => {
    // of seeds: ((33.33 − 25)² + (16.67 − 25)²)/1/2
    expect(found.seedVariance).toBeCloseTo(69.4444, 3);
    // sums of the seed means by room: a 100, b 100, c −50; less 2·25: 50, 50, −100; 3/2·15000/36
    expect(found.roomVariance).toBeCloseTo(625, 6);
    expect(found.standardError).toBeCloseTo(Math.sqrt(694.4444), 4);
    expect(found.degreesOfFreedom).toBeCloseTo(694.4444 ** 2 / (69.4444 ** 2 / 1 + 625 ** 2 / 2), 3);
  });

  test("compares other seeds pair by pair, as an A/A control has them", () => {
    const others: Arm = new Map([...second].map(([seed, list]) => [seed + 8, list]));
    expect(pairedDifferenceOf(first, others).perSeed).toEqual(found.perSeed);
    expect(() => pairedDifferenceOf(first, new Map([[8, others.get(8)!]]))).toThrow(
      /2 and 1 seeds.*run as many of both/,
    );
  });

  test("with one seed has no standard error: the spread between trainings is unknown", () => {
    const one = pairedDifferenceOf(new Map([[0, first.get(0)!]]), second);
    expect(one.standardError).toBeUndefined();
    expect(pValue(one)).toBeUndefined();
    expect(verdictText(judge([one], 2)[0]!, 2)).toBe("undecided (one seed)");
  });

  test("refuses other sentences and empty runs", () => {
    const fewer: Arm = new Map([[0, second.get(0)!.slice(1)]]);
    expect(() => pairedDifferenceOf(first, fewer)).toThrow(
      /seed 0: the two arms answered different sentences \(6 and 5\)/,
    );
    expect(() => pairedDifferenceOf(new Map([[0, []]]), new Map([[0, []]]))).toThrow(/the run has none/);
  });
});

test("the 95 % interval holds the truth in about 95 % of simulated studies", () => {
  const rng = new Rng(7, "coverage");
  let inside = 0;
  const studies = 400;
  for (let s = 0; s < studies; s++) {
    const roomEffects = Array.from({ length: 40 }, () => 0.1 * rng.normal());
    const arms = [0, 1].map(
      (arm): Arm =>
        new Map(
          [0, 1, 2, 3, 4].map((seed) => {
            const luck = 0.03 * rng.normal();
            return [
              seed,
              roomEffects.flatMap((effect, room) =>
                [0, 1, 2, 3].map((i) => ({
                  queryId: `${room}/${i}`,
                  sceneId: String(room),
                  score: (arm === 0 ? 0.05 + effect : 0) + luck + 0.2 * rng.normal(),
                })),
              ),
            ] as const;
          }),
        ),
    );
    const [low, high] = intervalOf(pairedDifferenceOf(arms[0]!, arms[1]!), 0.95)!;
    if (low <= 5 && 5 <= high) inside += 1;
  }
  // binomial spread of 400 trials at 0.95 is 1.1 %; the formula is slightly conservative (seeds' noise within rooms
  // counts twice)
  expect(inside / studies).toBeGreaterThan(0.92);
  expect(inside / studies).toBeLessThan(0.995);
});

test("Satterthwaite: one part keeps its own degrees of freedom, equal parts share them", () => {
  expect(
    satterthwaite([
      [2, 7],
      [0, 3],
    ]),
  ).toBeCloseTo(7, 12);
  expect(
    satterthwaite([
      [1, 5],
      [1, 5],
    ]),
  ).toBeCloseTo(10, 12);
  expect(
    satterthwaite([
      [0, 5],
      [0, 5],
    ]),
  ).toBe(Number.POSITIVE_INFINITY);
});

test("Holm's correction gives R's p.adjust", () => {
  expect(holm([0.01, 0.04, 0.03, 0.005]).map((p) => Number(p.toFixed(6)))).toEqual([0.03, 0.06, 0.06, 0.02]);
  expect(holm([0.7, 0.8])).toEqual([1, 1]);
});

describe("a verdict", () => {
  const difference = (value: number, seedVariance: number, roomVariance: number, seeds = 8) => ({
    value,
    perSeed: Array.from({ length: seeds }, () => value),
    seeds: Array.from({ length: seeds }, (_, i) => i),
    seedVariance,
    roomVariance,
    standardError: Math.sqrt(seedVariance + roomVariance),
    degreesOfFreedom: satterthwaite([
      [seedVariance, seeds - 1],
      [roomVariance, 499],
    ]),
    rooms: 500,
    n: 2000,
  });

  test("says lower, higher, within or undecided, and both where both hold", () => {
    const judged = judge(
      [
        difference(-12, 0.3, 0.4),
        difference(5, 0.3, 0.4),
        difference(0.2, 0.05, 0.1),
        difference(-1, 0.01, 0.02),
        difference(1.5, 1, 0.1),
      ],
      2,
    );
    expect(judged.map((v) => verdictText(v, 2))).toEqual([
      "lower",
      "higher",
      "within ±2 points",
      "lower, within ±2 points",
      expect.stringMatching(/^undecided \(about \d+ seeds would decide\)$/),
    ]);
  });

  test("more arms in a table ask for stronger evidence", () => {
    const close = difference(2.6, 0.8, 0.4);
    expect(judge([close], 2)[0]!.direction).toBe("higher");
    expect(
      judge([close, ...Array.from({ length: 9 }, () => difference(0.1, 0.5, 0.4))], 2)[0]!.direction,
    ).toBeUndefined();
    expect(judge([close], 2, 3)[0]!.direction).toBeUndefined();
  });

  test("where the rooms' part alone is too large, says that seeds will not help", () => {
    expect(verdictText(judge([difference(0.5, 0.1, 4)], 2)[0]!, 2)).toMatch(/more rooms are needed/);
  });

  test("identical answers are equivalent, not lower", () => {
    const arm: Arm = new Map([0, 1].map((seed) => [seed, answers(["a", "b"], ["a0", "b1"])]));
    const [same] = judge([pairedDifferenceOf(arm, arm)], 2);
    expect(same).toMatchObject({ equivalent: true, p: 1 });
    expect(same!.direction).toBeUndefined();
  });
});

describe("the estimate of one arm", () => {
  const single = (n: number, right: number, perRoom: number): Scored[] =>
    Array.from({ length: n }, (_, i) => ({
      queryId: `q${i}`,
      sceneId: `s${Math.floor(i / perRoom)}`,
      score: Number(i < right),
    }));
  const twice = (list: Scored[]): Arm =>
    new Map([
      [0, list],
      [1, list],
    ]);

  test("one sentence a room and equal seeds: the binomial's standard error", () => {
    // sqrt(0.6 · 0.4 / 399) with n − 1
    expect(estimateOf(twice(single(400, 240, 1))).standardError).toBeCloseTo(100 * Math.sqrt(0.24 / 399), 6);
  });

  test("rooms whose sentences agree count as one each", () => {
    expect(estimateOf(twice(single(400, 240, 4))).standardError).toBeCloseTo(100 * Math.sqrt(0.24 / 99), 6);
  });

  test("a threshold counts an exact hit", () => {
    const answers = [0.25, 0.2499].map((iou, i) => ({ queryId: String(i), sceneId: "s", iou }));
    expect(scoredAt(answers, 0.25).map((a) => a.score)).toEqual([1, 0]);
  });

  test("no run and no answer are errors", () => {
    expect(() => estimateOf(new Map())).toThrow(/needs a run/);
    expect(() => estimateOf(new Map([[0, []]]))).toThrow(/has none/);
  });

  test("a mean over seeds alone has Student's half width, undefined for one", () => {
    // scipy.stats.t.ppf(0.975, 2) · sd / sqrt(3)
    expect(halfWidthOverSeeds([1, 2, 3])).toBeCloseTo(4.3026527 / Math.sqrt(3), 6);
    expect(halfWidthOverSeeds([1])).toBeUndefined();
  });
});
