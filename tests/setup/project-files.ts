import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../lib/core/root";

/** Folders that a copy without git may hold besides the project's own files. */
const notOurs = new Set(["node_modules", ".git", ".tslab", ".ipynb_checkpoints"]);

function walk(folder: string): string[] {
  return readdirSync(join(projectRoot(), folder), { withFileTypes: true }).flatMap((entry) => {
    if (notOurs.has(entry.name)) return [];
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    return entry.isDirectory() ? walk(path) : [path];
  });
}

/** The project's files, relative to its top: those git tracks, or all where the project was unpacked without git. */
export function projectFiles(): string[] {
  const root = projectRoot();
  if (!existsSync(join(root, ".git"))) return walk("");
  // a clone that belongs to another user (a container's mount) is read all the same
  const listed = execFileSync("git", ["-c", `safe.directory=${root}`, "ls-files", "-z"], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return listed.split("\0").filter((path) => path !== "" && existsSync(join(root, path)));
}

/** A project file's text, or undefined for a binary one. */
export function textOf(path: string): string | undefined {
  const bytes = readFileSync(join(projectRoot(), path));
  return bytes.includes(0) ? undefined : bytes.toString("utf8");
}
