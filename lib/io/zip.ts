import { crc32 } from "node:zlib";
import AdmZip, { type IZipEntry } from "adm-zip";
import { UserError } from "../core/errors";

/** Most bytes that one member may unpack to: a mask of 100 proposals over 300,000 vertices takes 30 MB. */
const LARGEST_MEMBER = 1 << 30;
/** Most bytes that all members together may unpack to. */
const LARGEST_ARCHIVE = 2 * LARGEST_MEMBER;

/**
 * The members of a zip archive, stored or deflated, by name, as numpy writes .npz.
 *
 * @param origin file name for messages
 * @throws UserError when the archive is cut off, damaged (checksum), too large, encrypted, or uses another compression
 */
export function readZip(file: Uint8Array, origin: string): Map<string, Buffer> {
  const bad = (what: string): UserError => new UserError(`${origin}: ${what}; download or write the file again`);
  let entries: IZipEntry[];
  try {
    entries = new AdmZip(Buffer.from(file.buffer, file.byteOffset, file.byteLength)).getEntries();
  } catch (error) {
    throw bad(`not a whole zip archive (${file.length} bytes: ${(error as Error).message})`);
  }
  const bomb = entries.find(({ header }) => header.size > LARGEST_MEMBER);
  if (bomb !== undefined)
    throw bad(`member ${bomb.entryName} would unpack to ${bomb.header.size} bytes, expected at most ${LARGEST_MEMBER}`);
  const all = entries.reduce((sum, { header }) => sum + header.size, 0);
  if (all > LARGEST_ARCHIVE)
    throw bad(`its ${entries.length} members would unpack to ${all} bytes, expected at most ${LARGEST_ARCHIVE}`);
  const out = new Map<string, Buffer>();
  for (const entry of entries) {
    const { size, crc, encrypted, method } = entry.header;
    if (encrypted) throw bad(`member ${entry.entryName} is encrypted`);
    if (method !== 0 && method !== 8)
      throw bad(`member ${entry.entryName} has compression ${method}, expected 0 (stored) or 8 (deflated)`);
    let content: Buffer;
    try {
      content = entry.getData();
    } catch (error) {
      throw bad(`member ${entry.entryName} does not unpack (${(error as Error).message})`);
    }
    if (content.length !== size) throw bad(`member ${entry.entryName} has ${content.length} bytes, expected ${size}`);
    // the library compares with the member's own header alone, and not at all for an empty one
    if (crc32(content) !== crc) throw bad(`member ${entry.entryName} has a wrong checksum`);
    out.set(entry.entryName, content);
  }
  return out;
}
