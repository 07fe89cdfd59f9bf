import { deflateRawSync } from "node:zlib";
import { u16, u32, u64 } from "./bytes";

/** CRC-32 bit by bit, as PNG and zip define it. */
export function crcOf(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const byte of bytes) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return ~c >>> 0;
}

export interface ZipOptions {
  readonly deflate?: boolean;
  /** As numpy writes: the local header's sizes stand in a zip64 field. */
  readonly zip64?: boolean;
  /** Sizes in the central directory stand in a zip64 field too. */
  readonly wideDirectory?: boolean;
  readonly comment?: string;
}

/** A zip archive after PKWARE's note: local header and data of each member, central directory, end record. */
export function zipFile(
  members: Readonly<Record<string, Buffer>>,
  { deflate = false, zip64 = true, wideDirectory = false, comment = "" }: ZipOptions = {},
): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, data] of Object.entries(members)) {
    const body = deflate ? deflateRawSync(data) : data;
    const label = Buffer.from(name, "utf8");
    const common = (sizes: readonly [number, number]): Buffer =>
      Buffer.concat([
        u16(45),
        u16(0),
        u16(deflate ? 8 : 0),
        u16(0),
        u16(33),
        u32(crcOf(data)),
        u32(sizes[0]),
        u32(sizes[1]),
        u16(label.length),
      ]);
    const wide = Buffer.concat([u16(1), u16(16), u64(data.length), u64(body.length)]);
    const local = Buffer.concat([
      u32(0x04034b50),
      common(zip64 ? [0xffffffff, 0xffffffff] : [body.length, data.length]),
      u16(zip64 ? wide.length : 0),
      label,
      zip64 ? wide : Buffer.alloc(0),
      body,
    ]);
    // an extra field of another kind stands before the wide sizes
    const extra = wideDirectory ? Buffer.concat([u16(0x5455), u16(1), Buffer.from([0]), wide]) : Buffer.alloc(0);
    directory.push(
      Buffer.concat([
        u32(0x02014b50),
        u16(45),
        common(wideDirectory ? [0xffffffff, 0xffffffff] : [body.length, data.length]),
        u16(extra.length),
        u16(0),
        u16(0),
        u16(0),
        u32(0),
        u32(at),
        label,
        extra,
      ]),
    );
    parts.push(local);
    at += local.length;
  }
  const central = Buffer.concat(directory);
  const count = directory.length;
  return Buffer.concat([
    ...parts,
    central,
    u32(0x06054b50),
    u16(0),
    u16(0),
    u16(count),
    u16(count),
    u32(central.length),
    u32(at),
    u16(comment.length),
    Buffer.from(comment, "latin1"),
  ]);
}

/** A .npy file: magic, version, padded header, data. */
export function npyFile(
  descr: string,
  shape: readonly number[],
  data: Buffer,
  { version = 1, fortran = false } = {},
): Buffer {
  const side = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dictionary = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${side}, }`;
  const prefix = version === 1 ? 10 : 12;
  const padded = `${dictionary}${" ".repeat(63 - ((prefix + dictionary.length) % 64))}\n`;
  const length = version === 1 ? u16(padded.length) : u32(padded.length);
  return Buffer.concat([
    Buffer.from([0x93]),
    Buffer.from("NUMPY", "latin1"),
    Buffer.from([version, 0]),
    length,
    Buffer.from(padded, "latin1"),
    data,
  ]);
}

const int32 = (numbers: readonly number[]): Buffer => Buffer.from(Int32Array.from(numbers).buffer);
const text = (value: string): Buffer => npyFile(`|S${value.length}`, [], Buffer.from(value, "latin1"));
const shapeOf = (rows: number, cols: number): Buffer => npyFile("<i8", [2], Buffer.concat([u64(rows), u64(cols)]));

export interface SparseOptions extends ZipOptions {
  readonly format?: "csr" | "csc" | "coo";
  /** Arrays that replace or join those of the matrix. */
  readonly change?: Readonly<Record<string, Buffer | undefined>>;
}

/** A boolean matrix as scipy.sparse.save_npz writes it. */
export function sparseNpz(
  rows: readonly (readonly number[])[],
  cols: number,
  { format = "csr", change = {}, ...zip }: SparseOptions = {},
): Buffer {
  const entries = rows.flatMap((list, r) => list.map((c) => [r, c] as const));
  if (format === "csc") entries.sort((a, b) => a[1] - b[1] || a[0] - b[0]);
  const data = npyFile("|b1", [entries.length], Buffer.alloc(entries.length, 1));
  const major = format === "csc" ? 1 : 0;
  const starts = Array.from(
    { length: (major === 1 ? cols : rows.length) + 1 },
    (_, m) => entries.filter((e) => e[major] < m).length,
  );
  const list = (pick: 0 | 1): Buffer => npyFile("<i4", [entries.length], int32(entries.map((e) => e[pick])));
  const index: Record<string, Buffer> =
    format === "coo"
      ? { row: list(0), col: list(1) }
      : { indices: list(major === 1 ? 0 : 1), indptr: npyFile("<i4", [starts.length], int32(starts)) };
  const arrays: Record<string, Buffer | undefined> = {
    ...index,
    format: text(format),
    shape: shapeOf(rows.length, cols),
    data,
    ...change,
  };
  return zipFile(
    Object.fromEntries(
      Object.entries(arrays).flatMap(([name, bytes]) => (bytes === undefined ? [] : [[`${name}.npy`, bytes]])),
    ),
    { deflate: true, ...zip },
  );
}
