import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../core/errors";
import { sizeOf } from "../core/parameters";

const bytesOf = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;
export type Dtype = keyof typeof bytesOf;

/** Numbers as they come out of a file: every float as float32, booleans as 0 and 1. */
export type StoredData = Float32Array | BigInt64Array | Int32Array | Uint8Array;

export interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: number[];
  readonly data: StoredData;
}

/** Where one tensor lies in its file. */
export interface TensorEntry {
  readonly dtype: Dtype;
  readonly shape: number[];
  /** First byte in the file, and the one behind the last. */
  readonly begin: number;
  readonly end: number;
}

/** The format's own limit on its header. */
const HEADER_LIMIT = 100_000_000;
/** One read or write call moves at most this much: Node's calls stop at 2 GB. */
const CHUNK = 1 << 29;

function readRange(file: number, begin: number, bytes: Uint8Array, what: string): void {
  for (let at = 0; at < bytes.length; ) {
    const got = readSync(file, bytes, at, Math.min(CHUNK, bytes.length - at), begin + at);
    if (got === 0) throw new UserError(`${what}: the file ends ${bytes.length - at} bytes too early; copy it again`);
    at += got;
  }
}

function halfToFloat(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 0x1f;
  const fraction = h & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function decode(dtype: Dtype, bytes: Uint8Array): StoredData {
  const { buffer, byteOffset } = bytes;
  const count = bytes.length / bytesOf[dtype];
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer, byteOffset, count);
    case "F64":
      return Float32Array.from(new Float64Array(buffer, byteOffset, count));
    case "F16":
      return Float32Array.from(new Uint16Array(buffer, byteOffset, count), halfToFloat);
    case "BF16": {
      // the upper half of a float32
      const wide = new Uint32Array(count);
      new Uint16Array(buffer, byteOffset, count).forEach((h, i) => (wide[i] = h << 16));
      return new Float32Array(wide.buffer);
    }
    case "I64":
      return new BigInt64Array(buffer, byteOffset, count);
    case "I32":
      return new Int32Array(buffer, byteOffset, count);
    case "I16":
      return Int32Array.from(new Int16Array(buffer, byteOffset, count));
    case "I8":
      return Int32Array.from(new Int8Array(buffer, byteOffset, count));
    case "U8":
    case "BOOL":
      return bytes;
  }
}

function parseHeader(path: string, text: string, dataStart: number, fileSize: number): { entries: Map<string, TensorEntry>; metadata: Record<string, string> } {
  const bad = (why: string): UserError => new UserError(`${path}: not a sound safetensors file: ${why}`);
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw bad(`its header is not JSON (${(error as Error).message})`);
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) throw bad("its header is not a JSON object");
  const { __metadata__: metadata, ...tensors } = header as Record<string, unknown>;
  const entries = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(tensors)) {
    const { dtype, shape, data_offsets: offsets } = (value ?? {}) as { dtype?: string; shape?: unknown; data_offsets?: unknown };
    if (dtype === undefined || !(dtype in bytesOf)) {
      throw bad(`tensor "${name}" has dtype ${JSON.stringify(dtype)}; known: ${Object.keys(bytesOf).join(", ")}`);
    }
    const natural = (list: unknown): list is number[] => Array.isArray(list) && list.every((n) => Number.isSafeInteger(n) && n >= 0);
    if (!natural(shape)) throw bad(`tensor "${name}" has shape ${JSON.stringify(shape)}; expected a list of sizes`);
    if (!natural(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
      throw bad(`tensor "${name}" has data_offsets ${JSON.stringify(offsets)}; expected [begin, end]`);
    }
    const wanted = sizeOf(shape) * bytesOf[dtype as Dtype];
    if (offsets[1]! - offsets[0]! !== wanted) {
      throw bad(`tensor "${name}" of ${dtype} [${shape.join(", ")}] needs ${wanted} bytes, its data_offsets span ${offsets[1]! - offsets[0]!}`);
    }
    if (dataStart + offsets[1]! > fileSize) {
      throw bad(`tensor "${name}" ends at byte ${dataStart + offsets[1]!}, the file at ${fileSize}; it was cut off, copy it again`);
    }
    entries.set(name, { dtype: dtype as Dtype, shape, begin: dataStart + offsets[0]!, end: dataStart + offsets[1]! });
  }
  let last = ["", dataStart] as [string, number];
  for (const [name, { begin, end }] of [...entries].sort((a, b) => a[1].begin - b[1].begin || a[1].end - b[1].end)) {
    if (begin < last[1]) throw bad(`tensors "${last[0]}" and "${name}" overlap`);
    if (begin > last[1]) throw bad(`${begin - last[1]} bytes before tensor "${name}" belong to no tensor`);
    last = [name, end];
  }
  if (last[1] !== fileSize) throw bad(`${fileSize - last[1]} bytes at its end belong to no tensor`);
  return { entries, metadata: (metadata ?? {}) as Record<string, string> };
}

/** An open safetensors file; tensors are read one at a time, so files larger than the memory work. */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    private readonly file: number,
    readonly entries: ReadonlyMap<string, TensorEntry>,
    readonly metadata: Readonly<Record<string, string>>,
  ) {}

  /** @throws UserError when the file does not exist or its header is unsound */
  static open(path: string): SafetensorsFile {
    let file: number;
    try {
      file = openSync(path, "r");
    } catch (error) {
      throw new UserError(`${path}: cannot be opened (${(error as NodeJS.ErrnoException).code})`);
    }
    try {
      const size = fstatSync(file).size;
      if (size < 8) throw new UserError(`${path}: not a safetensors file: it has ${size} bytes, a header length alone has 8`);
      const prefix = new Uint8Array(8);
      readRange(file, 0, prefix, path);
      const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
      if (length > HEADER_LIMIT || length > size - 8) {
        throw new UserError(`${path}: not a sound safetensors file: it states a header of ${length} bytes, the file has ${size} (limit ${HEADER_LIMIT})`);
      }
      const header = new Uint8Array(length);
      readRange(file, 8, header, path);
      const { entries, metadata } = parseHeader(path, new TextDecoder().decode(header), 8 + length, size);
      return new SafetensorsFile(path, file, entries, metadata);
    } catch (error) {
      closeSync(file);
      throw error;
    }
  }

  /** @throws UserError when there is no such tensor */
  read(name: string): StoredTensor {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new UserError(`${this.path}: no tensor "${name}" in it`);
    const bytes = new Uint8Array(entry.end - entry.begin);
    readRange(this.file, entry.begin, bytes, `${this.path}, tensor "${name}"`);
    return { dtype: entry.dtype, shape: [...entry.shape], data: decode(entry.dtype, bytes) };
  }

  close(): void {
    closeSync(this.file);
  }
}

/** All tensors of a file. @throws UserError when it is unsound */
export function readSafetensors(path: string): Map<string, StoredTensor> {
  const file = SafetensorsFile.open(path);
  try {
    return new Map([...file.entries.keys()].map((name) => [name, file.read(name)]));
  } finally {
    file.close();
  }
}

/** Integers of a stored tensor as numbers. @throws RangeError beyond 2^53 */
export function numbersOf({ data }: Pick<StoredTensor, "data">): number[] {
  return Array.from(data as ArrayLike<number | bigint>, (value) => {
    const number = Number(value);
    if (typeof value === "bigint" && !Number.isSafeInteger(number)) throw new RangeError(`${value} does not fit a number`);
    return number;
  });
}

export interface TensorToWrite {
  readonly shape: readonly number[];
  readonly data: StoredData;
}

function dtypeOf(data: StoredData): Dtype {
  if (data instanceof Float32Array) return "F32";
  if (data instanceof BigInt64Array) return "I64";
  return data instanceof Int32Array ? "I32" : "U8";
}

/**
 * Writes tensors under a temporary name and renames: a reader sees the old file or the whole new one.
 *
 * @throws Error when a tensor's numbers do not fill its shape
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [string, TensorToWrite]>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const list = [...tensors];
  const header: Record<string, unknown> = Object.keys(metadata).length === 0 ? {} : { __metadata__: metadata };
  let at = 0;
  for (const [name, { shape, data }] of list) {
    if (sizeOf(shape) !== data.length) throw new Error(`writeSafetensors: "${name}" has ${data.length} numbers for shape [${shape.join(", ")}]`);
    header[name] = { dtype: dtypeOf(data), shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);

  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  const file = openSync(temporary, "w");
  try {
    const write = (bytes: Uint8Array): void => {
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, Math.min(CHUNK, bytes.length - done));
    };
    write(length);
    write(padded);
    for (const [, { data }] of list) write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    fsyncSync(file);
    closeSync(file);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
