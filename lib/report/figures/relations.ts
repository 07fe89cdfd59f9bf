import { mean } from "../../core/averages";
import { relationKinds } from "../../datasets/scene";
import { labelOf, type ResultRow } from "../../runs/row";
import { halfWidthOverSeeds } from "../../studies/paired";
import { colours, dataLabel, emptyFigure, type Figure, layoutOf, plain, sequence, titleHeight } from "./theme";

/** Accuracy by kind of sentence, one bar a variant. */
export function relationFigure(rows: readonly ResultRow[], variants: readonly string[] = ["full", "no-mpe"]): Figure {
  const title = "Accuracy by kind of sentence";
  const used = rows.filter((r) => variants.includes(labelOf(r)) && r.metrics.byRelation !== undefined);
  if (used.length === 0)
    return emptyFigure("by-relation", title, `needs finished runs of ${variants.join(", ")}`, dataLabel(rows));
  const present = new Set(used.flatMap((r) => Object.keys(r.metrics.byRelation!)));
  const kinds = [
    ...relationKinds.filter((k) => present.has(k)),
    ...[...present].filter((k) => !(relationKinds as readonly string[]).includes(k)).sort(),
  ];
  const shown = variants.filter((v) => used.some((r) => labelOf(r) === v));
  return {
    name: "by-relation",
    alt: `Acc@0.25 of ${shown.join(", ")} for ${kinds.join(", ")} sentences, ${dataLabel(used)}.`,
    data: shown.map((variant, i) => {
      const values = kinds.map((k) =>
        used.filter((r) => labelOf(r) === variant).flatMap((r) => r.metrics.byRelation![k] ?? []),
      );
      return {
        type: "bar",
        orientation: "h",
        name: plain(variant),
        y: kinds.map(plain),
        x: values.map((v) => (v.length === 0 ? null : mean(v))),
        marker: { color: sequence[i % sequence.length]! },
        error_x: {
          type: "data",
          array: values.map((v) => halfWidthOverSeeds(v) ?? 0),
          color: colours.grey,
          thickness: 1.5,
          width: 4,
        },
        hovertemplate: `%{y}: %{x:.1f} %<extra>${plain(variant)}</extra>`,
      };
    }),
    layout: layoutOf(title, dataLabel(used), {
      barmode: "group",
      bargap: 0.25,
      bargroupgap: 0.06,
      height: titleHeight + 120 + 22 * (shown.length + 0.5) * kinds.length,
      xaxis: { title: { text: "Acc@0.25 (%)" }, range: [0, 100] },
      yaxis: { autorange: "reversed", ticks: "" },
    }),
  };
}
