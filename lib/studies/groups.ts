import type { Prediction } from "../runs/answers";
import { labelOf, type ResultRow } from "../runs/row";

/** Gives the single answers of an evaluation, where they were kept. */
export type AnswersOf = (row: ResultRow) => readonly Prediction[] | undefined;

/**
 * Runs that may be averaged: the same preset and starting weights on the same data with the same proposals, by the same
 * protocol and code that computes alike. Of several runs of one label and seed the last counts.
 */
export function groupRows(rows: readonly ResultRow[]): ResultRow[][] {
  const groups = new Map<string, Map<string, ResultRow>>();
  for (const row of rows) {
    const {
      preset,
      weights,
      data,
      dataFingerprint,
      synthetic,
      split,
      splitFingerprint,
      proposals,
      protocol,
      numerics,
    } = row;
    const key = JSON.stringify([
      ...[preset, weights, data, dataFingerprint, synthetic],
      ...[split, splitFingerprint, proposals, protocol, numerics],
    ]);
    if (!groups.has(key)) groups.set(key, new Map());
    const group = groups.get(key)!;
    const run = `${labelOf(row)}|${row.seed}`;
    group.delete(run);
    group.set(run, row);
  }
  return [...groups.values()].map((g) => [...g.values()]);
}

/**
 * The largest groups of each data set: what a figure of that data set shows; where groups are alike true boxes first,
 * then newer numerics.
 */
export function mainGroups(rows: readonly ResultRow[]): ResultRow[][] {
  const groups = groupRows(rows).sort(
    ([a, ...more], [b, ...others]) =>
      others.length - more.length ||
      Number(a!.proposals !== "gt") - Number(b!.proposals !== "gt") ||
      b!.numerics - a!.numerics,
  );
  return [...new Map(groups.reverse().map((group) => [group[0]!.data, group])).values()].reverse();
}

/** The one group that a figure shows: the largest, true boxes before detected ones where they are as many. */
export function mainGroup(rows: readonly ResultRow[]): ResultRow[] {
  return mainGroups(rows)[0] ?? [];
}
