import type { ComparisonRow } from "../compare";
import { colours, emptyFigure, type Figure, layoutOf, plain, titleHeight, wrapped } from "./theme";

const differs = (line: ComparisonRow): boolean => /^(?:lower|higher)/.test(line.verdict ?? "");

/** Means with their intervals, each at its line's place. */
function means(
  lines: readonly (readonly [place: number, line: ComparisonRow])[],
  name: string,
  symbol: "circle" | "circle-open",
): Figure["data"][number] {
  return {
    type: "scatter",
    mode: "markers",
    name,
    y: lines.map(([place]) => place),
    x: lines.map(([, l]) => l.delta!),
    marker: { symbol, size: 12, color: colours.blue, line: { width: 2, color: colours.blue } },
    error_x: {
      type: "data",
      symmetric: false,
      color: colours.blue,
      thickness: 2,
      width: 5,
      array: lines.map(([, l]) => (l.deltaHigh ?? l.delta!) - l.delta!),
      arrayminus: lines.map(([, l]) => l.delta! - (l.deltaLow ?? l.delta!)),
    },
    customdata: lines.map(([, l]) => [plain(l.setting), l.verdict ?? "no verdict", l.seeds, l.n]),
    hovertemplate:
      "%{customdata[0]}: %{x:+.1f} points<br>%{customdata[1]}, %{customdata[2]} seed(s), n = %{customdata[3]}" +
      "<extra></extra>",
  };
}

/**
 * What each component contributes: each variant's difference to the reference with its 95 % interval, every seed as a
 * dot below it, and the paper's.
 *
 * @param lines of one preset and data set, from `compareRows`
 * @param source what was measured, from `dataLabel`
 */
export function ablationFigure(
  lines: readonly ComparisonRow[],
  source: string,
  metric: "acc25" | "acc50" = "acc25",
): Figure {
  const title = "What changes when a component is left out";
  const name = `ablation-${metric}`;
  const shown = lines.filter((l) => l.metric === metric && (l.delta !== undefined || l.paperDelta !== undefined));
  const placed = shown.map((line, place): [number, ComparisonRow] => [place, line]);
  const ours = placed.filter(([, l]) => l.delta !== undefined);
  if (ours.length === 0)
    return emptyFigure(name, title, "needs finished runs of “full” and at least one ablation", source);
  const threshold = metric === "acc25" ? "0.25" : "0.5";
  const paper = placed.filter(([, l]) => l.paperDelta !== undefined);
  const perSeed = ours.flatMap(([place, l]) => (l.perSeed ?? []).map((delta) => ({ place, l, delta })));
  const [clear, unclear] = [ours.filter(([, l]) => differs(l)), ours.filter(([, l]) => !differs(l))];
  return {
    name,
    alt:
      `Difference to the full model in Acc@${threshold}, ${source}: ` +
      `${ours.map(([, l]) => `${l.setting} ${l.delta!.toFixed(1)}`).join(", ")} percentage points.`,
    data: [
      ...(clear.length === 0 ? [] : [means(clear, "ours, lower or higher", "circle")]),
      ...(unclear.length === 0 ? [] : [means(unclear, "ours, alike or undecided", "circle-open")]),
      {
        type: "scatter",
        mode: "markers",
        name: "each seed",
        y: perSeed.map(({ place }) => place + 0.24),
        x: perSeed.map(({ delta }) => delta),
        marker: { symbol: "circle", size: 6, color: colours.sky },
        text: perSeed.map(({ l }) => plain(l.setting)),
        hovertemplate: "%{text}, one seed: %{x:+.1f} points<extra></extra>",
      },
      {
        type: "scatter",
        mode: "markers",
        name: "paper, on ScanRefer",
        y: paper.map(([place]) => place),
        x: paper.map(([, l]) => l.paperDelta!),
        marker: { symbol: "diamond", size: 11, color: colours.red },
        text: paper.map(([, l]) => plain(l.setting)),
        hovertemplate: "%{text}: %{x:+.2f} points in the paper<extra></extra>",
      },
    ],
    layout: layoutOf(title, source, {
      height: titleHeight + 130 + 50 * shown.length,
      xaxis: {
        title: { text: `change in Acc@${threshold} (points)` },
        zeroline: true,
        zerolinewidth: 2,
      },
      yaxis: {
        range: [shown.length - 0.45, -0.55],
        tickvals: placed.map(([place]) => place),
        ticktext: shown.map((l) => wrapped(l.setting, 24)),
        showgrid: false,
        zeroline: false,
        ticks: "",
      },
      margin: { l: 60, r: 24, t: titleHeight + 44, b: 64 },
    }),
  };
}
