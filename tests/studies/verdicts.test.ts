import { expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import type { Prediction } from "../../lib/runs/answers";
import type { ResultRow } from "../../lib/runs/row";
import { studyNamed } from "../../lib/studies/definitions";
import type { Study } from "../../lib/studies/types";
import { contrastResults, contrastText, undecidedArms } from "../../lib/studies/verdicts";
import { sampleRow } from "../report/sample";

const study: Study = {
  ...studyNamed("table5"),
  name: "sample",
  variants: ["full", "no-mpe", "no-sg", "no-attn"],
  protocol: {
    ...studyNamed("table5").protocol,
    looks: [3, 5],
    contrasts: ["no-mpe", "no-sg", "no-attn"].map((arm) => ({ arm, against: "full", expected: "lower" as const })),
    primary: { evaluation: "test", proposals: "gt", sentences: "relations" },
  },
};

const rowOf = (variant: string, seed: number, change: Partial<ResultRow> = {}): ResultRow =>
  sampleRow({ study: "sample", protocol: 1, split: "test", variant, seed, ...change });

/** 3000 answers in 100 rooms, right with a chance that varies a little from seed to seed. */
function answersOf({ variant, seed, split }: ResultRow): Prediction[] {
  const chance = { full: 0.9, "no-mpe": 0.5, "no-sg": 0.9, "no-attn": 0.88 }[variant]!;
  const wobble = variant === "no-attn" ? [0, 0.06, -0.06, 0, 0.02][seed]! : 0;
  return Array.from({ length: 3000 }, (_, i) => {
    // the same sentences are hard in every arm: differences scatter less than accuracies
    const hard = new Rng(7, `sentence-${i}`).next();
    const right = hard < (split === "test" ? chance + wobble : split === "test-phi-off" ? chance - 0.3 : 0.1);
    return {
      queryId: `q${i}`,
      sceneId: `scene${i % 100}`,
      category: "chair",
      kind: i % 10 === 0 ? "attribute" : "closest",
      target: 0,
      predicted: 0,
      // the primary metric does not look at attributes: here all arms fail alike
      iou: i % 10 !== 0 && right ? 1 : 0,
      description: "",
      anchors: [],
    };
  });
}

const seeds = (variant: string, count: number): ResultRow[] =>
  Array.from({ length: count }, (_, seed) => rowOf(variant, seed));

test("before the first look there is no verdict, only a count", () => {
  const results = contrastResults(study, [...seeds("full", 2), ...seeds("no-mpe", 2)], answersOf);
  expect(results.map(({ text, decided }) => [text, decided])).toEqual([
    ["2 of the 3 seeds of the first look", false],
    ["0 of the 3 seeds of the first look", false],
    ["0 of the 3 seeds of the first look", false],
  ]);
});

test("what is decided at the first look stays; what is not goes on, alone", () => {
  const first = ["full", "no-mpe", "no-sg", "no-attn"].flatMap((variant) => seeds(variant, 3));
  const results = contrastResults(study, first, answersOf);
  expect(results.map(({ text }) => text.replace(/about \d+/, "about N"))).toEqual([
    "lower",
    "within ±2 points",
    expect.stringMatching(/^undecided/),
  ]);
  // 40 points of the chances, drawn
  expect(Math.abs(results[0]!.difference!.value + 40)).toBeLessThan(1.5);
  expect(undecidedArms(results)).toEqual(["no-attn", "full"]);
  const later = contrastResults(study, [...first, ...seeds("full", 5), ...seeds("no-attn", 5)], answersOf);
  // the seeds that came later are not looked at where it was decided
  expect(later[0]).toMatchObject({ difference: results[0]!.difference, decided: true, seeds: 3 });
  expect(later[2]!.difference!.seeds).toEqual([0, 1, 2, 3, 4]);
});

test("rows of another protocol, evaluation or kind of boxes are not the study's evidence", () => {
  const others = ["full", "no-mpe"].flatMap((variant) => [
    ...seeds(variant, 3).map((row) => ({ ...row, protocol: 0 })),
    ...seeds(variant, 3).map((row) => ({ ...row, split: "val" })),
    ...seeds(variant, 3).map((row) => ({ ...row, proposals: "detector" as const })),
    ...seeds(variant, 3).map((row) => ({ ...row, study: "table5" })),
  ]);
  expect(contrastResults(study, others, answersOf)[0]!.seeds).toBe(0);
});

test("a contrast may ask both sides something else, or the same runs in another way", () => {
  const asked: Study = {
    ...study,
    protocol: {
      ...study.protocol,
      contrasts: [
        { arm: "full", against: "full", on: "test-phi-off", againstOn: "test", expected: "lower" },
        { arm: "no-sg", against: "full", on: "test-phi-off", expected: "within" },
        { arm: "no-mpe", against: "full", on: "test-psi-off", expected: "lower" },
      ],
    },
  };
  const rows = ["full", "no-sg", "no-mpe"].flatMap((variant) => [
    ...seeds(variant, 3),
    ...seeds(variant, 3).map((row) => ({ ...row, split: "test-phi-off" })),
  ]);
  const [off, both, none] = contrastResults(asked, rows, answersOf);
  expect([off!.text, both!.text, none!.seeds]).toEqual(["lower", "within ±2 points", 0]);
  expect(Math.abs(off!.difference!.value + 30)).toBeLessThan(1.5);
  expect(contrastText(off!.contrast, asked.protocol.primary)).toEqual({
    arm: "full on test-phi-off",
    against: "full on test",
  });
  expect(contrastText(study.protocol.contrasts[0]!, study.protocol.primary)).toEqual({
    arm: "no-mpe",
    against: "full",
  });
});
