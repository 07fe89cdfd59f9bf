import { fromCSV, from, toCSV } from "arquero";
import { UserError } from "../core/errors";

/**
 * Reads comma-separated text with a header; every value stays text.
 *
 * @param needed columns that must be there
 * @throws UserError naming missing columns
 */
export function readCsv(text: string, origin: string, needed: readonly string[]): Record<string, string>[] {
  const table = fromCSV(text, { autoType: false });
  const missing = needed.filter((name) => !table.columnNames().includes(name));
  if (missing.length > 0) {
    throw new UserError(`${origin}: column${missing.length > 1 ? "s" : ""} ${missing.join(", ")} missing; it has ${table.columnNames().join(", ")}`);
  }
  // a blank line at the end is no row
  return (table.objects() as Record<string, string>[]).filter((row) => Object.values(row).some((value) => value !== undefined && value !== null && value !== ""));
}

/** Writes rows as comma-separated text; the first row names the columns. */
export function writeCsv(rows: readonly Record<string, string | number>[]): string {
  return rows.length === 0 ? "" : `${toCSV(from([...rows])).trimEnd()}\n`;
}
