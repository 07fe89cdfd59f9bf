import { meanOfKnown } from "../core/averages";
import { relationKinds } from "../datasets/scene";
import { labelOf, type ResultRow } from "../runs/row";
import { groupRows } from "../studies/groups";
import { boxNames, dataTitle } from "./figures/theme";
import { decimal, type Table } from "./table";

/**
 * Acc@0.25 of each variant on each kind of sentence, with pair accuracy beside it where pairs exist, means over seeds.
 * "Right class at random" is what a model reaches that knows what is asked for and not where it is.
 */
export function kindTable(rows: readonly ResultRow[]): Table {
  const kinds = relationKinds.filter((kind) => rows.some((r) => r.metrics.byRelation?.[kind] !== undefined));
  const fullFirst = (a: string, b: string): number => Number(b === "full") - Number(a === "full");
  const lines = groupRows(rows).flatMap((group) =>
    [...new Set(group.map(labelOf))].sort(fullFirst).map((variant): Record<string, string> => {
      const runs = group.filter((r) => labelOf(r) === variant);
      const cells = kinds.map((kind) => {
        const pairs = meanOfKnown(runs.map((r) => r.metrics.pairAccuracy?.[kind]));
        return [
          kind,
          decimal(meanOfKnown(runs.map((r) => r.metrics.byRelation?.[kind]))) +
            (pairs === undefined ? "" : ` (${decimal(pairs)})`),
        ];
      });
      return {
        data: dataTitle(group),
        boxes: boxNames[group[0]!.proposals],
        variant,
        seeds: String(runs.length),
        all: decimal(meanOfKnown(runs.map((r) => r.metrics.acc25))),
        rightClass: decimal(meanOfKnown(runs.map((r) => r.baselines.rightClass))),
        ...Object.fromEntries(cells),
      };
    }),
  );
  const number = (key: string, label: string): Table["columns"][number] => ({ key, label, numeric: true });
  return {
    title:
      "Acc@0.25 by kind of sentence, in brackets pair accuracy" +
      (rows.some((r) => r.synthetic) ? " (synthetic data)" : ""),
    columns: [
      { key: "data", label: "data" },
      { key: "boxes", label: "boxes" },
      { key: "variant", label: "variant" },
      number("seeds", "seeds"),
      number("all", "all"),
      number("rightClass", "right class at random"),
      ...kinds.map((kind) => number(kind, kind)),
    ],
    rows: lines,
    notes: [
      "Pair accuracy: share of the pairs of sentences (same room, class and kind, other landmarks, other answers) " +
        "of which both are answered right.",
    ],
  };
}
