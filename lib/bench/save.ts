import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../core/files";
import { inProject } from "../core/root";
import { toMarkdown } from "../report/table";
import type { BenchRow } from "./rows";
import type { BenchResult } from "./run";
import { benchTable } from "./table";

/** Rows of one machine: data/results/bench/<machine>.json. */
export interface SavedBench extends BenchResult {
  /** Commands that measured the rows, with the commit of each. */
  readonly commands: readonly string[];
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: inProject(), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    return (
      git("rev-parse", "--short=10", "HEAD") +
      (git("status", "--porcelain", "--untracked-files=no", "lib") === "" ? "" : "+")
    );
  } catch {
    return "no git";
  }
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
  folder = inProject("data", "results", "bench"),
  table = inProject("figures", "bench.md"),
): string[] {
  const { cpu, cores, vectors, torch } = result.machine;
  const name = [cpu, vectors ?? "", `${cores} cores`, `torch ${torch ?? "none"}`]
    .join(" ")
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-")
    .replace(/^-|-$/g, "");
  const file = join(folder, `${name}.json`);
  const before = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as SavedBench) : undefined;
  const same =
    before !== undefined && JSON.stringify(before.machine) === JSON.stringify(result.machine) ? before : undefined;
  const fresh = new Set(result.rows.map(key));
  const saved: SavedBench = {
    ...result,
    tasks: { ...same?.tasks, ...result.tasks },
    rows: [...(same?.rows ?? []).filter((row) => !fresh.has(key(row))), ...result.rows],
    commands: [...(same?.commands ?? []), `${command} (commit ${commit()})`],
  };
  writeFileAtomic(file, `${JSON.stringify(saved, null, 2)}\n`);
  const all = readdirSync(folder)
    .filter((n) => n.endsWith(".json"))
    .sort()
    .map((n) => JSON.parse(readFileSync(join(folder, n), "utf8")) as SavedBench);
  writeFileAtomic(
    table,
    `${["# Engines and PyTorch side by side", ...all.map((s) => `${toMarkdown(benchTable(s))}\n\nMeasured by ${s.commands.map((c) => `\`${c}\``).join(", ")}.`)].join("\n\n")}\n`,
  );
  return [file, table];
}
