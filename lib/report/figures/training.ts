import type { MetricsLine, TrainingRun } from "../../train/metrics-log";
import { colours, emptyFigure, type Figure, layoutOf, sequence } from "./theme";

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

/** Moving average over `window` steps, which leaves the shape readable at nano batch sizes. */
export function smooth(values: readonly number[], window: number): number[] {
  return values.map((_, i) => {
    const part = values.slice(Math.max(0, i - window + 1), i + 1);
    return part.reduce((a, b) => a + b, 0) / part.length;
  });
}

/** Loss curves: one panel a loss below the other, one line a run; the pale line is the raw value. */
export function trainingFigure(
  runs: readonly TrainingRun[],
  keys: readonly string[] = ["ground", "language", "recon"],
): Figure {
  const title = "Training";
  const shown = keys.filter((k) => runs.some((r) => logged(r, k).length > 0));
  if (shown.length === 0) return emptyFigure("training", title, "needs the metrics.jsonl of a training run");
  const axisName = (letter: string, i: number): string => (i === 0 ? letter : `${letter}${i + 1}`);
  const data = shown.flatMap((key, k) =>
    runs.flatMap((run, i): Figure["data"] => {
      const lines = logged(run, key);
      if (lines.length === 0) return [];
      const x = lines.map((m) => m.step);
      const y = lines.map((m) => m[key]!);
      const color = sequence[i % sequence.length]!;
      const place = {
        type: "scatter" as const,
        mode: "lines" as const,
        x,
        xaxis: axisName("x", k) as "x",
        yaxis: axisName("y", k) as "y",
        legendgroup: run.label,
      };
      return [
        { ...place, y, line: { color, width: 1 }, opacity: 0.25, showlegend: false, hoverinfo: "skip" },
        {
          ...place,
          y: smooth(y, Math.max(1, Math.ceil(lines.length / 40))),
          name: run.label,
          line: { color, width: 2.2 },
          showlegend: k === 0,
        },
      ];
    }),
  );
  const axes: Record<string, object> = {};
  const last = shown.length - 1;
  shown.forEach((key, k) => {
    const suffix = k === 0 ? "" : String(k + 1);
    const plain = { gridcolor: "#E4E4E4", linecolor: colours.grey, automargin: true };
    axes[`xaxis${suffix}`] = {
      ...plain,
      anchor: axisName("y", k),
      ...(k === last ? { title: { text: "step", font: { size: 13 } } } : {}),
    };
    axes[`yaxis${suffix}`] = {
      ...plain,
      anchor: axisName("x", k),
      title: { text: units[key] ?? key, font: { size: 12 } },
    };
  });
  const source = [...new Set(runs.map((run) => run.source ?? "data not stated"))].join(", ");
  const { xaxis: _x, yaxis: _y, ...layout } = layoutOf(title, `${source}; running mean over the raw values`);
  return {
    name: "training",
    alt: `Losses (${shown.join(", ")}) of ${runs.map((r) => r.label).join(", ")} over training steps.`,
    data,
    layout: {
      ...layout,
      grid: { rows: shown.length, columns: 1, pattern: "independent", ygap: 0.18 },
      height: 190 + 190 * shown.length,
      ...axes,
    },
  };
}
