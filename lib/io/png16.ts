import { deflateSync, inflateSync, crc32 as nativeCrc32 } from "node:zlib";
import { UserError } from "../core/errors";

/** 16-bit grey image, such as a depth map in millimetres. */
export interface Grey16 {
  readonly rows: number;
  readonly cols: number;
  /** uint16[rows, cols] */
  readonly pixels: Uint16Array;
}

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

let crcTable: Uint32Array | undefined;

/** CRC-32 as PNG chunks carry it. */
function crc32(bytes: Uint8Array): number {
  // node's own since 20.15 / 22.2
  if (typeof nativeCrc32 === "function") return nativeCrc32(bytes);
  crcTable ??= Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c >>> 0;
  });
  let c = 0xffffffff;
  for (const byte of bytes) c = crcTable[(c ^ byte) & 255]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(type, 4, "latin1");
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
}

/** A 16-bit grey PNG without filters, compressed fast. */
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

function paeth(a: number, b: number, c: number): number {
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/** Undoes the row filters in place; two bytes a pixel. */
function unfilter(raw: Buffer, rows: number, stride: number, origin: string): void {
  for (let v = 0; v < rows; v++) {
    const at = v * (stride + 1) + 1;
    const kind = raw[at - 1]!;
    if (kind === 0) continue;
    if (kind > 4)
      throw new UserError(
        `${origin}: PNG row ${v} has filter ${kind}, expected 0 to 4; the file is damaged, export it again`,
      );
    for (let i = 0; i < stride; i++) {
      const left = i >= 2 ? raw[at + i - 2]! : 0;
      const up = v > 0 ? raw[at + i - stride - 1]! : 0;
      const corner = i >= 2 && v > 0 ? raw[at + i - stride - 3]! : 0;
      const guess = kind === 1 ? left : kind === 2 ? up : kind === 3 ? (left + up) >> 1 : paeth(left, up, corner);
      raw[at + i] = (raw[at + i]! + guess) & 255;
    }
  }
}

/** Bytes of unpacked pixels that a header is believed. */
const largestImage = 1 << 28;

/**
 * Reads a 16-bit grey PNG.
 *
 * @param origin file name for messages
 * @throws UserError when the file is cut off, damaged, or not 16-bit grey
 */
export function decodePng16(file: Uint8Array, origin: string): Grey16 {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const broken = (what: string): UserError => new UserError(`${origin}: ${what}; export this frame again`);
  if (bytes.length < 8 || signature.some((b, i) => bytes[i] !== b))
    throw broken(`not a PNG file (${bytes.length} bytes, no PNG signature)`);
  let rows = 0;
  let cols = 0;
  const data: Buffer[] = [];
  let ended = false;
  for (let at = 8; !ended; ) {
    if (at + 12 > bytes.length) throw broken(`PNG is cut off after ${bytes.length} bytes`);
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString("latin1", at + 4, at + 8);
    if (at + 12 + length > bytes.length)
      throw broken(`PNG is cut off inside its ${type} chunk (${bytes.length} bytes)`);
    const body = bytes.subarray(at + 8, at + 8 + length);
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== bytes.readUInt32BE(at + 8 + length))
      throw broken(`PNG chunk ${type} has a wrong checksum`);
    if (type === "IHDR") {
      if (length !== 13) throw broken(`PNG has a header of ${length} bytes, expected 13`);
      cols = body.readUInt32BE(0);
      rows = body.readUInt32BE(4);
      const [bits, kind, interlaced] = [body[8], body[9], body[12]];
      if (bits !== 16 || kind !== 0 || interlaced !== 0) {
        throw new UserError(
          `${origin}: expected a 16-bit grey PNG without interlacing (depth in millimetres), got ${bits} bits, colour type ${kind}${interlaced === 0 ? "" : ", interlaced"}; export depth as uint16`,
        );
      }
    } else if (type === "IDAT") data.push(body);
    else if (type === "IEND") ended = true;
    at += 12 + length;
  }
  const stride = 2 * cols;
  if (rows === 0 || cols === 0 || rows * (stride + 1) > largestImage)
    throw broken(`PNG has ${cols}x${rows} pixels, expected a depth image`);
  let raw: Buffer;
  try {
    raw = inflateSync(Buffer.concat(data), { maxOutputLength: rows * (stride + 1) });
  } catch (error) {
    throw broken(`PNG data do not unpack (${(error as Error).message})`);
  }
  if (raw.length !== rows * (stride + 1))
    throw broken(`PNG holds ${raw.length} bytes of pixels, expected ${rows * (stride + 1)} for ${cols}x${rows}`);
  unfilter(raw, rows, stride, origin);
  const pixels = new Uint16Array(rows * cols);
  for (let v = 0, i = 0; v < rows; v++) {
    for (let u = 0, at = v * (stride + 1) + 1; u < cols; u++, i++, at += 2) pixels[i] = (raw[at]! << 8) | raw[at + 1]!;
  }
  return { rows, cols, pixels };
}
