import { expect, test } from "vitest";
import { effectTable } from "../../lib/report/effects";
import type { Prediction, ResultRow } from "../../lib/runs/row";
import { kindEffects } from "../../lib/studies/effects";

const row = (variant: string, seed: number): ResultRow => ({
  study: "table5",
  variant,
  preset: "nano",
  seed,
  data: "rooms/nano",
  dataFingerprint: "f",
  config: "c",
  synthetic: true,
  commit: "x",
  engine: "ort-cpu",
  frames: 8,
  proposals: "gt",
  n: 40,
  seconds: 1,
  metrics: { acc25: 50, acc50: 50 },
  baselines: {},
  upperBound: { acc25: 100, acc50: 100 },
});

/** 20 scenes with one attribute and one "closest" sentence each; `right` says which are answered right. */
const answers = (right: (kind: string, scene: number) => boolean): Prediction[] =>
  Array.from({ length: 20 }, (_, s) =>
    ["attribute", "closest"].map(
      (kind): Prediction => ({
        queryId: `${s}-${kind}`,
        sceneId: `scene${s}`,
        category: "chair",
        kind,
        target: 0,
        predicted: 0,
        iou: right(kind, s) ? 1 : 0,
        description: "",
        anchors: [],
      }),
    ),
  ).flat();

test("paired difference by kind; relations leave attributes out", () => {
  const rows = ["full", "no-mpe"].flatMap((variant) => [row(variant, 0), row(variant, 1)]);
  const of = (r: ResultRow): Prediction[] =>
    answers((kind, s) => (r.variant === "full" ? true : kind === "attribute" ? true : s % 4 === 0));
  const effects = kindEffects(rows, of, 2);
  const by = new Map(effects.map((e) => [e.kind, e]));
  expect(by.get("relations")!.ours).toBeCloseTo(25, 9);
  expect(by.get("closest")!.difference.value).toBeCloseTo(-75, 9);
  expect(by.get("attribute")!.difference.value).toBe(0);
  expect(by.get("relations")!.difference.n).toBe(20);
  const table = effectTable(rows, of);
  expect(table.title).toMatch(/synthetic/);
  expect(table.rows.find((r) => r.kind === "attribute")!.verdict).toBe("within ±2 points");
  expect(table.rows.find((r) => r.kind === "closest")!.verdict).toBe("lower");
  expect(table.notes[0]).toMatch(/together \(Holm\)/);
});

test("only seeds that both have, and a variant without kept answers is left out", () => {
  const rows = [row("full", 0), row("no-sg", 1), row("no-attn", 0)];
  expect(kindEffects(rows, (r) => (r.variant === "no-attn" ? undefined : answers(() => true)), 2)).toEqual([]);
});
