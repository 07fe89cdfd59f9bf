import { type Table, toMarkdown } from "../../report/table";
import { baselinesOf } from "../engines";
import type { BenchRow } from "../rows";
import { benchTable } from "../table";
import type { CheckResult } from "./check";

/** What a training step on CUDA may take, as a ratio to PyTorch's in the same precision. */
const GOALS: Readonly<Record<string, number>> = { nano: 1, transformer: 1, "slice-7b": 1.2 };

function goalRows(rows: readonly BenchRow[]): Table["rows"] {
  return rows
    .filter(
      ({ task, kind, engine, ratioTo }) =>
        kind === "step" && engine.startsWith("ort-cuda") && task in GOALS && ratioTo === baselinesOf(engine)[0],
    )
    .map(({ task, engine, precision, ratioToTorch }) => ({
      task,
      engine,
      precision: precision ?? "",
      goal: GOALS[task]!.toFixed(1),
      seen: ratioToTorch!.toFixed(2),
      met: ratioToTorch! <= GOALS[task]! ? "yes" : "no",
    }));
}

/** The results as a page of Markdown. */
export function checkPage({ engines, seconds, parts, bench }: CheckResult, command: string): string {
  const table: Table = {
    title: `${engines.join(", ")}; ${seconds} s in all`,
    columns: [
      { key: "part", label: "part" },
      { key: "state", label: "state" },
      { key: "seconds", label: "s", numeric: true },
      { key: "text", label: "what was seen" },
    ],
    rows: parts.map(({ part, state, seconds: s, text }) => ({ part, state, seconds: s.toFixed(1), text })),
    notes: [],
  };
  const goals: Table = {
    title: "Training step on CUDA, time / PyTorch eager in the same precision",
    columns: [
      { key: "task", label: "task" },
      { key: "engine", label: "engine" },
      { key: "precision", label: "precision" },
      { key: "goal", label: "goal", numeric: true },
      { key: "seen", label: "seen", numeric: true },
      { key: "met", label: "met" },
    ],
    rows: goalRows(bench?.rows ?? []),
    notes: [],
  };
  return [
    "# The lab on a GPU",
    `Measured by \`${command}\`.`,
    toMarkdown(table),
    ...(goals.rows.length === 0 ? ["Not measured: CUDA beside PyTorch."] : [toMarkdown(goals)]),
    ...(bench === undefined ? [] : [toMarkdown(benchTable(bench))]),
    "",
  ].join("\n\n");
}
