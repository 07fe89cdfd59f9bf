import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** Packages, also under the names that their source maps give them. */
const PACKAGE = /[\\/](?:node_modules|tfjs-[a-z-]+[\\/]src)[\\/]/;
/** This package's own files, but for its tests. */
const OWN = join(dirname(__dirname), sep);
const TESTS = join(OWN, "tests", sep);

/**
 * "file:line" of the innermost caller outside TensorFlow.js and this package; of a gradient, where it was asked for.
 */
export function callerOf(stack: string): string | undefined {
  for (const line of stack.split("\n")) {
    const [, place, row] = /\(?((?:file:\/\/)?[^()\s]+):(\d+):\d+\)?$/.exec(line) ?? [];
    if (place === undefined || place.startsWith("node:")) continue;
    const path = place.startsWith("file://") ? fileURLToPath(place) : place;
    if (!isAbsolute(path) || PACKAGE.test(path) || (path.startsWith(OWN) && !path.startsWith(TESTS))) continue;
    const near = relative(process.cwd(), path);
    return `${near.startsWith("..") ? path : near}:${row}`;
  }
  return undefined;
}

/** Where the operation being traced is asked for. */
export function tracedAt(): string | undefined {
  const { stackTraceLimit } = Error;
  // tfjs puts some thirty frames between an operation and its kernel
  Error.stackTraceLimit = 100;
  const { stack } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return callerOf(stack!);
}
