import { mean } from "../../core/averages";
import { labelOf, type ResultRow } from "../../runs/row";
import { halfWidthOverSeeds } from "../../studies/paired";
import { colours, dataLabel, emptyFigure, type Figure, layoutOf } from "./theme";

/** Accuracy against the number of views a scene: the full model at its own count and the frame-count variants. */
export function frameCountFigure(rows: readonly ResultRow[]): Figure {
  const title = "Accuracy and the number of views";
  const used = rows.filter((r) => /^(?:full|frames-\d+)$/.test(labelOf(r)));
  const counts = [...new Set(used.map((r) => r.frames))].sort((a, b) => a - b);
  if (counts.length < 2)
    return emptyFigure("frame-counts", title, "needs finished runs with at least two frame counts", dataLabel(rows));
  const curve = (metric: "acc25" | "acc50", name: string, color: string): Figure["data"][number] => {
    const values = counts.map((c) => used.filter((r) => r.frames === c).map((r) => r.metrics[metric]));
    return {
      type: "scatter",
      mode: "lines+markers",
      name,
      x: counts,
      y: values.map(mean),
      line: { color, width: 2.5 },
      marker: { size: 9, color },
      error_y: { type: "data", array: values.map((v) => halfWidthOverSeeds(v) ?? 0), color, thickness: 1.5, width: 4 },
      hovertemplate: `%{x} views: %{y:.1f} %<extra>${name}</extra>`,
    };
  };
  const random = used.flatMap((r) => r.baselines.random ?? []);
  const severalSeeds = new Set(used.map((r) => r.seed)).size > 1;
  return {
    name: "frame-counts",
    alt: `Accuracy at ${counts.join(", ")} views a scene, ${dataLabel(used)}.`,
    data: [
      curve("acc25", "Acc@0.25", colours.blue),
      curve("acc50", "Acc@0.5", colours.orange),
      ...(random.length === 0
        ? []
        : [
            {
              type: "scatter" as const,
              mode: "lines" as const,
              name: "random proposal",
              x: counts,
              y: counts.map(() => mean(random)),
              line: { color: colours.grey, dash: "dot" as const },
            },
          ]),
    ],
    layout: layoutOf(
      title,
      `${dataLabel(used)}${severalSeeds ? "; bars: 95 % over seeds" : "; one seed, no interval"}`,
      {
        xaxis: { title: { text: "views a scene" }, tickvals: counts },
        yaxis: { title: { text: "accuracy (%)" }, rangemode: "tozero" },
      },
    ),
  };
}
