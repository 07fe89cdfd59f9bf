import type { DataReport } from "../datasets/check";
import type { ParameterTable } from "../weights/describe";
import type { Table } from "./table";

/** What a data folder holds, what it lacks and what is wrong in it, one line each. */
export function checkTable(folder: string, report: DataReport): Table {
  const { scenes, listed, frames, skippedFrames, damagedFrames, proposalFiles } = report;
  const line = (kind: string, text: string): Record<string, string> => ({ kind, text });
  return {
    title: folder,
    columns: [
      { key: "kind", label: "" },
      { key: "text", label: "what" },
    ],
    rows: [
      line("usable", `${scenes} of ${listed} scenes, ${frames} frames, ${proposalFiles} scenes with proposals`),
      line("left out", `${skippedFrames} frames without a finite pose, ${damagedFrames} damaged`),
      ...report.recognised.map((text) => line("recognised", text)),
      ...report.missing.map(({ what, todo }) => line("missing", `${what}; ${todo}`)),
      ...report.problems.map((text) => line("wrong", text)),
    ],
    notes: [],
  };
}

/** Parameters by what trains them. */
export function parametersTable({ preset, total, trainable, items }: ParameterTable): Table {
  const whole = (n: number): string => n.toLocaleString("en");
  return {
    title: `Parameters of ${preset}`,
    columns: [
      { key: "name", label: "part" },
      { key: "parameters", label: "parameters", numeric: true },
      { key: "trains", label: "trains" },
    ],
    rows: items
      .filter(({ parameters }) => parameters > 0)
      .map(({ name, parameters, trainable: trains }) => ({
        name,
        parameters: whole(parameters),
        trains: trains ? "yes" : "no",
      })),
    notes: [`${whole(trainable)} of ${whole(total)} train.`],
  };
}
