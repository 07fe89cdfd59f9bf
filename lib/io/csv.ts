import { from, toCSV } from "arquero";
import { CsvError, parse } from "csv-parse/sync";
import { UserError } from "../core/errors";

/** What the parser found wrong, in a sentence. */
function complaint(origin: string, { code, lines, records, record }: CsvError & Record<string, unknown>): string {
  switch (code) {
    case "CSV_QUOTE_NOT_CLOSED":
      return `${origin}: a quote opens behind row ${Number(records)} and never closes`;
    case "CSV_RECORD_INCONSISTENT_COLUMNS":
      return `${origin}: line ${lines} has ${(record as unknown[]).length} values, the first line another number`;
    case "CSV_INVALID_CLOSING_QUOTE":
    case "INVALID_OPENING_QUOTE":
      return `${origin}: line ${lines}: a quote stands inside a value`;
    default:
      return `${origin}: line ${lines}: ${code}`;
  }
}

/**
 * Reads comma-separated text with a header; every value stays text. A byte order mark and blank lines are no content.
 *
 * @param needed columns that must be there
 * @throws UserError naming missing columns, or the line whose quotes or number of values are wrong
 */
export function readCsv(text: string, origin: string, needed: readonly string[]): Record<string, string>[] {
  const again = "download the file again";
  if (text.trim() === "") throw new UserError(`${origin}: is empty, expected columns ${needed.join(", ")}; ${again}`);
  const columns = (header: string[]): string[] => {
    const missing = needed.filter((name) => !header.includes(name));
    const twice = header.find((name, i) => header.indexOf(name) < i);
    if (missing.length > 0)
      throw new UserError(
        `${origin}: column${missing.length > 1 ? "s" : ""} ${missing.join(", ")} missing; it has ${header.join(", ")}`,
      );
    if (twice !== undefined) throw new UserError(`${origin}: column ${twice} is there twice; ${again}`);
    return header;
  };
  try {
    return parse<Record<string, string>>(text, { columns, bom: true, skip_empty_lines: true });
  } catch (error) {
    throw error instanceof CsvError ? new UserError(`${complaint(origin, error as never)}; ${again}`) : error;
  }
}

/** Writes rows as comma-separated text; the first row names the columns. */
export function writeCsv(rows: readonly Record<string, string | number>[]): string {
  return rows.length === 0 ? "" : `${toCSV(from([...rows])).trimEnd()}\n`;
}
