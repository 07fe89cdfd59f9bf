import { copyFileSync, existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../core/errors";
import { namesIn, textIn } from "../core/files";
import { inProject } from "../core/root";
import { answersIn, answersName, publishedAnswers, publishedForm, sentencesName, sentencesOf } from "./answers";
import { mapsName, publishedMaps, readAttention } from "./attention";
import { costName, publishedCost } from "./cost";
import { adopt, writeDurable } from "./durable";
import { RunFolder, type RunRecord, readRecord, runsFolder } from "./folder";
import { dropRows, publishedRows, resultsFolder, rowsIn, runRowsFile, updateRows } from "./results";
import type { ResultRow } from "./row";
import { canonicalJson } from "./settings";

export interface Published {
  readonly rows: readonly ResultRow[];
  /** How many of them took the place of a committed row. */
  readonly replaced: number;
  /** What changed and is to be committed: the rows' file, answers, attention maps; also what was removed. */
  readonly files: readonly string[];
  /** What was left out and why, one sentence each. */
  readonly leftOut: readonly string[];
}

/**
 * Whether a data set's frames may be committed: S2-Rooms' may; of any other set only where a card in its folder
 * (card.md) has the line "frames: may be passed on".
 */
function framesMayBePassedOn({ synthetic, config }: RunRecord): boolean {
  if (synthetic) return true;
  const { folder } = config.data as { readonly folder: string };
  return /^frames: may be passed on$/m.test(textIn(inProject(folder, "card.md")));
}

/** Copies a run's attention maps to the published ones, without pictures that may not be passed on. */
function publishMaps(run: string, leftOut: string[]): string[] {
  const record = readRecord(join(runsFolder(), run));
  const names = namesIn(join(runsFolder(), run, mapsName)).filter((name) => name.endsWith(".json"));
  const withPictures = framesMayBePassedOn(record);
  if (names.length > 0 && !withPictures)
    leftOut.push(
      `run ${run}: the pictures of ${record.data} stay on this machine; its owners' terms do not allow passing ` +
        "frames " +
        'on (where they do, say so in the data folder\'s card.md: "frames: may be passed on")',
    );
  return names.map((name) => {
    const map = readAttention({ run, scene: name.slice(0, -".json".length) });
    const views = withPictures ? map.views : map.views.map(({ frame }) => ({ frame }));
    const file = join(publishedMaps(run), name);
    writeDurable(file, JSON.stringify({ ...map, views }));
    return file;
  });
}

/** Copies what a run cost, where it was measured. */
function publishCost(run: string): string[] {
  const from = join(runsFolder(), run, costName);
  if (!existsSync(from)) return [];
  adopt(publishedCost(run), (temporary) => copyFileSync(from, temporary));
  return [publishedCost(run)];
}

/** Runs whose boxes' scores are published: the rest would be most of the bytes. */
const withScores = ({ variant, seed }: ResultRow): boolean =>
  seed === 0 && ["full", "no-mpe", "no-attn"].includes(variant);

/** Writes a row's answers and, where no other run has brought them, their sentences. */
function publishAnswers(row: ResultRow, from: string): string[] {
  const to = publishedAnswers(row);
  const { hash, sentences, answers } = publishedForm(answersIn(from), withScores(row));
  const shared = join(dirname(to), sentencesName(hash));
  if (!existsSync(shared)) writeDurable(shared, sentences);
  writeDurable(to, answers);
  return [to, shared];
}

/** What a published row stands for: one made again, by other code or on another engine, takes its place. */
const standsFor = (row: ResultRow): string =>
  canonicalJson([
    row.study,
    row.preset,
    row.variant,
    row.changes,
    row.precision,
    row.seed,
    row.data,
    row.split,
    row.proposals,
  ]);

/** Removes the answers, maps and costs of rows that no published row has any more. */
function removeUnused(replaced: readonly ResultRow[]): string[] {
  const rows = publishedRows();
  const answers = new Set(rows.map((row) => publishedAnswers(row)));
  const runs = new Set(rows.map((row) => row.run));
  const unused = [
    ...replaced.map((row) => publishedAnswers(row)).filter((file) => !answers.has(file)),
    ...[...new Set(replaced.map((row) => row.run))]
      .filter((run) => !runs.has(run))
      .flatMap((run) => [publishedMaps(run), publishedCost(run)]),
  ].filter((path) => existsSync(path));
  for (const path of unused) rmSync(path, { recursive: true });
  return [...unused, ...(unused.length === 0 ? [] : removeUnusedSentences([...answers]))];
}

/** Removes sentences that none of the published answers belongs to. */
function removeUnusedSentences(answers: readonly string[]): string[] {
  const used = new Set(answers.filter((file) => existsSync(file)).map((file) => sentencesOf(file)));
  const folder = join(resultsFolder(), "answers", dirname(sentencesName("")));
  const unused = namesIn(folder)
    .filter((name) => !used.has(name.slice(0, name.indexOf("."))))
    .map((name) => join(folder, name));
  for (const path of unused) rmSync(path);
  return unused;
}

/**
 * Moves rows of this machine's runs, with their answers, attention maps and costs, to the published ones; rows of the
 * same evaluations are replaced. Answers are written first, what is local goes last, so that a stop in between leaves
 * no row without its answers. Weights and logs stay in the run's folder.
 *
 * @param rows of this machine, as a study's `finishedRows` gives them
 * @throws UserError when there are none, or one has no answers
 */
export function publishRows(study: string, rows: readonly ResultRow[]): Published {
  if (rows.length === 0)
    throw new UserError(
      `this machine has finished none of these runs of ${study}; run them first: s2mllm study ${study}`,
    );
  const answers = rows.map((row) => {
    const from = join(runsFolder(), row.run, answersName(row));
    if (!existsSync(from))
      throw new UserError(
        `${row.variant}, seed ${row.seed}, ${row.proposals} boxes: the answers are not in ${from}; ` +
          `remove the run (s2mllm runs rm ${row.run}) and run the study again`,
      );
    return { row, from };
  });
  const runs = [...new Set(rows.map((row) => row.run))];
  const held = runs.map((run) => RunFolder.open(readRecord(join(runsFolder(), run))));
  try {
    const written = new Set(answers.flatMap(({ row, from }) => publishAnswers(row, from)));
    const leftOut: string[] = [];
    const maps = runs.flatMap((run) => publishMaps(run, leftOut));
    const costs = runs.flatMap((run) => publishCost(run));
    const file = join(resultsFolder(), `${study}.jsonl`);
    const fresh = new Map(rows.map((row) => [standsFor(row), row]));
    const replaced: ResultRow[] = [];
    updateRows(file, (there) => [
      // a row keeps its place, so that a difference shows what changed
      ...there.map((row) => {
        const own = fresh.get(standsFor(row));
        if (own !== undefined) replaced.push(row);
        return own ?? row;
      }),
      ...rows,
    ]);
    const removed = removeUnused(replaced);
    for (const run of held) {
      dropRows(run.file(runRowsFile), rows);
      const waiting = rowsIn(run.file(runRowsFile));
      for (const { from } of answers.filter((a) => a.from.startsWith(run.path)))
        if (!waiting.some((row) => from.endsWith(answersName(row)))) rmSync(from);
      if (run.trained !== undefined) run.seal(run.trained);
    }
    const files = [file, ...written, ...maps, ...costs, ...removed];
    return { rows, replaced: replaced.length, files, leftOut };
  } finally {
    for (const run of held) run.close();
  }
}
