import { mean } from "../../core/averages";
import type { MetricsLine, TrainingRun } from "../../train/metrics-log";
import { colours, emptyFigure, type Figure, layoutOf, plain, sequence, shortened, titleHeight } from "./theme";

const units: Readonly<Record<string, string>> = {
  ground: "grounding loss (nats)",
  language: "language loss (nats a token)",
  recon: "reconstruction loss",
  anchor: "anchor loss (nats)",
};

/** Lines that have a loss; none when it is switched off, which is logged as 0 throughout. */
function logged(run: TrainingRun, key: string): readonly MetricsLine[] {
  const lines = run.metrics.filter((m) => typeof m[key] === "number");
  return lines.some((m) => m[key] !== 0) ? lines : [];
}

const dashes = ["solid", "dash", "dot"] as const;
const seedText = ({ seed }: TrainingRun): string => (seed === undefined ? "" : `, seed ${seed}`);

/** Moving average over `window` steps, which leaves the shape readable at nano batch sizes. */
export function smooth(values: readonly number[], window: number): number[] {
  return values.map((_, i) => mean(values.slice(Math.max(0, i - window + 1), i + 1)));
}

/**
 * Loss curves: one panel a loss below the other, one line a run; the pale line is the raw value. The seeds of a
 * configuration share a colour and an entry of the legend.
 */
export function trainingFigure(
  runs: readonly TrainingRun[],
  keys: readonly string[] = ["ground", "language", "recon"],
): Figure {
  const title = "Training";
  const shown = keys.filter((k) => runs.some((r) => logged(r, k).length > 0));
  if (shown.length === 0) return emptyFigure("training", title, "needs the metrics.jsonl of a training run");
  const labels = [...new Set(runs.map(({ label }) => label))];
  const axisName = (letter: string, i: number): string => (i === 0 ? letter : `${letter}${i + 1}`);
  const data = shown.flatMap((key, k) =>
    runs.flatMap((run, i): Figure["data"] => {
      const known = labels.indexOf(run.label);
      const first = runs.findIndex(({ label }) => label === run.label) === i;
      const lines = logged(run, key);
      if (lines.length === 0) return [];
      const x = lines.map((m) => m.step);
      const y = lines.map((m) => m[key]!);
      const color = sequence[known % sequence.length]!;
      const dash = dashes[Math.floor(known / sequence.length) % dashes.length]!;
      const place = {
        type: "scatter" as const,
        mode: "lines" as const,
        x,
        xaxis: axisName("x", k) as "x",
        yaxis: axisName("y", k) as "y",
        legendgroup: String(known),
      };
      return [
        { ...place, y, line: { color, width: 1 }, opacity: 0.25, showlegend: false, hoverinfo: "skip" },
        {
          ...place,
          // a line of one point is not drawn
          ...(x.length === 1 ? { mode: "markers" as const, marker: { color, size: 7 } } : {}),
          y: smooth(y, Math.max(1, Math.ceil(lines.length / 40))),
          name: shortened(run.label, 40),
          line: { color, width: 2, dash },
          showlegend: k === 0 && first,
          hovertemplate: `step %{x}: %{y:.3f}<extra>${plain(run.label)}${seedText(run)}</extra>`,
        },
      ];
    }),
  );
  const axes: Record<string, object> = {};
  const last = shown.length - 1;
  for (const k of shown.keys()) {
    const suffix = k === 0 ? "" : String(k + 1);
    const look = { gridcolor: "#E4E4E4", linecolor: colours.grey, automargin: true };
    axes[`xaxis${suffix}`] = {
      ...look,
      anchor: axisName("y", k),
      ...(k === last ? { title: { text: "step", font: { size: 13 } } } : {}),
    };
    axes[`yaxis${suffix}`] = {
      ...look,
      anchor: axisName("x", k),
    };
  }
  const source = [...new Set(runs.map((run) => run.source ?? "data not stated"))].join(", ");
  const { xaxis: _x, yaxis: _y, ...layout } = layoutOf(title, `${source}; running mean over the raw values`);
  return {
    name: "training",
    alt: `Losses (${shown.join(", ")}) of ${labels.join(", ")} over training steps.`,
    data,
    layout: {
      ...layout,
      // each panel says above itself what it shows
      annotations: shown.map((key, k) => ({
        text: plain(units[key] ?? key),
        font: { size: 13 },
        showarrow: false,
        xref: "paper" as const,
        x: 0,
        xanchor: "left" as const,
        yref: `${axisName("y", k)} domain` as "y domain",
        y: 1,
        yanchor: "bottom" as const,
      })),
      legend: { ...layout.legend, y: 1 + 26 / (180 * shown.length) },
      margin: { l: 60, r: 24, t: titleHeight + 40 + 22 * Math.ceil(labels.length / 4), b: 56 },
      grid: { rows: shown.length, columns: 1, pattern: "independent", ygap: 0.22 },
      height: titleHeight + 110 + 180 * shown.length,
      ...axes,
    },
  };
}
