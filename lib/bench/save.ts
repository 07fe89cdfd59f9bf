import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { namesIn, writeFileAtomic } from "../core/files";
import { codeVersion, inProject } from "../core/root";
import { toMarkdown } from "../report/table";
import { BenchResult, type BenchRow } from "./rows";
import { benchTable } from "./table";

/** Rows of one machine: data/results/bench/<machine>.json. */
export const SavedBench = BenchResult.extend({
  /** Commands that measured the rows, with the commit of each. */
  commands: z.array(z.string()),
});
export type SavedBench = z.infer<typeof SavedBench>;

/** @throws UserError for a file that is no bench result */
export function readBench(file: string): SavedBench {
  const unreadable = (why: string): UserError =>
    new UserError(`${file}: no rows of s2mllm bench (${why}); restore it with git or move it away`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw unreadable((error as Error).message);
  }
  const parsed = SavedBench.safeParse(content);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw unreadable(`${path.join(".") || "top level"}: ${message}`);
}

const benchFolder = (): string => inProject("data", "results", "bench");

/** What all machines measured, by their names. */
export function savedBenches(folder = benchFolder()): SavedBench[] {
  return namesIn(folder)
    .filter((n) => n.endsWith(".json"))
    .sort()
    .map((n) => readBench(join(folder, n)));
}

const key = ({ task, kind, engine, threads }: Pick<BenchRow, "task" | "kind" | "engine" | "threads">): string =>
  [task, kind, engine, threads].join();

/**
 * Keeps rows: those of the same machine and versions that were not measured again stay.
 *
 * @returns files written: the rows, and the table of all machines
 */
export function saveBench(
  result: BenchResult,
  command: string,
  folder = benchFolder(),
  table = inProject("figures", "bench.md"),
): string[] {
  const { cpu, cores, vectors, torch } = result.machine;
  const name = [cpu, vectors ?? "", `${cores} cores`, `torch ${torch ?? "none"}`]
    .join(" ")
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/^-|-$/g, "");
  const file = join(folder, `${name}.json`);
  const before = existsSync(file) ? readBench(file) : undefined;
  const same =
    before !== undefined && JSON.stringify(before.machine) === JSON.stringify(result.machine) ? before : undefined;
  const fresh = new Set(result.rows.map(key));
  const saved: SavedBench = {
    ...result,
    tasks: { ...same?.tasks, ...result.tasks },
    rows: [...(same?.rows ?? []).filter((row) => !fresh.has(key(row))), ...result.rows],
    commands: [...(same?.commands ?? []), `${command} (commit ${codeVersion()})`],
  };
  writeFileAtomic(file, `${JSON.stringify(saved, null, 2)}\n`);
  const all = savedBenches(folder);
  const section = (saved: SavedBench): string =>
    `${toMarkdown(benchTable(saved))}\n\nMeasured by ${saved.commands.map((c) => `\`${c}\``).join(", ")}.`;
  writeFileAtomic(table, `${["# Engines and PyTorch side by side", ...all.map(section)].join("\n\n")}\n`);
  return [file, table];
}
