import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UserError } from "./errors";

function isRoot(folder: string): boolean {
  const file = join(folder, "package.json");
  return existsSync(file) && (JSON.parse(readFileSync(file, "utf8")) as { name?: string }).name === "s2mllm-lab";
}

let found: string | undefined;

/**
 * The project's top folder: the nearest one above this file, or above the working directory, whose package is
 * s2mllm-lab.
 */
export function projectRoot(): string {
  if (found !== undefined) return found;
  for (const start of [__dirname, process.cwd()]) {
    for (let folder = start; ; folder = dirname(folder)) {
      if (isRoot(folder)) return (found = folder);
      if (dirname(folder) === folder) break;
    }
  }
  throw new UserError(`no s2mllm-lab package.json above ${process.cwd()}; run from inside the project`);
}

/** A path inside the project; an absolute one stays as it is. */
export function inProject(...parts: string[]): string {
  return resolve(projectRoot(), ...parts);
}
