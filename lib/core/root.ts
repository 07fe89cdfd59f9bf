import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";

/** The folder of the rooms: lib/ in a checkout, dist/ in a package. */
const rooms = resolve(__dirname, "..");
const compiled = basename(rooms) === "dist";

/** A file that comes with the code, such as inPackage("package.json"). */
export function inPackage(...parts: string[]): string {
  return resolve(rooms, "..", ...parts);
}

let top: string | undefined;

/**
 * The folder whose data/, figures/ and notebooks/ are read and written: the checkout, or, where the lab is installed as
 * a package, the working directory of the start.
 */
export function projectRoot(): string {
  return (top ??= compiled ? process.cwd() : inPackage());
}

/** A path inside the project; an absolute one stays as it is. */
export function inProject(...parts: string[]): string {
  return resolve(projectRoot(), ...parts);
}

/** A file of the project, or, where it has none, the one that came with the code: inEither("data", "pretrained", …). */
export function inEither(...parts: string[]): string {
  const own = inProject(...parts);
  return existsSync(own) ? own : inPackage(...parts);
}

/** A module of lib as a process of its own loads it: moduleFile("studies", "worker"). */
export function moduleFile(...parts: string[]): string {
  return `${resolve(rooms, ...parts)}${compiled ? ".js" : ".ts"}`;
}

/** Which code this is: the commit of the checkout, with "+" when lib was changed since, or the package's version. */
export function codeVersion(): string {
  if (compiled) return (JSON.parse(readFileSync(inPackage("package.json"), "utf8")) as { version: string }).version;
  const git = (...args: string[]): string =>
    execFileSync("git", args, { cwd: inPackage(), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no", "lib") !== "";
    return git("rev-parse", "--short=10", "HEAD") + (changed ? "+" : "");
  } catch {
    return "unknown";
  }
}
