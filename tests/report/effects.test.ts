import { expect, test } from "vitest";
import { effectTable } from "../../lib/report/effects";
import type { Prediction } from "../../lib/runs/answers";
import type { ResultRow } from "../../lib/runs/row";
import { kindEffects } from "../../lib/studies/effects";
import { sampleRow } from "./sample";

const row = (variant: string, seed: number): ResultRow => sampleRow({ variant, seed, n: 40 });

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
