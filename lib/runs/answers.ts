import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { z } from "zod";
import { UserError } from "../core/errors";
import { runsFolder } from "./folder";
import { problemsOf, resultsFolder } from "./results";
import type { ResultRow } from "./row";

/** What a run answered to one sentence. */
export const Prediction = z.strictObject({
  queryId: z.string(),
  sceneId: z.string(),
  category: z.string(),
  /** Relation kind of the sentence. */
  kind: z.string(),
  /** Object id of the right answer. */
  target: z.int(),
  /** Object id of what the sentence means, where its annotation is known to be wrong. */
  truth: z.int().optional(),
  /** Index of the chosen proposal; -1 for "no object". */
  predicted: z.int(),
  /** IoU of the chosen box and the target's. */
  iou: z.number().min(0).max(1.000001),
  /** The best boxes, the best first: index (-1 for "no object") and score; answers of older code have none. */
  best: z.array(z.tuple([z.int().min(-1), z.number()])).optional(),
  /** The words that the model wrote in front of <ground>; absent where it wrote none itself. */
  written: z.string().optional(),
  /** The model did not write <ground>: it ended its answer, or wrote on until the cap. */
  withoutGround: z.enum(["ended", "cap"]).optional(),
  description: z.string(),
  /** Object ids of the landmarks. */
  anchors: z.array(z.int()),
});
export type Prediction = z.output<typeof Prediction>;

/** Boxes whose scores an answer keeps. */
const mostBoxes = 5;

/**
 * The best boxes of an answer, to four decimals.
 *
 * @param scores of each box, then of "no object" where the head has it
 * @param boxes how many boxes there are
 */
export function bestBoxes(scores: readonly number[], boxes: number): [box: number, score: number][] {
  return scores
    .map((score, i): [number, number] => [i < boxes ? i : -1, Math.round(score * 1e4) / 1e4])
    .sort((a, b) => b[1] - a[1])
    .slice(0, mostBoxes);
}

export type Evaluation = Pick<ResultRow, "run" | "split" | "proposals">;

/** Where an evaluation's answers lie in its run's folder. */
export const answersName = ({ split, proposals }: Pick<Evaluation, "split" | "proposals">): string =>
  `answers/${split}-${proposals}.json.gz`;

/** Where they lie once they are published. */
export function publishedAnswers(row: Evaluation, results = resultsFolder()): string {
  return join(results, "answers", `${row.run}-${row.split}-${row.proposals}.json.gz`);
}

/** Bytes of a file of answers. */
export function packAnswers(answers: readonly Prediction[]): Uint8Array {
  return gzipSync(JSON.stringify(answers), { level: 9 });
}

/** Where an evaluation's answers are: in its run's folder, or among the published ones; undefined when nowhere. */
export function answersFile(row: Evaluation): string | undefined {
  return [join(runsFolder(), row.run, answersName(row)), publishedAnswers(row)].find((file) => existsSync(file));
}

/** An evaluation's answers; undefined when it left none. @throws UserError when the file is damaged */
export function readAnswers(row: Evaluation): Prediction[] | undefined {
  const file = answersFile(row);
  if (file === undefined) return undefined;
  const remedy = "delete it and run the study again";
  let value: unknown;
  try {
    value = JSON.parse(gunzipSync(readFileSync(file)).toString("utf8"));
  } catch (error) {
    throw new UserError(`${file}: not a gzipped JSON file (${(error as Error).message}); ${remedy}`);
  }
  const parsed = z.array(Prediction).safeParse(value);
  if (!parsed.success) throw new UserError(`${file}: ${problemsOf(parsed.error)}; ${remedy}`);
  return parsed.data;
}
