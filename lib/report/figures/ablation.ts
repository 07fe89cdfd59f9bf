import type { ComparisonRow } from "../compare";
import { colours, emptyFigure, type Figure, layoutOf } from "./theme";

const differs = (line: ComparisonRow): boolean => /^(?:lower|higher)/.test(line.verdict ?? "");

function bars(lines: readonly ComparisonRow[], name: string, color: string): Figure["data"][number] {
  return {
    type: "bar",
    orientation: "h",
    name,
    y: lines.map((l) => l.setting),
    x: lines.map((l) => l.delta!),
    marker: { color },
    error_x: {
      type: "data",
      symmetric: false,
      color: colours.grey,
      thickness: 1.5,
      width: 4,
      array: lines.map((l) => (l.deltaHigh ?? l.delta!) - l.delta!),
      arrayminus: lines.map((l) => l.delta! - (l.deltaLow ?? l.delta!)),
    },
    customdata: lines.map((l) => [l.verdict ?? "no verdict", l.seeds, l.n]),
    hovertemplate:
      "%{y}: %{x:+.1f} points<br>%{customdata[0]}, %{customdata[1]} seed(s), n = %{customdata[2]}<extra></extra>",
  };
}

/**
 * What each component contributes: each variant's difference to the reference with its 95 % interval, and the paper's.
 *
 * @param lines of one preset and data set, from `compareRows`
 * @param source what was measured, from `dataLabel`
 */
export function ablationFigure(
  lines: readonly ComparisonRow[],
  source: string,
  metric: "acc25" | "acc50" = "acc25",
): Figure {
  const title = "What each component contributes";
  const name = `ablation-${metric}`;
  const shown = lines.filter((l) => l.metric === metric && (l.delta !== undefined || l.paperDelta !== undefined));
  const ours = shown.filter((l) => l.delta !== undefined);
  if (ours.length === 0)
    return emptyFigure(name, title, "needs finished runs of “full” and at least one ablation", source);
  const threshold = metric === "acc25" ? "0.25" : "0.5";
  const paper = shown.filter((l) => l.paperDelta !== undefined);
  return {
    name,
    alt:
      `Difference to the full model in Acc@${threshold}, ${source}: ` +
      `${ours.map((l) => `${l.setting} ${l.delta!.toFixed(1)}`).join(", ")} percentage points.`,
    data: [
      bars(ours.filter(differs), "ours, lower or higher, 95 % interval", colours.blue),
      bars(
        ours.filter((l) => !differs(l)),
        "ours, within or undecided",
        "#A9CBE2",
      ),
      {
        type: "scatter",
        mode: "markers",
        name: "each seed",
        y: ours.flatMap((l) => (l.perSeed ?? []).map(() => l.setting)),
        x: ours.flatMap((l) => l.perSeed ?? []),
        marker: { symbol: "circle", size: 6, color: colours.ink, opacity: 0.65 },
        hovertemplate: "%{y}, one seed: %{x:+.1f} points<extra></extra>",
      },
      {
        type: "scatter",
        mode: "markers",
        name: "paper, on ScanRefer",
        y: paper.map((l) => l.setting),
        x: paper.map((l) => l.paperDelta!),
        marker: { symbol: "diamond-open", size: 11, color: colours.red, line: { width: 2 } },
        hovertemplate: "%{y}: %{x:+.2f} points in the paper<extra></extra>",
      },
    ],
    layout: layoutOf(title, source, {
      height: 170 + 44 * shown.length,
      bargap: 0.35,
      barmode: "overlay",
      xaxis: {
        title: { text: `difference to the full model, Acc@${threshold} (percentage points)` },
        zerolinewidth: 2,
      },
      yaxis: { autorange: "reversed", categoryorder: "array", categoryarray: shown.map((l) => l.setting) },
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom" },
      margin: { l: 60, r: 24, t: 118, b: 64 },
    }),
  };
}
