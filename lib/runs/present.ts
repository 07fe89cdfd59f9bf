import { resolve } from "node:path";
import { ablations } from "../config/ablations";
import { presets } from "../config/presets";
import { inProject } from "../core/root";
import { fingerprintHere } from "../datasets/fingerprint";
import { configHash } from "./job";
import { dataName, type ResultRow } from "./row";

/** `find`, asked once for each key. */
function remembered<T>(find: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    if (!known.has(key)) known.set(key, find(key));
    return known.get(key)!;
  };
}

/** Whether a row was made of the data that lie in a folder (absolute path); yes where none do, or those of another name. */
export function sameData(): (row: ResultRow, folder: string) => boolean {
  const here = remembered(fingerprintHere);
  return (row, folder) =>
    row.data !== dataName(folder) || here(folder) === undefined || here(folder) === row.dataFingerprint;
}

/**
 * The rows that today's settings and data would give: of their variant's own configuration, without `--set`, and of the
 * data on this machine, where there are any. Rows of an older version would stand beside newer ones under the same name.
 */
export function presentRows(rows: readonly ResultRow[]): ResultRow[] {
  const ofData = sameData();
  const hash = remembered((key) => {
    const [study, preset, variant] = JSON.parse(key) as [string, string, string];
    return Object.hasOwn(presets, preset) && Object.hasOwn(ablations, variant)
      ? configHash({ study, preset, variant, seed: 0, set: [] })
      : undefined;
  });
  return rows.filter(
    (row) =>
      row.config === hash(JSON.stringify([row.study, row.preset, row.variant])) &&
      ofData(row, resolve(inProject("data"), row.data)),
  );
}
