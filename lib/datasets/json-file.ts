import { readFileSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { z } from "zod";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";

/** A file of that name but for capitals, for the message that it is missing. */
function otherCase(file: string): string {
  const name = basename(file);
  const near = namesIn(dirname(file)).find((other) => other.toLowerCase() === name.toLowerCase());
  return near === undefined ? "" : ` (there is ${near}: capitals count)`;
}

/**
 * A text file, without the byte order mark that some editors put in front.
 *
 * @param what the content, for the message when it is missing
 * @throws UserError naming the file
 */
export function readText(file: string, what: string, todo: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    throw new UserError(
      code === "ENOENT"
        ? `${file} is missing${otherCase(file)}: expected ${what}; ${todo}`
        : `${file}: cannot be read as ${what} (${code}); ${todo}`,
    );
  }
  if (text.includes("\0"))
    throw new UserError(
      `${file}: is no UTF-8 text, expected ${what} (Windows' PowerShell writes UTF-16); save it as UTF-8`,
    );
  return text;
}

/**
 * Python's json writes NaN and Infinity, which JSON does not have: as text, so that whoever wants a number there names
 * the place.
 */
const asText = (text: string): string => text.replace(/(?<=[[,:\s])(?:NaN|-?Infinity)(?=[\],}\s])/g, '"$&"');

/** What a JSON text says, before a schema has looked at it. @throws UserError naming `where` when it is not JSON */
export function jsonOf(text: string, where: string, todo: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    try {
      return JSON.parse(asText(text));
    } catch {
      // the first message is about the text as it is
    }
    throw new UserError(`${where}: not JSON (${(error as Error).message}); ${todo}`);
  }
}

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 60) ?? String(value);

/** The value at a path of a parsed JSON. */
const at = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((v, key) => (v as Record<PropertyKey, unknown> | null)?.[key], value);

/**
 * A value of a JSON file in the form that a schema gives it.
 *
 * @param where the file, and the place in it
 * @throws UserError naming the place, what was expected and what is there
 */
export function parsed<T>(value: unknown, schema: z.ZodType<T>, where: string, todo: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  const found = at(value, path);
  const got = found === undefined || found === null ? "" : `, got ${shown(found)}`;
  throw new UserError(`${where}: ${[path.join("."), message].filter((x) => x !== "").join(": ")}${got}; ${todo}`);
}

/**
 * A JSON file in the form that a schema gives it. @throws UserError when it is missing, not JSON, or of another form
 */
export function parseJson<T>(file: string, schema: z.ZodType<T>, what: string, todo: string): T {
  return parsed(jsonOf(readText(file, what, todo), file, todo), schema, file, `expected ${what}; ${todo}`);
}

const kept = new Map<string, { readonly version: string; readonly value: unknown }>();

/**
 * What `read` makes of a file that serves many scenes, kept until the file changes.
 *
 * @returns undefined when the file is not there
 */
export function keptFile<T>(file: string, read: (file: string) => T): T | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const version = `${stat.mtimeMs} ${stat.ctimeMs} ${stat.size}`;
  const known = kept.get(file);
  if (known?.version === version) return known.value as T;
  const value = read(file);
  kept.set(file, { version, value });
  return value;
}
