import { from, fromCSV, toCSV } from "arquero";
import { UserError } from "../core/errors";

/**
 * Finds what arquero would read as something else without a word: quotes that open and never close swallow the rest of the
 * file, and a line with too few or too many values shifts nothing but loses some.
 *
 * @throws UserError naming the line
 */
function checkForm(text: string, origin: string): void {
  const again = "download the file again";
  const field = /(?:"([^"]*(?:""[^"]*)*)("?)|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;
  let [line, values, width] = [1, 0, 0];
  for (let at = 0; at < text.length; ) {
    field.lastIndex = at;
    const match = field.exec(text);
    if (match?.[1] !== undefined && match[2] === "")
      throw new UserError(`${origin}: line ${line}: a quote opens and never closes; ${again}`);
    if (match === null) throw new UserError(`${origin}: line ${line}: a quote stands inside a value; ${again}`);
    values++;
    at = field.lastIndex;
    if (match[4] === "," && at < text.length) {
      line += newlines(match[1]);
      continue;
    }
    const blank = values === 1 && match[0].trim() === "";
    if (match[4] === ",") values++;
    if (width === 0) width = values;
    else if (!blank && values !== width)
      throw new UserError(`${origin}: line ${line} has ${values} values, the first line ${width}; ${again}`);
    line += newlines(match[1]) + 1;
    values = 0;
  }
}

const newlines = (value: string | undefined): number => value?.match(/\n/g)?.length ?? 0;

/**
 * Reads comma-separated text with a header; every value stays text.
 *
 * @param needed columns that must be there
 * @throws UserError naming missing columns, or the line whose quotes or number of values are wrong
 */
export function readCsv(text: string, origin: string, needed: readonly string[]): Record<string, string>[] {
  if (text.trim() === "")
    throw new UserError(`${origin}: is empty, expected columns ${needed.join(", ")}; download the file again`);
  checkForm(text, origin);
  const table = fromCSV(text, { autoType: false });
  const missing = needed.filter((name) => !table.columnNames().includes(name));
  if (missing.length > 0) {
    throw new UserError(
      `${origin}: column${missing.length > 1 ? "s" : ""} ${missing.join(", ")} missing; it has ${table.columnNames().join(", ")}`,
    );
  }
  // arquero gives null for an empty value; a blank line at the end is no row
  return (table.objects() as Record<string, string | null>[])
    .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value ?? ""])))
    .filter((row) => Object.values(row).some((value) => value !== ""));
}

/** Writes rows as comma-separated text; the first row names the columns. */
export function writeCsv(rows: readonly Record<string, string | number>[]): string {
  return rows.length === 0 ? "" : `${toCSV(from([...rows])).trimEnd()}\n`;
}
