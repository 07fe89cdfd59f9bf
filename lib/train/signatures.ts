import type { ResultRow } from "../runs/row";
import type { MetricsLine, TrainingRun } from "./metrics-log";

/** Mean of a logged value over the lines from one share of the training to another. */
function meanOver(lines: readonly MetricsLine[], key: string, from: number, to: number): number | undefined {
  const values = lines
    .slice(Math.floor(from * lines.length), Math.max(1, Math.ceil(to * lines.length)))
    .flatMap((l) => l[key] ?? []);
  return values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0) / values.length;
}

/** Share of its first value at which a loss stands after a part of the training. */
function remaining(run: TrainingRun, key: string, from: number, to: number): number | undefined {
  const start = run.metrics.find((l) => l[key] !== undefined)?.[key];
  const later = meanOver(run.metrics, key, from, to);
  return start === undefined || later === undefined || start <= 0 ? undefined : later / start;
}

/** What must have fallen, below which share of its start, and when it is looked at. */
const losses = [
  { key: "recon", below: 0.8, from: 0.2, to: 0.4, text: "the reconstruction loss does not converge early" },
  { key: "language", below: 0.8, from: 0.9, to: 1, text: "the language head has hardly learnt the categories" },
  { key: "ground", below: 0.9, from: 0.9, to: 1, text: "the grounding loss has hardly fallen: a collapsed head?" },
] as const;

const nameOf = ({ label, seed }: TrainingRun): string => (seed === undefined ? label : `${label}, seed ${seed}`);

function ofRun(run: TrainingRun): string[] {
  if (run.metrics.length < 10) return [];
  return losses.flatMap(({ key, below, from, to, text }) => {
    const share = remaining(run, key, from, to);
    return share === undefined || share < below
      ? []
      : [`${nameOf(run)}: ${text} (${(100 * share).toFixed(0)} % of its start)`];
  });
}

function ofRow(row: ResultRow): string[] {
  const name = `${row.study} ${row.variant}, ${row.preset}, seed ${row.seed}, ${row.proposals} boxes`;
  const { acc25, unique25, multiple25 } = row.metrics;
  const found: string[] = [];
  const random = row.baselines.random;
  if (random !== undefined && acc25 < random + 3) {
    found.push(
      `${name}: Acc@0.25 ${acc25.toFixed(1)} % is that of a random pick (${random.toFixed(1)} %): a collapsed ` +
        "grounding head",
    );
  }
  if (unique25 !== undefined && multiple25 !== undefined && multiple25 < unique25 / 2) {
    found.push(
      `${name}: weak among several of a kind (${multiple25.toFixed(1)} % against ${unique25.toFixed(1)} % where ` +
        "the class is unique)",
    );
  }
  return found;
}

/** The paper's failure signatures in finished runs and training logs, one sentence each. */
export function failureSignatures(rows: readonly ResultRow[], training: readonly TrainingRun[]): string[] {
  return [...rows.flatMap(ofRow), ...training.flatMap(ofRun)];
}
