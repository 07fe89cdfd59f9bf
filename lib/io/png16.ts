import { crc32, deflateSync, inflateSync } from "node:zlib";
import { decode } from "fast-png";
import { UserError } from "../core/errors";

/** 16-bit grey image, such as a depth map in millimetres. */
export interface Grey16 {
  readonly rows: number;
  readonly cols: number;
  /** uint16[rows, cols] */
  readonly pixels: Uint16Array;
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

function chunk(type: string, data: Uint8Array): Buffer {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, "latin1");
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}

/** A 16-bit grey PNG without filters, compressed fast. By hand: its bytes are what S2-Rooms' fingerprint is made of. */
export function encodePng16({ rows, cols, pixels }: Grey16): Buffer {
  const raw = Buffer.alloc(rows * (1 + 2 * cols));
  for (let v = 0, at = 0, i = 0; v < rows; v++) {
    raw[at++] = 0;
    for (let u = 0; u < cols; u++, i++) {
      raw[at++] = pixels[i]! >> 8;
      raw[at++] = pixels[i]! & 255;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(cols, 0);
  header.writeUInt32BE(rows, 4);
  header[8] = 16; // bits; the rest stays 0: grey, deflate, adaptive filters, not interlaced
  return Buffer.concat([
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(raw, { level: 1 })),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

/** Pixels that a header is believed: no depth camera comes near. */
const MOST_PIXELS = 1 << 27;

/** The compressed pixels of a PNG. @throws Error when a chunk is cut off, or is not what its checksum says */
function packed(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = signature.length, type = ""; type !== "IEND"; ) {
    const end = at + 8 + bytes.readUInt32BE(at);
    type = bytes.toString("latin1", at + 4, at + 8);
    if (crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32BE(end))
      throw new Error(`CRC mismatch for chunk ${type}`);
    if (type === "IDAT") parts.push(bytes.subarray(at + 8, end));
    at = end + 4;
  }
  return Buffer.concat(parts);
}

/** The pixels of unpacked rows, most significant byte first; undefined where a row is filtered. */
function unfiltered(raw: Buffer, rows: number, cols: number): Uint16Array | undefined {
  const stride = 1 + 2 * cols;
  const pixels = new Uint16Array(rows * cols);
  const bytes = Buffer.from(pixels.buffer);
  for (let v = 0; v < rows; v++) {
    if (raw[v * stride] !== 0) return undefined;
    raw.copy(bytes, v * 2 * cols, v * stride + 1, (v + 1) * stride);
  }
  bytes.swap16();
  return pixels;
}

/**
 * Reads a 16-bit grey PNG.
 *
 * @param origin file name for messages
 * @throws UserError when the file is cut off, damaged, or not 16-bit grey
 */
export async function decodePng16(file: Uint8Array, origin: string): Promise<Grey16> {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const broken = (what: string): UserError =>
    new UserError(`${origin}: ${what} (${file.length} bytes); export this frame again`);
  if (signature.some((b, i) => file[i] !== b)) throw broken("not a PNG file");
  // the decoder is content with all pixels, a download is not whole without its last chunk
  if (bytes.lastIndexOf("IEND", undefined, "latin1") < 0) throw broken("the PNG is cut off");
  // the header chunk comes first, by the format's definition
  const [bits, kind, packing, filters, interlaced] = bytes.subarray(24, 29);
  if (bits !== 16 || kind !== 0 || interlaced !== 0)
    throw new UserError(
      `${origin}: expected a 16-bit grey PNG without interlacing (depth in millimetres), got ${bits} bits, ` +
        `colour type ${kind}` +
        `${interlaced === 0 ? "" : ", interlaced"}; export depth as uint16`,
    );
  if (bytes.readUInt32BE(8) !== 13 || bytes.toString("latin1", 12, 16) !== "IHDR" || packing !== 0 || filters !== 0)
    throw broken("the PNG does not begin with a header of 13 bytes");
  const [cols, rows] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  if (cols * rows > MOST_PIXELS) throw broken(`the PNG is said to have ${cols} x ${rows} pixels`);
  try {
    const whole = rows * (1 + 2 * cols);
    const raw = inflateSync(packed(bytes), { maxOutputLength: whole });
    // the decoder takes rows that are not there for black
    if (raw.length < whole) throw new Error(`${raw.length} bytes are no ${rows} rows of ${cols} pixels`);
    // it also unpacks once more, three times slower, which files of ours need not wait for
    return { rows, cols, pixels: unfiltered(raw, rows, cols) ?? (decode(file).data as Uint16Array) };
  } catch (error) {
    throw broken(`the PNG does not decode (${(error as Error).message.split("\n")[0]})`);
  }
}
