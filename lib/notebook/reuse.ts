import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { writeFileAtomic } from "../core/files";
import { findChromium } from "../core/programs";
import { inProject } from "../core/root";
import { runsFolder } from "../runs/folder";
import { resultsFolder } from "../runs/results";
import { type Notebook, readNotebook } from "./document";
import { type NotebookRun, type RunOptions, runNotebook } from "./runner";

/** Files below a folder that fit, in an order that does not depend on the file system. */
function filesBelow(folder: string, fits: RegExp): string[] {
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder, { recursive: true, encoding: "utf8", withFileTypes: true });
  return found
    .filter((entry) => entry.isFile() && fits.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** The manifests of S2-Rooms; the rooms' own files are too many to look at, and a manifest holds their fingerprint. */
function roomManifests(): string[] {
  const folder = inProject("data", "rooms");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name, "rooms.json"))
    .filter((file) => existsSync(file));
}

/** What a notebook may read: code, packages, finished rows with answers and maps, training logs, rooms. */
export function inputFiles(): string[] {
  return [
    inProject("package-lock.json"),
    ...filesBelow(inProject("lib"), /\.(ts|cjs)$/),
    ...filesBelow(resultsFolder(), /\.(jsonl|json|gz)$/),
    ...filesBelow(runsFolder(), /^(?:run\.json|rows\.jsonl|metrics\.jsonl|.*\.json\.gz)$/),
    ...roomManifests(),
  ];
}

/**
 * Fingerprint of a notebook's code cells with the outputs that are stored under them, and of everything that the
 * outputs were made from. Words around the cells are no part of it.
 */
export function fingerprint(notebook: Notebook, inputs: string): string {
  const code = notebook.cells.filter((c) => c.cell_type === "code").map((c) => [c.source, c.outputs ?? []]);
  return createHash("sha256")
    .update(JSON.stringify([inputs, code]))
    .digest("hex");
}

/** Fingerprint of files' names and contents, and of whether figures also become pictures. */
export function inputsFingerprint(files: readonly string[]): string {
  const hash = createHash("sha256").update(`pictures ${findChromium() !== undefined}\n`);
  for (const file of files)
    hash.update(`${relative(inProject(), file)}\0`).update(createHash("sha256").update(readFileSync(file)).digest());
  return hash.digest("hex");
}

export interface ReuseOptions extends RunOptions {
  /** Runs it in any case. */
  readonly always?: boolean;
  /** Where it is noted what outputs were made from. */
  readonly records?: string;
  /** The files that it may read. */
  readonly files?: () => readonly string[];
}

/**
 * Runs a notebook, unless the outputs that it stores were made by an earlier run from just what is there now.
 *
 * @returns undefined when nothing had to be run
 * @throws UserError as `runNotebook` does
 */
export async function runIfChanged(path: string, options: ReuseOptions = {}): Promise<NotebookRun | undefined> {
  const { always = false, records = inProject("data", "cache", "notebooks"), files = inputFiles, ...run } = options;
  const record = join(records, `${basename(path, ".ipynb")}.sha256`);
  const inputs = inputsFingerprint(files());
  if (!always && existsSync(record) && readFileSync(record, "utf8") === fingerprint(readNotebook(path), inputs))
    return undefined;
  const outcome = await runNotebook(path, run);
  // what changed while it ran was not there from its start: the fingerprint taken before says so
  if (outcome.failure === undefined) writeFileAtomic(record, fingerprint(readNotebook(path), inputs));
  return outcome;
}
