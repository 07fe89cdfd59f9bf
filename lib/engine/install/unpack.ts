import { chmodSync, createWriteStream, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import yauzl from "yauzl";

// yauzl streams: a library of 1 GB never lies in memory as a whole

/**
 * Writes members of a zip archive below `folder`, with their permissions.
 *
 * @param takes which members, by name
 * @returns bytes written
 */
export async function unpack(archive: string, folder: string, takes: (name: string) => boolean): Promise<number> {
  const open = promisify<string, yauzl.Options, yauzl.ZipFile>(yauzl.open);
  const zip = await open(archive, { lazyEntries: true });
  const read = promisify<yauzl.Entry, Readable>(zip.openReadStream.bind(zip));
  let bytes = 0;
  return new Promise((resolve, reject) => {
    zip.on("error", reject);
    zip.on("end", () => resolve(bytes));
    zip.on("entry", (entry: yauzl.Entry) => {
      const name = entry.fileName;
      if (name.endsWith("/") || !takes(name)) return zip.readEntry();
      const path = join(folder, name);
      mkdirSync(dirname(path), { recursive: true });
      read(entry)
        .then((stream) => pipeline(stream, createWriteStream(path)))
        .then(() => {
          chmodSync(path, (entry.externalFileAttributes >>> 16) & 0o111 ? 0o755 : 0o644);
          bytes += entry.uncompressedSize;
          zip.readEntry();
        }, reject);
    });
    zip.readEntry();
  });
}
