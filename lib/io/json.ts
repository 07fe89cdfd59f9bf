import { readFileSync } from "node:fs";
import type { z } from "zod";
import { UserError } from "../core/errors";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A key that an object in a sound JSON text has twice. */
function repeatedKey(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  let last = "";
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}:]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (token === ":") {
      const keys = open.at(-1)!;
      const key = JSON.parse(last) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
    last = token;
  }
  return undefined;
}

/**
 * An object from JSON bytes. A key that stands there twice is refused: JSON.parse would take the last one and other
 * readers another.
 *
 * @param bad makes the error from what is wrong
 */
export function parseJsonObject(bytes: Uint8Array, bad: (why: string) => UserError): JsonObject {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw bad("is not UTF-8 text");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad(`is not JSON (${(error as Error).message})`);
  }
  if (!isJsonObject(value)) throw bad("is not a JSON object");
  const twice = repeatedKey(text);
  if (twice !== undefined) throw bad(`names "${twice}" twice`);
  return value;
}

/** A JSON file that holds an object. @throws UserError naming the file */
export function readJsonObject(path: string): JsonObject {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new UserError(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  return parseJsonObject(bytes, (why) => new UserError(`${path}: the file ${why}; copy it again`));
}

/**
 * A JSON file that holds what a schema describes.
 *
 * @throws UserError naming the file, each place in it that does not fit, and what was expected there
 */
export function readJsonAs<T>(path: string, schema: z.ZodType<T>): T {
  const result = schema.safeParse(readJsonObject(path));
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join(".") || "the top level"}: ${issue.message}`);
  throw new UserError(`${path}: ${problems.join("; ")}`);
}
