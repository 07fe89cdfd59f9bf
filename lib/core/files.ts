import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "./errors";

/** Names in a folder; none when it is not there. @throws UserError when a file is in its place */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    const file = "is a file, expected a folder; move it away or download the folder";
    throw new UserError(`${folder}: ${code === "ENOTDIR" ? file : `cannot be read (${code})`}`);
  }
}

/** What a file says; nothing when it is not there. */
export const textIn = (file: string): string => (existsSync(file) ? readFileSync(file, "utf8") : "");

/** Bytes of a file; -1 when it is not there. */
export const bytesIn = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? -1;

const UNWRITABLE: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full; free some room",
  EDQUOT: "the quota is used up; free some room",
  EROFS: "read-only; name another folder",
  EACCES: "may not be written to; name another folder",
  ENOTDIR: "a file is where a folder should be; name another folder",
  EEXIST: "a file is where a folder should be; name another folder",
};

/** Removes what was begun; why it could not be finished matters more than why it cannot be removed. */
export function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // on a read-only disk, or below a file
  }
}

/** The disk does not take a file: whatever else is to be written there fails too. */
export class WriteError extends UserError {}

/** An error met while writing below `folder`, in the user's words where it has a known cause. */
export function writingError(error: unknown, folder: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  const why = UNWRITABLE[code ?? ""];
  return why === undefined ? error : new WriteError(`${folder}: ${why} (${message})`);
}

/**
 * Writes a file so that a reader sees either the old content or the whole new one: temporary name, then rename.
 *
 * @throws WriteError when the disk is full or the folder may not be written to
 */
export function writeFileAtomic(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(temporary, content);
    renameSync(temporary, path);
  } catch (error) {
    removeQuietly(temporary);
    throw writingError(error, dirname(path));
  }
}
