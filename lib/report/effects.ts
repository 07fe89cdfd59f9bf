import type { ResultRow } from "../runs/row";
import { kindEffects } from "../studies/effects";
import type { AnswersOf } from "../studies/groups";
import { verdictText } from "../studies/paired";
import { smallestEffect } from "./compare";
import { boxNames } from "./figures/theme";
import { decimal, signed, type Table } from "./table";

/** The effects as a table, relations first, then kind by kind. */
export function effectTable(rows: readonly ResultRow[], answersOf: AnswersOf, reference = "full"): Table {
  const effects = kindEffects(rows, answersOf, smallestEffect, reference);
  const synthetic = rows.some((r) => r.synthetic);
  return {
    title: `Effect on kinds of sentence, Acc@0.25 against "${reference}"${synthetic ? " (synthetic data)" : ""}`,
    columns: [
      { key: "data", label: "data" },
      { key: "boxes", label: "boxes" },
      { key: "variant", label: "variant" },
      { key: "kind", label: "sentences" },
      { key: "reference", label: reference, numeric: true },
      { key: "ours", label: "variant's", numeric: true },
      { key: "difference", label: "difference", numeric: true },
      { key: "interval", label: "95 % interval" },
      { key: "verdict", label: "verdict" },
      { key: "n", label: "n", numeric: true },
      { key: "seeds", label: "seeds", numeric: true },
    ],
    rows: effects.map((e) => ({
      data: e.data,
      boxes: boxNames[e.proposals],
      variant: e.variant,
      kind: e.kind,
      reference: decimal(e.reference),
      ours: decimal(e.ours),
      difference: signed(e.difference.value),
      interval: e.verdict.interval95 === undefined ? "" : e.verdict.interval95.map((v) => signed(v)).join(" … "),
      verdict: verdictText(e.verdict, smallestEffect),
      n: String(e.difference.n),
      seeds: String(e.difference.seeds.length),
    })),
    notes: ["Verdicts are tested over all lines of a group of runs together (Holm)."],
  };
}
