import { createHash } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { removeQuietly, writingError } from "../core/files";

/** Asks the disk to hold what a file, or the list of a folder's names, says now. */
export function sync(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * Writes a file that survives a crash: temporary name, file synced, renamed, folder synced. A reader sees the old
 * content or the whole new one.
 */
export function writeDurable(path: string, content: string | Uint8Array): void {
  adopt(path, (temporary) => {
    const handle = openSync(temporary, "w");
    try {
      const bytes = typeof content === "string" ? Buffer.from(content) : content;
      for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at);
    } finally {
      closeSync(handle);
    }
  });
}

/**
 * As `writeDurable`, for a file that `write` makes under the temporary name that it is given.
 *
 * @throws WriteError when the disk is full or the folder may not be written to
 */
export function adopt(path: string, write: (temporary: string) => void): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    write(temporary);
    sync(temporary);
    renameSync(temporary, path);
  } catch (error) {
    removeQuietly(temporary);
    throw writingError(error, dirname(path));
  }
  sync(dirname(path));
}

/** SHA-256 of a file's bytes, read in pieces. */
export function checksum(path: string): string {
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafe(1 << 20);
  const handle = openSync(path, "r");
  try {
    for (let got = readSync(handle, piece); got > 0; got = readSync(handle, piece)) hash.update(piece.subarray(0, got));
  } finally {
    closeSync(handle);
  }
  return hash.digest("hex");
}
