import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../core/errors";
import { removeQuietly, writingError } from "../core/files";
import { sizeOf } from "../core/parameters";
import { bytesOf, type Dtype, decode, dtypeOf, type StoredData, widen } from "./dtypes";
import { type Header, parseHeader, type TensorEntry } from "./safetensors-header";

export type { StoredData } from "./dtypes";

export interface StoredTensor {
  readonly dtype: Dtype;
  readonly shape: number[];
  readonly data: StoredData;
}

/** The format's own limit on its header. */
const HEADER_LIMIT = 100_000_000;
/** One read or write call moves at most this much: Node's calls stop at 2 GB. */
const CHUNK = 1 << 29;
/** Half-precision numbers are widened in pieces of this many bytes, so that no second copy of a tensor is held. */
const PIECE = 1 << 23;

function readRange(file: number, begin: number, bytes: Uint8Array, what: string): void {
  for (let at = 0; at < bytes.length; ) {
    const got = readSync(file, bytes, at, Math.min(CHUNK, bytes.length - at), begin + at);
    if (got === 0) throw new UserError(`${what}: the file ends ${bytes.length - at} bytes too early; copy it again`);
    at += got;
  }
}

/** An open safetensors file; tensors are read one at a time, so files larger than the memory work. */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    private readonly file: number,
    private readonly header: Header,
  ) {}

  get entries(): ReadonlyMap<string, TensorEntry> {
    return this.header.entries;
  }

  get metadata(): Readonly<Record<string, string>> {
    return this.header.metadata;
  }

  /** @throws UserError when the file does not exist or its header is unsound */
  static open(path: string): SafetensorsFile {
    let file: number;
    try {
      file = openSync(path, "r");
    } catch (error) {
      throw new UserError(`${path}: cannot be opened (${(error as NodeJS.ErrnoException).code})`);
    }
    try {
      const stat = fstatSync(file);
      if (!stat.isFile()) throw new UserError(`${path}: not a file; expected a .safetensors file`);
      const { size } = stat;
      if (size < 8)
        throw new UserError(`${path}: not a safetensors file: it has ${size} bytes, a header length alone has 8`);
      const prefix = new Uint8Array(8);
      readRange(file, 0, prefix, path);
      const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
      if (length > HEADER_LIMIT || length > size - 8) {
        throw new UserError(
          `${path}: not a sound safetensors file: it states a header of ${length} bytes, the file has ${size} ` +
            `(limit ${HEADER_LIMIT})`,
        );
      }
      const header = new Uint8Array(length);
      readRange(file, 8, header, path);
      return new SafetensorsFile(path, file, parseHeader(path, header, 8 + length, size));
    } catch (error) {
      closeSync(file);
      throw error;
    }
  }

  /**
   * One tensor, or its rows `first` to `end - 1`. Half precision becomes float32.
   *
   * @throws UserError when there is no such tensor
   */
  read(name: string, rows?: readonly [first: number, end: number]): StoredTensor {
    const { dtype, shape, begin, bytes } = this.#range(name, rows);
    if (dtype !== "F16" && dtype !== "BF16")
      return { dtype, shape, data: decode(dtype, this.#bytes(name, begin, bytes)) };
    const data = new Float32Array(bytes / 2);
    const piece = new Uint8Array(Math.min(PIECE, bytes));
    for (let at = 0; at < bytes; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, bytes - at));
      readRange(this.file, begin + at, part, `${this.path}, tensor "${name}"`);
      widen(dtype, new Uint16Array(part.buffer, 0, part.length / 2), data.subarray(at / 2, (at + part.length) / 2));
    }
    return { dtype, shape, data };
  }

  /** A tensor's bytes as they are stored: half precision stays half. @throws UserError when there is no such tensor */
  raw(name: string): { readonly dtype: Dtype; readonly shape: number[]; readonly bytes: Uint8Array } {
    const { dtype, shape, begin, bytes } = this.#range(name, undefined);
    return { dtype, shape, bytes: this.#bytes(name, begin, bytes) };
  }

  #range(
    name: string,
    rows: readonly [number, number] | undefined,
  ): { dtype: Dtype; shape: number[]; begin: number; bytes: number } {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new UserError(`${this.path}: no tensor "${name}" in it`);
    const { dtype, shape, begin, end } = entry;
    if (rows === undefined) return { dtype, shape: [...shape], begin, bytes: end - begin };
    const [first, last] = rows;
    const [count, ...rest] = shape;
    if (count === undefined || first < 0 || last < first || last > count) {
      throw new Error(`${this.path}, tensor "${name}": rows ${first} to ${last} of shape [${shape.join(", ")}]`);
    }
    const width = sizeOf(rest) * bytesOf[dtype];
    return { dtype, shape: [last - first, ...rest], begin: begin + first * width, bytes: (last - first) * width };
  }

  #bytes(name: string, begin: number, count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    readRange(this.file, begin, bytes, `${this.path}, tensor "${name}"`);
    return bytes;
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
    if (typeof value === "bigint" && !Number.isSafeInteger(number))
      throw new RangeError(`${value} does not fit a number`);
    return number;
  });
}

/** Numbers, or bytes of a stated type that are asked for when their turn comes. */
export type TensorToWrite =
  | { readonly shape: readonly number[]; readonly data: StoredData }
  | { readonly shape: readonly number[]; readonly dtype: Dtype; readonly bytes: () => Uint8Array };

/** Bytes that a tensor takes in a file. @throws Error when its numbers do not fill its shape */
export function storedSize(name: string, tensor: TensorToWrite): number {
  if ("data" in tensor && sizeOf(tensor.shape) !== tensor.data.length) {
    throw new Error(
      `writeSafetensors: "${name}" has ${tensor.data.length} numbers for shape [${tensor.shape.join(", ")}]`,
    );
  }
  return sizeOf(tensor.shape) * bytesOf["data" in tensor ? dtypeOf(tensor.data) : tensor.dtype];
}

function bytesToWrite(name: string, tensor: TensorToWrite): Uint8Array {
  if ("data" in tensor) return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  const bytes = tensor.bytes();
  if (bytes.length !== storedSize(name, tensor)) {
    throw new Error(
      `writeSafetensors: "${name}" gave ${bytes.length} bytes for ${tensor.dtype} [${tensor.shape.join(", ")}]`,
    );
  }
  return bytes;
}

/**
 * Writes tensors under a temporary name and renames: a reader sees the old file or the whole new one.
 *
 * @throws Error when a tensor's numbers do not fill its shape; WriteError when the disk does not take the file
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [string, TensorToWrite]>,
  metadata: Readonly<Record<string, string>> = {},
): void {
  const list = [...tensors];
  const header: Record<string, unknown> = Object.keys(metadata).length === 0 ? {} : { __metadata__: metadata };
  let at = 0;
  for (const [name, tensor] of list) {
    const size = storedSize(name, tensor);
    header[name] = {
      dtype: "data" in tensor ? dtypeOf(tensor.data) : tensor.dtype,
      shape: tensor.shape,
      data_offsets: [at, at + size],
    };
    at += size;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);

  const temporary = `${path}.${process.pid}.tmp`;
  let file: number | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const out = openSync(temporary, "w");
    file = out;
    const write = (bytes: Uint8Array): void => {
      for (let done = 0; done < bytes.length; )
        done += writeSync(out, bytes, done, Math.min(CHUNK, bytes.length - done));
    };
    write(length);
    write(padded);
    for (const [name, tensor] of list) write(bytesToWrite(name, tensor));
    fsyncSync(out);
    file = undefined;
    closeSync(out);
    renameSync(temporary, path);
  } catch (error) {
    if (file !== undefined) closeSync(file);
    removeQuietly(temporary);
    throw writingError(error, dirname(path));
  }
}
