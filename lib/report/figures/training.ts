import type { MetricsLine } from "../../train/metrics-log";
import { type Figure, colours, emptyFigure, layoutOf, sequence, syntheticLabel } from "./theme";

export interface TrainingRun {
  readonly label: string;
  readonly metrics: readonly MetricsLine[];
}

const units: Readonly<Record<string, string>> = {
  ground: "grounding loss (nats)", language: "language loss (nats a token)", recon: "reconstruction loss", anchor: "anchor loss (nats)",
};

/** Moving average over `window` steps, which leaves the shape readable at nano batch sizes. */
export function smooth(values: readonly number[], window: number): number[] {
  return values.map((_, i) => {
    const part = values.slice(Math.max(0, i - window + 1), i + 1);
    return part.reduce((a, b) => a + b, 0) / part.length;
  });
}

/** Loss curves: one panel a loss, one line a run; the pale line is the raw value. */
export function trainingFigure(runs: readonly TrainingRun[], keys: readonly string[] = ["ground", "language", "recon"]): Figure {
  const title = "Training";
  const shown = keys.filter((k) => runs.some((r) => r.metrics.some((m) => typeof m[k] === "number")));
  if (shown.length === 0) return emptyFigure("training", title, "needs the metrics.jsonl of a training run");
  const axisName = (letter: string, i: number): string => (i === 0 ? letter : `${letter}${i + 1}`);
  const data = shown.flatMap((key, k) =>
    runs.flatMap((run, i): Figure["data"] => {
      const lines = run.metrics.filter((m) => typeof m[key] === "number");
      if (lines.length === 0) return [];
      const x = lines.map((m) => m.step);
      const y = lines.map((m) => m[key]!);
      const color = sequence[i % sequence.length]!;
      const place = { type: "scatter" as const, mode: "lines" as const, x, xaxis: axisName("x", k) as "x", yaxis: axisName("y", k) as "y", legendgroup: run.label };
      return [
        { ...place, y, line: { color, width: 1 }, opacity: 0.25, showlegend: false, hoverinfo: "skip" },
        { ...place, y: smooth(y, Math.max(1, Math.ceil(lines.length / 40))), name: run.label, line: { color, width: 2.2 }, showlegend: k === 0 },
      ];
    }),
  );
  const axes: Record<string, object> = {};
  shown.forEach((key, k) => {
    const suffix = k === 0 ? "" : String(k + 1);
    axes[`xaxis${suffix}`] = { title: { text: "step" }, anchor: axisName("y", k), gridcolor: "#E4E4E4" };
    axes[`yaxis${suffix}`] = { title: { text: units[key] ?? key }, anchor: axisName("x", k), gridcolor: "#E4E4E4", linecolor: colours.grey };
  });
  const { xaxis: _x, yaxis: _y, ...layout } = layoutOf(title, `${syntheticLabel}; running mean over the raw values`);
  return {
    name: "training",
    alt: `Losses (${shown.join(", ")}) of ${runs.map((r) => r.label).join(", ")} over training steps.`,
    data,
    layout: { ...layout, grid: { rows: 1, columns: shown.length, pattern: "independent", xgap: 0.18 }, ...axes },
  };
}
