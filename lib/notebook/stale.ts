import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import { inPackage, inProject } from "../core/root";
import { manifestFile } from "../datasets/rooms/config";
import { runsFolder } from "../runs/folder";
import { resultsFolder } from "../runs/results";
import type { Notebook } from "./document";

/** Hashes of what a notebook's outputs are made from, besides its own cells. */
export interface Inputs {
  /** lib/ and the packages. */
  readonly code: string;
  /** Finished rows with answers and maps, training logs, which rooms there are. */
  readonly rows: string;
}

/** What is kept in a notebook that ran, in its metadata: the inputs, and each code cell's hash with those above it. */
const Stamp = z.object({ code: z.string(), rows: z.string(), pictures: z.boolean(), cells: z.array(z.string()) });

/** A code cell whose outputs are not of what is there now; `cell` counts code cells from 1. */
export interface StaleCell {
  readonly cell: number;
  readonly why: string;
}

const staleTag = "stale";

/** A notebook whose stale cells, and no others, are tagged "stale". */
export function markStale(notebook: Notebook, stale: readonly StaleCell[]): Notebook {
  const numbers = new Set(stale.map(({ cell }) => cell));
  let count = 0;
  const cells = notebook.cells.map((cell) => {
    if (cell.cell_type !== "code") return cell;
    const tags = (cell.metadata.tags ?? []).filter((tag) => tag !== staleTag);
    if (numbers.has(++count)) tags.push(staleTag);
    const { tags: _, ...metadata } = cell.metadata;
    return { ...cell, metadata: tags.length === 0 ? metadata : { ...metadata, tags } };
  });
  return { ...notebook, cells };
}

/** Files below a folder that fit, in an order that does not depend on the file system. */
function filesBelow(folder: string, fits: RegExp): string[] {
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder, { recursive: true, encoding: "utf8", withFileTypes: true });
  return found
    .filter((entry) => entry.isFile() && fits.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** The manifests of S2-Rooms: the rooms' own files are too many to look at, and a manifest holds their fingerprint. */
function roomManifests(): string[] {
  const folder = inProject("data", "rooms");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => manifestFile(join(folder, name)))
    .filter((file) => existsSync(file));
}

/** The files that a notebook may read. */
export function inputFiles(): { code: string[]; rows: string[] } {
  return {
    code: [
      ...[inPackage("package-lock.json")].filter((file) => existsSync(file)),
      ...filesBelow(inPackage("lib"), /\.(ts|cjs)$/),
    ],
    rows: [
      ...filesBelow(resultsFolder(), /\.(jsonl|json|gz)$/),
      ...filesBelow(runsFolder(), /^(?:run\.json|rows\.jsonl|metrics\.jsonl|.*\.json\.gz)$/),
      ...roomManifests(),
    ],
  };
}

/** Hash of files' names and contents. */
function hashOf(files: readonly string[]): string {
  const hash = createHash("sha256");
  for (const file of files)
    hash.update(`${relative(inProject(), file)}\0`).update(createHash("sha256").update(readFileSync(file)).digest());
  return hash.digest("hex").slice(0, 16);
}

export function currentInputs(files = inputFiles()): Inputs {
  return { code: hashOf(files.code), rows: hashOf(files.rows) };
}

/** Each code cell's hash, those above it included. Words between the cells are no part of it. */
function cellHashes(notebook: Notebook): string[] {
  const hash = createHash("sha256");
  return notebook.cells
    .filter((cell) => cell.cell_type === "code")
    .map(({ source }) => hash.update(`${source}\0`).copy().digest("hex").slice(0, 16));
}

/** A notebook that has just run, with a note of what its outputs were made from. */
export function stamped(notebook: Notebook, { code, rows }: Inputs, pictures: boolean): Notebook {
  const stamp: z.infer<typeof Stamp> = { code, rows, pictures, cells: cellHashes(notebook) };
  return { ...notebook, metadata: { ...notebook.metadata, s2mllm: stamp } };
}

/**
 * The cells of a notebook whose outputs were made by other code, from other rows or with other parameters than now.
 *
 * @param pictures whether figures could become pictures now: those of a run without are stale then
 */
export function staleCells(notebook: Notebook, { code, rows }: Inputs, pictures = false): StaleCell[] {
  const hashes = cellHashes(notebook);
  const stamp = Stamp.safeParse(notebook.metadata.s2mllm);
  const all = (why: string): StaleCell[] => hashes.map((_, i) => ({ cell: i + 1, why }));
  if (!stamp.success) return all("it is not known what its outputs were made from");
  const { data } = stamp;
  const changed = hashes.flatMap((hash, i) =>
    hash === data.cells[i] ? [] : [{ cell: i + 1, why: "its code, a cell's above it or a parameter has changed" }],
  );
  const first = changed[0]?.cell ?? Infinity;
  const before = (cells: StaleCell[]): StaleCell[] => [...cells.filter(({ cell }) => cell < first), ...changed];
  if (data.code !== code) return before(all("lib/ or a package has changed"));
  if (data.rows !== rows) return before(all("there are other results"));
  if (pictures && !data.pictures) return before(all("figures have no pictures, and a browser is there now"));
  return changed;
}
