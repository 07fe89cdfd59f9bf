import type { Prediction, ResultRow } from "../runs/row";

/** Gives the single answers of a finished run, where they were kept. */
export type AnswersOf = (row: ResultRow) => readonly Prediction[] | undefined;

/**
 * Runs that may be averaged: the same preset on the same data with the same proposals. The last row of a seed counts.
 */
export function groupRows(rows: readonly ResultRow[]): ResultRow[][] {
  const groups = new Map<string, Map<string, ResultRow>>();
  for (const row of rows) {
    const key = JSON.stringify([row.preset, row.data, row.dataFingerprint, row.synthetic, row.proposals]);
    if (!groups.has(key)) groups.set(key, new Map());
    const group = groups.get(key)!;
    const run = `${row.variant}|${row.seed}`;
    group.delete(run);
    group.set(run, row);
  }
  return [...groups.values()].map((g) => [...g.values()]);
}

/**
 * The one group that a figure shows: the one with most runs, true boxes before detected ones where they are as many.
 */
export function mainGroup(rows: readonly ResultRow[]): ResultRow[] {
  const groups = groupRows(rows).sort(
    (a, b) => b.length - a.length || Number(a[0]!.proposals !== "gt") - Number(b[0]!.proposals !== "gt"),
  );
  return groups[0] ?? [];
}
