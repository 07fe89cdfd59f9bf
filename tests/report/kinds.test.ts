import { expect, test } from "vitest";
import { kindTable } from "../../lib/report/kinds";
import { sampleRow } from "./sample";

test("accuracies by kind are means over seeds, pair accuracy beside them, kinds that nobody was asked left out", () => {
  const run = (seed: number, closest: number, pairs: number) =>
    sampleRow({
      seed,
      metrics: {
        acc25: 60 + seed,
        acc50: 50,
        byRelation: { attribute: 90, closest },
        pairAccuracy: { closest: pairs },
      },
    });
  const table = kindTable([
    run(0, 80, 60),
    run(1, 90, 65),
    sampleRow({ variant: "no-mpe", proposals: "detector", baselines: {} }),
  ]);
  expect(table.columns.map((c) => c.key)).toEqual([
    "data",
    "boxes",
    "variant",
    "seeds",
    "all",
    "rightClass",
    "attribute",
    "closest",
  ]);
  expect(table.rows).toEqual([
    expect.objectContaining({
      variant: "full",
      seeds: "2",
      all: "60.5",
      rightClass: "30.0",
      attribute: "90.0",
      closest: "85.0 (62.5)",
    }),
    expect.objectContaining({ variant: "no-mpe", seeds: "1", all: "60.0", rightClass: "", attribute: "", closest: "" }),
  ]);
});
