import { z } from "zod";
import { runIdPattern } from "./identity";
import { changesText, presentHash, Settings } from "./settings";

const percent = z.number().min(0).max(100);

/** Accuracies in percent. A split without sentences is left out, never 0. */
export const Metrics = z.strictObject({
  acc25: percent,
  acc50: percent,
  unique25: percent.optional(),
  unique50: percent.optional(),
  multiple25: percent.optional(),
  multiple50: percent.optional(),
  easy25: percent.optional(),
  hard25: percent.optional(),
  dep25: percent.optional(),
  indep25: percent.optional(),
  /** Acc@0.25 of each relation kind. */
  byRelation: z.record(z.string(), percent).optional(),
  /**
   * Share of the pairs of sentences (same scene, class and relation, other anchors, other answers) of which both are
   * answered right.
   */
  pairAccuracy: z.record(z.string(), percent).optional(),
  /** Share of the answers in which the model did not write <ground> itself. */
  withoutGround: percent.optional(),
  /** Share of the answers whose words, the model's own, do not name the target's class. */
  wrongWords: percent.optional(),
});

/** One evaluation of a finished run: a line of data/results/*.jsonl, or of a run's rows.jsonl until it is published. */
export const ResultRow = z.strictObject({
  /** Id of the run. */
  run: z.string().regex(runIdPattern),
  /** The comparison that asked for it. Studies share runs: the same run may stand in several. */
  study: z.string().min(1),
  /** Version of the study's protocol; 0 where none was stated beforehand. */
  protocol: z.int().min(0),
  variant: z.string().min(1),
  preset: z.string().min(1),
  /** What the run's configuration changes of the variant's own, such as {"training.steps": 10}. */
  changes: Settings,
  /** Hash of the configuration's values that differ from the schema's defaults, without seed and paths. */
  config: z.string(),
  seed: z.int().min(0),
  engine: z.string(),
  /** Of matrix products. */
  precision: z.string(),
  /** Version of what the code computed; see lib/runs/identity.ts. */
  numerics: z.int().min(0),
  /** Fingerprint of starting weights, tokenizer and adapters. */
  weights: z.string(),
  /** Name of the data set, such as "rooms/nano". */
  data: z.string(),
  dataFingerprint: z.string(),
  synthetic: z.boolean(),
  /** Name of the evaluation (lib/studies/evaluations.ts): "val" is ScanNet's split, of S2-Rooms the dev split. */
  split: z.string(),
  /** Fingerprint of the evaluated data where they are not the run's own. */
  splitFingerprint: z.string().optional(),
  /** Step at which each kind of sentence was learnt; null where the run ended before (a censored outcome). */
  transitions: z.record(z.string(), z.int().min(0).nullable()).optional(),
  /** Share of the loss that reconstruction had at the end of the training, percent. */
  reconShare: percent.optional(),
  commit: z.string(),
  /** Views a scene. */
  frames: z.int().min(1),
  proposals: z.enum(["gt", "detector"]),
  /** Sentences evaluated. */
  n: z.int().min(1),
  /** Share of their words that the tokenizer does not know, where there are any. */
  unknownWords: percent.optional(),
  seconds: z.number().min(0),
  metrics: Metrics,
  /** Accuracies at IoU 0.25 of guesses that see no picture. */
  baselines: z.strictObject({ random: percent, rightClass: percent, languageOnly: percent.optional() }).partial(),
  /** The best that any choice among the proposals could reach. */
  upperBound: z.strictObject({ acc25: percent, acc50: percent }),
});
export type ResultRow = z.output<typeof ResultRow>;

/** What makes two rows the same evaluation of the same run for the same study. */
export function rowKey(row: ResultRow): string {
  return JSON.stringify([row.study, row.run, row.split, row.proposals]);
}

/** The last row of each evaluation: what was done again replaces what was there. */
export function latestRows(rows: readonly ResultRow[]): ResultRow[] {
  return [...new Map(rows.map((row) => [rowKey(row), row])).values()];
}

/** Unknown words, in percent, from which on a model cannot have understood the sentences. */
const mostlyUnknown = 50;

/** What stands over a table of rows whose sentences the tokenizer mostly does not know; undefined for all others. */
export function unknownWordsWarning(rows: readonly Pick<ResultRow, "unknownWords">[]): string | undefined {
  const most = Math.max(0, ...rows.map(({ unknownWords }) => unknownWords ?? 0));
  if (most < mostlyUnknown) return undefined;
  return (
    `THESE NUMBERS MEAN NOTHING: ${most.toFixed(0)} % of the words of the sentences are not in the tokenizer's ` +
    "vocabulary, so that the model does not know what is asked."
  );
}

/** The text of a .jsonl file of rows. */
export function rowLines(rows: readonly ResultRow[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

/**
 * What a row stands under in tables and figures: its variant alone only where it is the variant's own configuration, as
 * it is today and in single precision; else with what differs, such as "full, training.steps=10".
 */
export function labelOf(row: Pick<ResultRow, "variant" | "preset" | "changes" | "config" | "precision">): string {
  const today = presentHash(row.preset, row.variant, row.changes);
  return [
    row.variant,
    changesText(row.changes),
    row.precision === "float32" ? "" : row.precision,
    today === row.config ? "" : `other settings than today's (${row.config})`,
  ]
    .filter((part) => part !== "")
    .join(", ");
}
