import { crc32, inflateRawSync } from "node:zlib";
import { UserError } from "../core/errors";

/** Most bytes that one member may unpack to: a mask of 100 proposals over 300,000 vertices takes 30 MB. */
const LARGEST_MEMBER = 1 << 30;
/** Most bytes that all members together may unpack to. */
const LARGEST_ARCHIVE = 2 * LARGEST_MEMBER;
const END_BYTES = 22;
const CENTRAL_BYTES = 46;
const LOCAL_BYTES = 30;

interface Member {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  /** Where its local header stands. */
  readonly at: number;
}

/** Replaces fields that are all ones by the 8-byte numbers of the zip64 extra field, in the order the format fixes. */
function widen(fields: number[], extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const [id, length] = [extra.readUInt16LE(at), extra.readUInt16LE(at + 2)];
    const body = extra.subarray(at + 4, at + 4 + length);
    if (id === 1) {
      let from = 0;
      return fields.map((field) => {
        if (field !== 0xffffffff || from + 8 > body.length) return field;
        from += 8;
        return Number(body.readBigUInt64LE(from - 8));
      });
    }
    at += 4 + length;
  }
  return fields;
}

/**
 * The members of a zip archive, stored or deflated, by name; read through its central directory, as numpy writes .npz.
 * Not supported: encryption, several volumes, archives of 4 GB and more.
 *
 * @param origin file name for messages
 * @throws UserError when the archive is cut off, damaged (checksum), or uses another compression
 */
export function readZip(file: Uint8Array, origin: string): Map<string, Buffer> {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const bad = (what: string): UserError => new UserError(`${origin}: ${what}; download or write the file again`);
  // the end record stands last, before a comment of at most 65,535 bytes
  let end = bytes.length - END_BYTES;
  const least = Math.max(0, end - 0xffff);
  while (end >= least && bytes.readUInt32LE(end) !== 0x06054b50) end--;
  if (end < least) throw bad(`not a zip archive, or cut off (${bytes.length} bytes, no end record)`);
  const count = bytes.readUInt16LE(end + 10);
  let at = bytes.readUInt32LE(end + 16);
  const members: Member[] = [];
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > end || bytes.readUInt32LE(at) !== 0x02014b50)
      throw bad(`its directory breaks off at member ${i} of ${count}`);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((k) => bytes.readUInt16LE(at + k)) as [
      number,
      number,
      number,
    ];
    const behind = at + CENTRAL_BYTES + nameLength + extraLength + commentLength;
    if (behind > end) throw bad(`its directory breaks off at member ${i} of ${count}`);
    const name = bytes.toString("utf8", at + CENTRAL_BYTES, at + CENTRAL_BYTES + nameLength);
    if ((bytes.readUInt16LE(at + 8) & 1) !== 0) throw bad(`member ${name} is encrypted`);
    const extra = bytes.subarray(at + CENTRAL_BYTES + nameLength, at + CENTRAL_BYTES + nameLength + extraLength);
    const [size, packed, local] = widen(
      [bytes.readUInt32LE(at + 24), bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 42)],
      extra,
    ) as [number, number, number];
    members.push({
      name,
      method: bytes.readUInt16LE(at + 10),
      crc: bytes.readUInt32LE(at + 16),
      packed,
      size,
      at: local,
    });
    at = behind;
  }
  const bomb = members.find(({ size }) => size > LARGEST_MEMBER);
  if (bomb !== undefined)
    throw bad(`member ${bomb.name} would unpack to ${bomb.size} bytes, expected at most ${LARGEST_MEMBER}`);
  const all = members.reduce((sum, { size }) => sum + size, 0);
  if (all > LARGEST_ARCHIVE)
    throw bad(`its ${count} members would unpack to ${all} bytes, expected at most ${LARGEST_ARCHIVE}`);
  const out = new Map<string, Buffer>();
  for (const member of members) out.set(member.name, unpack(bytes, member, bad));
  return out;
}

function unpack(
  bytes: Buffer,
  { name, method, crc, packed, size, at }: Member,
  bad: (what: string) => UserError,
): Buffer {
  if (at + LOCAL_BYTES > bytes.length || bytes.readUInt32LE(at) !== 0x04034b50)
    throw bad(`member ${name} has no header at byte ${at}`);
  const from = at + LOCAL_BYTES + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28);
  if (from + packed > bytes.length) throw bad(`member ${name} goes on behind the end of the file`);
  const body = bytes.subarray(from, from + packed);
  let out: Buffer;
  if (method === 0) out = body;
  else if (method === 8) {
    try {
      // one byte at least: zlib refuses a limit of none
      out = inflateRawSync(body, { maxOutputLength: Math.max(1, size) });
    } catch (error) {
      throw bad(`member ${name} does not unpack (${(error as Error).message})`);
    }
  } else throw bad(`member ${name} has compression ${method}, expected 0 (stored) or 8 (deflated)`);
  if (out.length !== size) throw bad(`member ${name} has ${out.length} bytes, expected ${size}`);
  if (crc32(out) !== crc) throw bad(`member ${name} has a wrong checksum`);
  return out;
}
