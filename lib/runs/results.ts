import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { namesIn, textIn } from "../core/files";
import { inProject } from "../core/root";
import { writeDurable } from "./durable";
import { sayOnce, storedRuns } from "./folder";
import { withLock } from "./lock";
import { latestRows, ResultRow, rowKey, rowLines } from "./row";

/** Folder of published rows, answers and maps: data/results, or what S2_RESULTS names. */
export function resultsFolder(): string {
  return process.env.S2_RESULTS ?? inProject("data", "results");
}

/**
 * Where what this machine makes to be looked at goes unless it is published: data/local, which git ignores. Committed
 * figures, tables and notebooks change by `--publish` alone.
 */
export function outputFolder(kind: "report" | "notebooks", publish: boolean): string {
  if (!publish) return inProject("data", "local", kind);
  return inProject(kind === "report" ? "figures" : "notebooks");
}

/** A run's own rows, in its folder. */
export const runRowsFile = "rows.jsonl";

/** Rows of this machine in the layout before runs had ids. */
const oldLocalRows = "local.jsonl";

export function problemsOf(error: z.ZodError): string {
  return error.issues.map((i) => `${i.path.length === 0 ? "the row" : i.path.join(".")}: ${i.message}`).join("; ");
}

/** Moves lines that are no JSON object out of a file of rows, into one beside it, and says so. */
function setAside(file: string): void {
  withLock(`${file}.lock`, file, () => {
    const lines = readFileSync(file, "utf8").split("\n");
    const damaged = lines.filter((line) => line.trim() !== "" && !isObject(line));
    if (damaged.length === 0) return;
    const beside = `${file}.damaged`;
    writeDurable(beside, textIn(beside) + damaged.map((line) => `${line}\n`).join(""));
    writeDurable(
      file,
      lines
        .filter((line) => isObject(line))
        .map((line) => `${line}\n`)
        .join(""),
    );
    sayOnce(
      `${file}: ${damaged.length === 1 ? "a line was" : `${damaged.length} lines were`} cut off and set aside in ` +
        `${basename(beside)}; the study makes what it held again`,
    );
  });
}

function isObject(line: string): boolean {
  try {
    return z.looseObject({}).safeParse(JSON.parse(line)).success;
  } catch {
    return false;
  }
}

/**
 * Rows of one .jsonl file; none when it is not there. Lines that were cut off are set aside.
 *
 * @throws UserError naming file and line of a row that is not as expected
 */
export function rowsIn(file: string): ResultRow[] {
  if (
    textIn(file)
      .split("\n")
      .some((line) => line.trim() !== "" && !isObject(line))
  )
    setAside(file);
  return textIn(file)
    .split("\n")
    .flatMap((line, i) => {
      if (line.trim() === "") return [];
      const parsed = ResultRow.safeParse(JSON.parse(line));
      if (parsed.success) return [parsed.data];
      throw new UserError(
        `${file}, line ${i + 1}: not a result row: ${problemsOf(parsed.error)}; ` +
          "delete the line and run the study again",
      );
    });
}

/** Published rows: every .jsonl file of the results, in name order. */
export function publishedRows(): ResultRow[] {
  const folder = resultsFolder();
  const names = namesIn(folder).filter((name) => name.endsWith(".jsonl"));
  if (names.includes(oldLocalRows))
    sayOnce(
      `${join(folder, oldLocalRows)}: rows of the layout before runs had ids; they and the answers in local/ are not ` +
        "read, remove them",
    );
  return names
    .filter((name) => name !== oldLocalRows)
    .sort()
    .flatMap((name) => rowsIn(join(folder, name)));
}

/** Rows of this machine's runs that are not published, in the order in which the runs were begun. */
export function localRows(): ResultRow[] {
  return storedRuns().flatMap(({ folder }) => rowsIn(join(folder, runRowsFile)));
}

/**
 * All rows, published ones first and then this machine's, so that the last row of an evaluation is the one to use; or
 * those of one .jsonl file.
 */
export function readRows(file?: string): ResultRow[] {
  if (file !== undefined) {
    if (existsSync(file) && statSync(file).isDirectory())
      throw new UserError(`${file}: is a folder, expected a .jsonl file of result rows`);
    return rowsIn(file);
  }
  return [...publishedRows(), ...localRows()];
}

/** Changes a file of rows under its lock: no row is doubled or lost, whoever else writes. */
export function updateRows(file: string, change: (rows: ResultRow[]) => readonly ResultRow[]): void {
  withLock(`${file}.lock`, file, () => writeDurable(file, rowLines(latestRows(change(rowsIn(file))))));
}

/** Puts rows in place of those of the same evaluations. */
export function putRows(file: string, rows: readonly ResultRow[]): void {
  updateRows(file, (there) => [...there, ...rows]);
}

/** Takes rows out. */
export function dropRows(file: string, rows: readonly ResultRow[]): void {
  const gone = new Set(rows.map(rowKey));
  updateRows(file, (there) => there.filter((row) => !gone.has(rowKey(row))));
}
