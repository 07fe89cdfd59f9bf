import type { ResultRow } from "../runs/row";
import type { PaperTable } from "./paper";

/**
 * The rows that a table of the paper is made of. Where its columns are of several evaluations, one row a run, whose
 * metrics are called as the columns; else the rows themselves.
 */
export function rowsByColumn(rows: readonly ResultRow[], { cells }: Pick<PaperTable, "cells">): readonly ResultRow[] {
  if (cells === undefined) return rows;
  // a run that several studies share has rows of each
  const runs = [...new Set(rows.map(({ run, variant, study }) => JSON.stringify([run, variant, study])))];
  return runs.flatMap((key): ResultRow[] => {
    const own = rows.filter(({ run, variant, study }) => JSON.stringify([run, variant, study]) === key);
    const found = Object.entries(cells).flatMap(([column, { split, proposals, metric }]) => {
      const row = own.find((r) => r.split === split && r.proposals === proposals);
      const value = (row?.metrics as Record<string, unknown> | undefined)?.[metric];
      return row === undefined || typeof value !== "number" ? [] : [{ column, value, row }];
    });
    const [first] = found;
    if (first === undefined) return [];
    const { splitFingerprint: _, ...row } = first.row;
    const metrics = Object.fromEntries(found.map(({ column, value }) => [column, value]));
    return [{ ...row, metrics: { ...row.metrics, ...metrics } }];
  });
}
