import type { ComparisonRow } from "../compare";
import { noEffect } from "../compare";
import { type Figure, colours, emptyFigure, layoutOf } from "./theme";

/**
 * What each component contributes: each variant's difference to the reference with its 95 % interval, and the paper's.
 *
 * @param lines of one preset and data set, from `compareRows`
 * @param source what was measured, from `dataLabel`
 */
export function ablationFigure(lines: readonly ComparisonRow[], source: string, metric: "acc25" | "acc50" = "acc25"): Figure {
  const title = "What each component contributes";
  const name = `ablation-${metric}`;
  const shown = lines.filter((l) => l.metric === metric && (l.delta !== undefined || l.paperDelta !== undefined));
  const ours = shown.filter((l) => l.delta !== undefined);
  if (ours.length === 0) return emptyFigure(name, title, "needs finished runs of “full” and at least one ablation");
  const threshold = metric === "acc25" ? "0.25" : "0.5";
  const label = (l: ComparisonRow): string => l.setting;
  const paper = shown.filter((l) => l.paperDelta !== undefined);
  return {
    name,
    alt: `Difference to the full model in Acc@${threshold}, ${source}: ${ours.map((l) => `${l.setting} ${l.delta!.toFixed(1)}`).join(", ")} percentage points.`,
    data: [
      {
        type: "bar", orientation: "h", name: "ours, with 95 % interval",
        y: ours.map(label), x: ours.map((l) => l.delta!),
        marker: { color: ours.map((l) => (l.effect === noEffect ? "#A9CBE2" : colours.blue)) },
        error_x: {
          type: "data", symmetric: false, color: colours.ink, thickness: 1.5, width: 4,
          array: ours.map((l) => (l.deltaHigh ?? l.delta!) - l.delta!),
          arrayminus: ours.map((l) => l.delta! - (l.deltaLow ?? l.delta!)),
        },
        customdata: ours.map((l) => [l.effect ?? "no interval", l.seeds, l.n]),
        hovertemplate: "%{y}: %{x:+.1f} points<br>%{customdata[0]}, %{customdata[1]} seed(s), n = %{customdata[2]}<extra></extra>",
      },
      {
        type: "scatter", mode: "markers", name: "paper, on ScanRefer",
        y: paper.map(label), x: paper.map((l) => l.paperDelta!),
        marker: { symbol: "diamond-open", size: 11, color: colours.red, line: { width: 2 } },
        hovertemplate: "%{y}: %{x:+.2f} points in the paper<extra></extra>",
      },
    ],
    layout: layoutOf(title, `${source}; pale bar: no measurable effect`, {
      height: 150 + 44 * shown.length,
      bargap: 0.35,
      xaxis: { title: { text: `difference to the full model, Acc@${threshold} (percentage points)` }, zerolinewidth: 2 },
      yaxis: { autorange: "reversed", categoryorder: "array", categoryarray: shown.map(label) },
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom" },
      margin: { l: 60, r: 24, t: 110, b: 56 },
    }),
  };
}
