import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { UserError } from "../core/errors";
import { inProject } from "../core/root";

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
  /** Share of the pairs of sentences (same scene, class and relation, other anchors, other answers) of which both are answered right. */
  pairAccuracy: z.record(z.string(), percent).optional(),
});

/** One finished run: a line of data/results/*.jsonl. */
export const ResultRow = z.strictObject({
  study: z.string().min(1),
  variant: z.string().min(1),
  preset: z.string().min(1),
  seed: z.int().min(0),
  /** Name of the data set, such as "rooms/nano". */
  data: z.string(),
  dataFingerprint: z.string(),
  /** Fingerprint of the complete configuration without the seed. */
  config: z.string(),
  synthetic: z.boolean(),
  commit: z.string(),
  engine: z.string(),
  /** Views a scene. */
  frames: z.int().min(1),
  proposals: z.enum(["gt", "detector"]),
  /** Sentences evaluated. */
  n: z.int().min(1),
  seconds: z.number().min(0),
  metrics: Metrics,
  /** Accuracies at IoU 0.25 of guesses that see no picture. */
  baselines: z.strictObject({ random: percent, rightClass: percent, languageOnly: percent.optional() }).partial(),
  /** The best that any choice among the proposals could reach. */
  upperBound: z.strictObject({ acc25: percent, acc50: percent }),
});
export type ResultRow = z.output<typeof ResultRow>;

/** What a run answered to one sentence. */
export const Prediction = z.strictObject({
  queryId: z.string(),
  sceneId: z.string(),
  category: z.string(),
  /** Relation kind of the sentence. */
  kind: z.string(),
  /** Object id of the right answer. */
  target: z.int(),
  /** Index of the chosen proposal; -1 for "no object". */
  predicted: z.int(),
  /** IoU of the chosen box and the target's. */
  iou: z.number().min(0).max(1.000001),
  /** Score of each proposal. */
  scores: z.array(z.number()).optional(),
  description: z.string(),
  /** Object ids of the landmarks. */
  anchors: z.array(z.int()),
});
export type Prediction = z.output<typeof Prediction>;

/** How a row names the data set of a folder, such as "rooms/nano". */
export function dataName(folder: string): string {
  return `${basename(dirname(folder))}/${basename(folder)}`;
}

/** Folder of finished rows: data/results, or what S2_RESULTS names. */
export function resultsFolder(): string {
  return process.env.S2_RESULTS ?? inProject("data", "results");
}

function problems(error: z.ZodError): string {
  return error.issues.map((i) => `${i.path.length === 0 ? "the row" : i.path.join(".")}: ${i.message}`).join("; ");
}

function rowsOfFile(file: string): ResultRow[] {
  const rows: ResultRow[] = [];
  readFileSync(file, "utf8")
    .split("\n")
    .forEach((line, i) => {
      if (line.trim() === "") return;
      const place = `${file}, line ${i + 1}`;
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch {
        throw new UserError(
          `${place}: not a JSON object (was a write cut off?); delete the line and run the study again`,
        );
      }
      const parsed = ResultRow.safeParse(value);
      if (!parsed.success)
        throw new UserError(
          `${place}: not a result row: ${problems(parsed.error)}; delete the line and run the study again`,
        );
      rows.push(parsed.data);
    });
  return rows;
}

/** Rows made on this machine. */
export const localRows = "local.jsonl";

/**
 * Reads result rows from one .jsonl file, or from every .jsonl file of a folder in name order; the rows of this machine
 * come last, so that the last row of a run is the one to use.
 *
 * @returns empty when the folder does not exist yet
 * @throws UserError naming file, line and what is wrong
 */
export function readRows(path: string = resultsFolder()): ResultRow[] {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return rowsOfFile(path);
  return readdirSync(path)
    .filter((f) => f.endsWith(".jsonl"))
    .sort((a, b) => Number(a === localRows) - Number(b === localRows) || (a < b ? -1 : 1))
    .flatMap((f) => rowsOfFile(join(path, f)));
}

/** What makes two rows those of the same run, made again. */
export function runKey(row: ResultRow): string {
  return JSON.stringify([row.study, row.variant, row.preset, row.seed, row.proposals, row.data]);
}

/** The last row of each run: what was run again replaces what was there. */
export function latestRows(rows: readonly ResultRow[]): ResultRow[] {
  return [...new Map(rows.map((row) => [runKey(row), row])).values()];
}

/** The text of a .jsonl file of rows. */
export function rowLines(rows: readonly ResultRow[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

export type RunName = Pick<ResultRow, "study" | "variant" | "preset" | "seed" | "proposals" | "config">;

/** What runs of this machine left behind (answers, attention maps), in the same folders as the committed ones; git-ignored. */
export function localFolder(results = resultsFolder()): string {
  return join(results, "local");
}

/** Where a run's answers lie, below the results folder or the local one. Runs of other settings have other names. */
export function predictionsFile(run: RunName, folder: string): string {
  return join(
    folder,
    "predictions",
    run.study,
    `${run.preset}-${run.variant}-s${run.seed}-${run.proposals}-${run.config}.json.gz`,
  );
}

/** @throws UserError when the file is damaged */
function predictionsOf(file: string): Prediction[] {
  let value: unknown;
  try {
    value = JSON.parse(gunzipSync(readFileSync(file)).toString("utf8"));
  } catch (error) {
    throw new UserError(
      `${file}: not a gzipped JSON file (${(error as Error).message}); delete it and run the study again`,
    );
  }
  const parsed = z.array(Prediction).safeParse(value);
  if (!parsed.success) throw new UserError(`${file}: ${problems(parsed.error)}; delete it and run the study again`);
  return parsed.data;
}

/** Whether answers are a row's own and not those of another run of the same name: they give its accuracies, kind by kind. */
function areAnswersOf(row: ResultRow, answers: readonly Prediction[]): boolean {
  const same = (some: readonly Prediction[], threshold: number, percentage: number): boolean =>
    // rows keep at least two decimals
    Math.abs((100 * some.filter((a) => a.iou >= threshold).length) / some.length - percentage) < 0.01;
  return (
    answers.length === row.n &&
    same(answers, 0.25, row.metrics.acc25) &&
    same(answers, 0.5, row.metrics.acc50) &&
    Object.entries(row.metrics.byRelation ?? {}).every(([kind, value]) =>
      same(
        answers.filter((a) => a.kind === kind),
        0.25,
        value,
      ),
    )
  );
}

/**
 * The answers of one finished run, wherever they lie: this machine's and a committed run may have the same name.
 *
 * @returns undefined when the run left none; `file` is where they are
 * @throws UserError when a file is damaged
 */
export function findPredictions(
  row: ResultRow,
  results = resultsFolder(),
): { readonly file: string; readonly answers: Prediction[] } | undefined {
  for (const folder of [localFolder(results), results]) {
    const file = predictionsFile(row, folder);
    if (!existsSync(file)) continue;
    const answers = predictionsOf(file);
    if (areAnswersOf(row, answers)) return { file, answers };
  }
  return undefined;
}

/** The answers of one finished run; undefined when it left none. @throws UserError when the file is damaged */
export function readPredictions(row: ResultRow, results = resultsFolder()): Prediction[] | undefined {
  return findPredictions(row, results)?.answers;
}
