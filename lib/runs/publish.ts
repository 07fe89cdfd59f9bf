import { copyFileSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../core/errors";
import { namesIn, writeFileAtomic } from "../core/files";
import { finishedRows, localRowsFile } from "./finished";
import type { Job } from "./job";
import {
  findPredictions,
  latestRows,
  localFolder,
  predictionsFile,
  type ResultRow,
  readRows,
  resultsFolder,
  rowLines,
  runKey,
} from "./row";

export interface Published {
  readonly rows: readonly ResultRow[];
  /** How many of them took the place of a committed row. */
  readonly replaced: number;
  /** What changed and is to be committed: the rows' file, answers, attention maps. */
  readonly files: readonly string[];
}

function copyAtomic(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  const temporary = `${to}.${process.pid}.tmp`;
  copyFileSync(from, temporary);
  renameSync(temporary, to);
}

/** Attention maps that these runs left on this machine: where they lie, and where committed ones do. */
function attentionMaps(rows: readonly ResultRow[]): { readonly from: string; readonly to: string }[] {
  const folder = join(localFolder(), "attention");
  const ending = new Set(rows.map((row) => `-${row.variant}-s${row.seed}.json`));
  const names = namesIn(folder).filter((name) => [...ending].some((e) => name.endsWith(e)));
  return names.map((name) => ({ from: join(folder, name), to: join(resultsFolder(), "attention", name) }));
}

/**
 * Moves finished runs of this machine, with their answers and attention maps, to where the committed ones lie; rows of
 * the same runs are replaced. Answers are copied first and what is local goes last, so that a stop in between leaves
 * no row without its answers.
 *
 * @param jobs which runs; only those of their present configuration
 * @throws UserError when this machine has none of them, or one without its answers
 */
export function publishRuns(study: string, jobs: readonly Job[]): Published {
  const rows = latestRows([...finishedRows(study, jobs, { onlyLocal: true }).values()].flat());
  if (rows.length === 0)
    throw new UserError(
      `this machine has finished none of these runs of ${study}; run them first: s2mllm study ${study}`,
    );
  const answers = rows.map((row) => {
    const found = findPredictions(row);
    if (found === undefined)
      throw new UserError(
        `${row.variant}, seed ${row.seed}, ${row.proposals} boxes: the answers are not in ${localFolder()}; take its rows out of ${localRowsFile()} and run the study again`,
      );
    return { from: found.file, to: predictionsFile(row, resultsFolder()) };
  });
  const moved = [...answers, ...attentionMaps(rows)].filter(({ from, to }) => from !== to);
  for (const { from, to } of moved) copyAtomic(from, to);

  const file = join(resultsFolder(), `${study}.jsonl`);
  const committed = readRows(file);
  const fresh = new Map(rows.map((row) => [runKey(row), row]));
  const replaced = committed.filter((row) => fresh.has(runKey(row))).length;
  // a row keeps its place, so that the difference shows what changed
  writeFileAtomic(file, rowLines(latestRows([...committed, ...rows])));
  writeFileAtomic(localRowsFile(), rowLines(readRows(localRowsFile()).filter((row) => !fresh.has(runKey(row)))));
  for (const { from } of moved) rmSync(from);
  return { rows, replaced, files: [file, ...moved.map(({ to }) => to)] };
}
