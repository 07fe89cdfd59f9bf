import { meanOfKnown } from "../core/averages";
import type { ResultRow } from "../runs/row";
import type { MetricsLine, TrainingRun } from "./metrics-log";

/** Mean of a logged value over the lines from one share of the training to another. */
function meanOver(lines: readonly MetricsLine[], key: string, from: number, to: number): number | undefined {
  return meanOfKnown(lines.filter(({ step }) => step >= from && step <= to).map((line) => line[key]));
}

/** What must have fallen, below which share of its start, and between which shares of the training it is looked at. */
const losses = [
  { key: "recon", below: 0.8, from: 0.2, to: 0.4, text: "the reconstruction loss does not converge early" },
  { key: "language", below: 0.8, from: 0.9, to: 1, text: "the language head has hardly learnt the categories" },
  { key: "ground", below: 0.9, from: 0.9, to: 1, text: "the grounding loss has hardly fallen: a collapsed head?" },
] as const;

const nameOf = ({ label, seed }: TrainingRun): string => (seed === undefined ? label : `${label}, seed ${seed}`);

/** Fewer lines than this are too few to judge a training by. */
const fewest = 10;

/**
 * The paper's failure signatures that a training's log shows so far, one sentence each.
 *
 * @param lines of the log, from the first step on
 * @param steps of the whole training
 */
export function trainingSignatures(lines: readonly MetricsLine[], steps: number): string[] {
  const last = lines.at(-1);
  if (last === undefined || lines.length < fewest) return [];
  return losses.flatMap(({ key, below, from, to, text }) => {
    // the last line is of step `steps - 1`
    if (last.step < to * (steps - 1)) return [];
    const start = lines.find((line) => line[key] !== undefined)?.[key];
    const later = meanOver(lines, key, from * (steps - 1), to * (steps - 1));
    if (start === undefined || later === undefined || start <= 0 || later / start < below) return [];
    return [`${text} (${((100 * later) / start).toFixed(0)} % of its start)`];
  });
}

/** Share of the loss that reconstruction has in the last tenth of a training, percent. @param weight λ_r */
export function reconShare(lines: readonly MetricsLine[], weight: number): number {
  const last = lines.at(-1)?.step ?? 0;
  const [recon, total] = ["recon", "total"].map((key) => meanOver(lines, key, 0.9 * last, last) ?? 0) as [
    number,
    number,
  ];
  return total > 0 ? Math.min(100, Math.max(0, (100 * weight * recon) / total)) : 0;
}

function ofRow(row: ResultRow): string[] {
  const name = `${row.study} ${row.variant}, ${row.preset}, seed ${row.seed}, ${row.proposals} boxes`;
  const { acc25, unique25, multiple25, wrongWords } = row.metrics;
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
  if (wrongWords !== undefined && wrongWords > 20)
    found.push(`${name}: wrong categories: ${wrongWords.toFixed(1)} % of the answers do not write the target's class`);
  return found;
}

/** A run that falls to less than half away from its own data, while reconstruction has most of its loss. */
function transferCollapse(rows: readonly ResultRow[]): string[] {
  return rows.flatMap((row) => {
    const own = rows.find(
      ({ run, split, proposals }) => run === row.run && split === "val" && proposals === row.proposals,
    );
    const elsewhere = row.splitFingerprint !== undefined && !row.split.startsWith("test");
    const { acc25 } = row.metrics;
    if (own === undefined || !elsewhere || acc25 >= own.metrics.acc25 / 2 || (row.reconShare ?? 0) < 50) return [];
    return [
      `${row.study} ${row.variant}, ${row.preset}, seed ${row.seed}, ${row.proposals} boxes: collapses on ` +
        `${row.split} (${acc25.toFixed(1)} % against ${own.metrics.acc25.toFixed(1)} % at home) while reconstruction ` +
        `has ${row.reconShare!.toFixed(0)} % of the loss`,
    ];
  });
}

/** The paper's failure signatures in finished runs and training logs, one sentence each. */
export function failureSignatures(rows: readonly ResultRow[], training: readonly TrainingRun[]): string[] {
  return [
    ...rows.flatMap(ofRow),
    ...transferCollapse(rows),
    ...training.flatMap((run) =>
      trainingSignatures(run.metrics, (run.metrics.at(-1)?.step ?? 0) + 1).map((text) => `${nameOf(run)}: ${text}`),
    ),
  ];
}
