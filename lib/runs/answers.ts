import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { z } from "zod";
import { UserError } from "../core/errors";
import { runsFolder } from "./folder";
import { problemsOf, resultsFolder } from "./results";
import type { ResultRow } from "./row";

/** A sentence that is asked of every run. */
const Sentence = z.strictObject({
  queryId: z.string(),
  sceneId: z.string(),
  category: z.string(),
  /** Relation kind of the sentence. */
  kind: z.string(),
  /** Object id of the right answer. */
  target: z.int(),
  /** Object id of what the sentence means, where its annotation is known to be wrong. */
  truth: z.int().optional(),
  description: z.string(),
  /** Object ids of the landmarks. */
  anchors: z.array(z.int()),
});

/** What a run answered to one sentence. */
export const Prediction = Sentence.extend({
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
});
export type Prediction = z.output<typeof Prediction>;

/** Published answers: columns over the sentences of an evaluation, which are stored once for all runs. */
const Columns = z.strictObject({
  sentences: z.string().regex(/^[0-9a-f]{16}$/),
  predicted: z.array(Prediction.shape.predicted),
  iou: z.array(Prediction.shape.iou),
  /** What was written, each text once; `written` has a place in this list, or -1. */
  texts: z.array(z.string()),
  written: z.array(z.int().min(-1)),
  withoutGround: z.array(Prediction.shape.withoutGround.unwrap().nullable()),
  /** Only of runs whose scores are published. */
  best: z.array(Prediction.shape.best.unwrap()).optional(),
});
type Columns = z.output<typeof Columns>;

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

const packed = (value: unknown): Uint8Array => gzipSync(JSON.stringify(value), { level: 9 });

/** Bytes of a run's own file of answers. */
export function packAnswers(answers: readonly Prediction[]): Uint8Array {
  return packed(answers);
}

/** Where published answers keep their sentences, beside them. */
export const sentencesName = (hash: string): string => join("sentences", `${hash}.json.gz`);

/**
 * Answers as they are published: a tenth of the bytes, since runs share their sentences.
 *
 * @param withScores whether the best boxes and their scores are kept
 */
export function publishedForm(
  answers: readonly Prediction[],
  withScores: boolean,
): { readonly hash: string; readonly sentences: Uint8Array; readonly answers: Uint8Array } {
  const sentences = answers.map(
    ({ queryId, sceneId, category, kind, target, truth, description, anchors }): z.output<typeof Sentence> => ({
      ...{ queryId, sceneId, category, kind, target, ...(truth === undefined ? {} : { truth }), description, anchors },
    }),
  );
  const hash = createHash("sha256").update(JSON.stringify(sentences)).digest("hex").slice(0, 16);
  const texts = [...new Set(answers.flatMap(({ written }) => written ?? []))];
  const place = new Map(texts.map((text, i) => [text, i]));
  const best = answers.flatMap((answer) => (answer.best === undefined ? [] : [answer.best]));
  const columns: Columns = {
    sentences: hash,
    predicted: answers.map(({ predicted }) => predicted),
    iou: answers.map(({ iou }) => iou),
    texts,
    written: answers.map(({ written }) => (written === undefined ? -1 : place.get(written)!)),
    withoutGround: answers.map(({ withoutGround }) => withoutGround ?? null),
    ...(withScores && best.length === answers.length ? { best } : {}),
  };
  return { hash, sentences: packed(sentences), answers: packed(columns) };
}

const remedy = "delete it and run the study again";

/** @throws UserError when the file is damaged */
function unpacked<T>(file: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(gunzipSync(readFileSync(file)).toString("utf8"));
  } catch (error) {
    throw new UserError(`${file}: not a gzipped JSON file (${(error as Error).message}); ${remedy}`);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new UserError(`${file}: ${problemsOf(parsed.error)}; ${remedy}`);
  return parsed.data;
}

/** Sentences that were read last, by file and time of writing: the runs of a study share theirs. */
const known = new Map<string, { readonly written: number; readonly sentences: readonly z.output<typeof Sentence>[] }>();

function sentencesIn(file: string): readonly z.output<typeof Sentence>[] {
  const written = statSync(file).mtimeMs;
  const before = known.get(file);
  if (before?.written === written) return before.sentences;
  const sentences = unpacked(file, z.array(Sentence));
  known.set(file, { written, sentences });
  return sentences;
}

/** Answers of published columns, with the sentences beside them. */
function ofColumns(file: string, columns: Columns): Prediction[] {
  const beside = join(dirname(file), sentencesName(columns.sentences));
  if (!existsSync(beside))
    throw new UserError(`${file}: its sentences, ${beside}, are not there; take both files from one commit`);
  const sentences = sentencesIn(beside);
  const { predicted, iou, texts, written, withoutGround, best } = columns;
  for (const [name, column] of Object.entries({ predicted, iou, written, withoutGround, ...(best && { best }) }))
    if (column.length !== sentences.length)
      throw new UserError(
        `${file}: ${column.length} values of ${name} for ${sentences.length} sentences; take both files from one ` +
          "commit",
      );
  return sentences.map((sentence, i): Prediction => {
    const [text, missing] = [texts[written[i]!], withoutGround[i]];
    return {
      ...sentence,
      predicted: predicted[i]!,
      iou: iou[i]!,
      ...(best === undefined ? {} : { best: best[i]! }),
      ...(text === undefined ? {} : { written: text }),
      ...(missing == null ? {} : { withoutGround: missing }),
    };
  });
}

/** Answers of a file in either form. @throws UserError when it is damaged */
export function answersIn(file: string): Prediction[] {
  const found = unpacked(file, z.union([z.array(Prediction), Columns]));
  return Array.isArray(found) ? found : ofColumns(file, found);
}

/** The hash of the sentences that a published file's answers belong to; undefined where it holds them itself. */
export function sentencesOf(file: string): string | undefined {
  const found = unpacked(file, z.union([z.array(z.unknown()), Columns]));
  return Array.isArray(found) ? undefined : found.sentences;
}

/** Where an evaluation's answers are: in its run's folder, or among the published ones; undefined when nowhere. */
export function answersFile(row: Evaluation): string | undefined {
  return [join(runsFolder(), row.run, answersName(row)), publishedAnswers(row)].find((file) => existsSync(file));
}

/** An evaluation's answers; undefined when it left none. @throws UserError when the file is damaged */
export function readAnswers(row: Evaluation): Prediction[] | undefined {
  const file = answersFile(row);
  if (file === undefined) return undefined;
  return answersIn(file);
}
