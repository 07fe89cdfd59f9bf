import { expect, test } from "vitest";
import { compare } from "../../lib/report/compare";
import {
  attentionFindings,
  costFindings,
  effectFindings,
  errorFindings,
  kindFindings,
  missingFindings,
  proposalFindings,
  transferFindings,
  viewFindings,
} from "../../lib/report/findings";
import { table5 } from "../../lib/report/paper";
import type { ResultRow } from "../../lib/runs/row";
import { sampleAttention, samplePredictions, sampleRow } from "./sample";

const row = (variant: string, seed: number, acc25: number, change: Partial<ResultRow> = {}): ResultRow =>
  sampleRow({
    variant,
    seed,
    metrics: { acc25, acc50: acc25, byRelation: { attribute: 90, closest: acc25 } },
    ...change,
  });

const rows = [row("full", 0, 60), row("full", 1, 64), row("no-mpe", 0, 50), row("no-mpe", 1, 50)];

test("effects: every number is computed, what was not run is said with the paper's figure", () => {
  const { markdown } = effectFindings(compare(rows, table5, undefined, ["full", "no-mpe", "no-lg"]), "table5", "nano");
  const [base, mpe, lg] = markdown.split("\n");
  expect(base).toContain("`full`: 62.0 % Acc@0.25");
  expect(base).toContain("2 seeds, 240 sentences, true boxes");
  expect(mpe).toMatch(/without position encoding \(`no-mpe`\): 12\.0 points lower .*2 seeds.* Paper: −15\.05\.$/);
  // 57.75 - 59.18
  expect(lg).toBe("- without language guidance (`no-lg`): not run yet. Paper: −1.43.");
});

test("without any row, the command that makes them", () => {
  const command = "npm run -s s2mllm -- study table8 --preset nano";
  expect(effectFindings(compare([], table5), "table8", "nano").markdown).toContain(command);
  expect(missingFindings("table8", "nano").markdown).toContain(command);
  expect(viewFindings([]).markdown).toContain("study table5");
  expect(proposalFindings([]).markdown).toContain("`proposal-noise`");
  expect(missingFindings("no-such", "nano").markdown).toContain("`no-such` is not part of this version");
});

test("kinds: where a variant loses most and least", () => {
  expect(kindFindings(rows).markdown).toBe(
    "- `no-mpe` loses most on *closest* sentences (62.0 → 50.0 %), least on *attribute* sentences (90.0 → 90.0 %).",
  );
});

test("views: accuracy by their number, and what a further one brings", () => {
  const { markdown } = viewFindings([row("full", 0, 60), row("frames-4", 0, 52, { frames: 4 })]);
  expect(markdown).toContain("4 views 52.0 %, 8 views 60.0 %");
  expect(markdown).toContain("+2.00 from 4 to 8");
});

test("proposals: detected boxes beside true ones, and what they allow", () => {
  const detected = row("full", 0, 45, { proposals: "detector", upperBound: { acc25: 90, acc50: 80 } });
  expect(proposalFindings([row("full", 0, 60), detected]).markdown).toBe(
    "- `full`: 60.0 % with true boxes, 45.0 % with detected ones, which allow 90.0 % at most: 50.0 % of that.",
  );
});

test("attention, errors, transfer and cost", () => {
  // the sample gives the first view 0.4 in every row, the others share the rest
  expect(attentionFindings(sampleAttention(4, 2)).markdown).toContain("over 4 views it would be 25.0 %");
  expect(errorFindings(row("full", 0, 60), []).markdown).toContain("0 (0.0 %) of 240 answers");
  const wrong = [
    { prediction: samplePredictions("full", 0)[0]!, kind: "spatial" as const },
    { prediction: { ...samplePredictions("full", 0)[0]!, kind: "view" }, kind: "annotation" as const },
  ];
  const errors = errorFindings(row("full", 0, 60), wrong, 90).markdown;
  expect(errors).toContain(`By what the sentence states: ${wrong[0]!.prediction.kind}: 1 spatial; view: 1 annotation.`);
  expect(errors).toContain("a model without an error would score 90.0 %. 1 (50.0 %) of the wrong answers are what");
  const away = row("full", 0, 30, { data: "rooms/street" });
  const chance = "at random 8.0 %, with the right class at random 30.0 %";
  expect(transferFindings(rows.slice(0, 2), [away]).markdown.split("\n")).toEqual([
    `- Trained on: rooms/sample, val, true boxes: 62.0 % Acc@0.25, ${chance} (2 seeds).`,
    `- rooms/street, val, true boxes: 30.0 % Acc@0.25, ${chance} (1 seed).`,
  ]);
  const table = { preset: "p", total: 1000, trainable: 250, items: [] };
  const cost = costFindings(
    [row("full", 0, 60, { seconds: 110 }), row("no-sg", 0, 60, { seconds: 100 })],
    table,
  ).markdown;
  expect(cost).toContain("250 of 1,000 parameters train at `p` (25.0 %)");
  expect(cost).toContain("spatial guidance adds 10.0 % here");
});
