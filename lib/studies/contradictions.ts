import { labelOf, type ResultRow } from "../runs/row";
import { canonicalJson } from "../runs/settings";

/**
 * Runs of which two rows say different things: the same configuration, seed, data, weights, engine and numerics must
 * end alike, so that something that matters is not in a run's identity. One sentence each.
 */
export function contradictions(rows: readonly ResultRow[]): string[] {
  const seen = new Map<string, ResultRow>();
  return rows.flatMap((row) => {
    const key = canonicalJson([row.run, row.split, row.splitFingerprint, row.proposals]);
    const first = seen.get(key);
    if (first === undefined) seen.set(key, row);
    if (first === undefined || canonicalJson(first.metrics) === canonicalJson(row.metrics)) return [];
    return [
      `run ${row.run} (${labelOf(row)}, seed ${row.seed}, ${row.split}, ${row.proposals} boxes) was done twice with ` +
        `different results: Acc@0.25 ${first.metrics.acc25} (commit ${first.commit}) and ${row.metrics.acc25} ` +
        `(commit ${row.commit}); a defect: what differs is not in its identity`,
    ];
  });
}
