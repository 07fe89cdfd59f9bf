import { isAbsolute, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { projectRoot } from "../../core/root";

/** Packages, also under the names that their source maps give them. */
const PACKAGE = /[\\/](?:node_modules|tfjs-[a-z-]+[\\/]src)[\\/]/;
const ENGINE = ["lib", "engine", ""].join(sep);

/** "file:line" of the innermost caller outside TensorFlow.js and the engine; of a gradient, where it was asked for. */
export function callerOf(stack: string): string | undefined {
  for (const line of stack.split("\n")) {
    const [, place, row] = /\(?((?:file:\/\/)?[^()\s]+):(\d+):\d+\)?$/.exec(line) ?? [];
    if (place === undefined || place.startsWith("node:")) continue;
    const path = place.startsWith("file://") ? fileURLToPath(place) : place;
    if (!isAbsolute(path) || PACKAGE.test(path)) continue;
    const own = relative(projectRoot(), path);
    if (!own.startsWith(ENGINE)) return `${own.startsWith("..") ? path : own}:${row}`;
  }
  return undefined;
}

/** Where the operation being recorded is asked for. */
export function recordedAt(): string | undefined {
  const { stackTraceLimit } = Error;
  // tfjs puts some thirty frames between an operation and its kernel
  Error.stackTraceLimit = 100;
  const { stack } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return callerOf(stack!);
}
