import { describe, expect, test } from "vitest";
import { keptAnswers } from "../../lib/report/figure-set";
import { latestRows } from "../../lib/runs/row";
import { mainGroup } from "../../lib/studies/groups";
import type { TrainingRun } from "../../lib/train/metrics-log";
import { failureSignatures, trainingSignatures } from "../../lib/train/signatures";
import { sampleRow } from "../report/sample";

const run = (values: (share: number) => Record<string, number>): TrainingRun => ({
  label: "full-s0",
  metrics: Array.from({ length: 20 }, (_, i) => ({ step: i, seconds: i, ...values(i / 19) })),
});

describe("failure signatures", () => {
  test("a healthy run shows none", () => {
    const healthy = run((t) => ({ ground: 3 - 2 * t, recon: Math.exp(-5 * t), language: 2 - 1.9 * t }));
    expect(
      failureSignatures([sampleRow({ metrics: { acc25: 60, acc50: 50, unique25: 80, multiple25: 50 } })], [healthy]),
    ).toEqual([]);
  });

  test("each is found", () => {
    const ill = run((t) => ({ ground: 3 - 0.1 * t, recon: 1 - 0.3 * t, language: 2 }));
    expect(
      failureSignatures([sampleRow({ metrics: { acc25: 9, acc50: 8, unique25: 80, multiple25: 30 } })], [ill]),
    ).toEqual([
      "table5 full, nano, seed 0, gt boxes: Acc@0.25 9.0 % is that of a random pick (8.0 %): a collapsed grounding " +
        "head",
      "table5 full, nano, seed 0, gt boxes: weak among several of a kind (30.0 % against 80.0 % where the class is " +
        "unique)",
      // steps 4 to 7 of 0 to 19: 1 - 0.3 * 5.5 / 19
      "full-s0: the reconstruction loss does not converge early (91 % of its start)",
      "full-s0: the language head has hardly learnt the categories (100 % of its start)",
      "full-s0: the grounding loss has hardly fallen: a collapsed head? (97 % of its start)",
    ]);
  });

  test("each is seen in training as soon as its stretch of the log is there", () => {
    const { metrics } = run((t) => ({ ground: 3 - 0.1 * t, recon: 1 - 0.3 * t, language: 2 }));
    const log = Array.from({ length: 100 }, (_, step) => ({ ...metrics[Math.floor(step / 5)]!, step }));
    expect(trainingSignatures(log.slice(0, 39), 100)).toEqual([]);
    expect(trainingSignatures(log.slice(0, 41), 100)).toEqual([
      expect.stringMatching(/^the reconstruction loss does not converge early/),
    ]);
    expect(trainingSignatures(log, 100).map((text) => text.slice(0, 12))).toEqual([
      "the reconstr",
      "the language",
      "the groundin",
    ]);
  });

  test("wrong words, and collapse away from home while reconstruction has most of the loss", () => {
    const metrics = { acc25: 60, acc50: 50 };
    const words = failureSignatures([sampleRow({ metrics: { ...metrics, wrongWords: 35 } })], []);
    expect(words).toEqual([
      "table5 full, nano, seed 0, gt boxes: wrong categories: 35.0 % of the answers do not write the target's class",
    ]);
    const home = sampleRow({ metrics, reconShare: 70 });
    const away = sampleRow({
      metrics: { acc25: 20, acc50: 9 },
      reconShare: 70,
      split: "street",
      splitFingerprint: "x",
    });
    expect(failureSignatures([home, away], [])).toEqual([
      "table5 full, nano, seed 0, gt boxes: collapses on street (20.0 % against 60.0 % at home) while reconstruction " +
        "has 70 % of the loss",
    ]);
    expect(failureSignatures([home, { ...away, reconShare: 20 }], [])).toEqual([]);
  });

  test("a log too short to judge is left alone", () => {
    expect(failureSignatures([], [{ label: "x", metrics: [{ step: 0, seconds: 0, ground: 3 }] }])).toEqual([]);
  });
});

test("a figure shows one group: the largest, true boxes first", () => {
  const gt = [sampleRow(), sampleRow({ seed: 1 })];
  const detector = gt.map((r) => ({ ...r, proposals: "detector" as const }));
  expect(mainGroup([...detector, ...gt])).toEqual(gt);
  expect(mainGroup([...detector, gt[0]!])).toEqual(detector);
  expect(mainGroup([])).toEqual([]);
});

test("a run that was made again replaces the old row", () => {
  expect(
    latestRows([sampleRow({ n: 1 }), sampleRow({ seed: 1 }), sampleRow({ n: 2 })]).map((r) => [r.seed, r.n]),
  ).toEqual([
    [0, 2],
    [1, 240],
  ]);
});

test("a row without kept answers has none", () => {
  expect(keptAnswers(sampleRow({ study: "absent" }))).toBeUndefined();
});
