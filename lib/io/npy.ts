import { UserError } from "../core/errors";
import { readZip } from "./zip";

/** An array of a .npy file: numbers (booleans as 0 and 1), or a text. */
export interface NpyArray {
  readonly shape: readonly number[];
  /** Row-major. A 64-bit integer becomes a double; one that a double cannot hold is an error. */
  readonly data:
    | Uint8Array
    | Int8Array
    | Uint16Array
    | Int16Array
    | Uint32Array
    | Int32Array
    | Float32Array
    | Float64Array
    | string;
}

type Numbers = Exclude<NpyArray["data"], string>;

// an aligned copy: typed arrays cannot start at any byte
const copyOf = (body: Buffer): ArrayBuffer =>
  body.buffer.slice(body.byteOffset, body.byteOffset + body.length) as ArrayBuffer;

function wide(body: Buffer, signed: boolean, bad: (what: string) => UserError): Float64Array {
  const numbers = signed ? new BigInt64Array(copyOf(body)) : new BigUint64Array(copyOf(body));
  const out = new Float64Array(numbers.length);
  numbers.forEach((n: bigint, i: number) => {
    out[i] = Number(n);
    if (!Number.isSafeInteger(out[i])) throw bad(`number ${i} is ${n}, too large to be exact`);
  });
  return out;
}

const widths: Record<string, number> = { b1: 1, u1: 1, i1: 1, u2: 2, i2: 2, u4: 4, i4: 4, u8: 8, i8: 8, f4: 4, f8: 8 };

function decode(kind: string, body: Buffer, bad: (what: string) => UserError): Numbers {
  const buffer = copyOf(body);
  switch (kind) {
    case "b1":
    case "u1":
      return new Uint8Array(buffer);
    case "i1":
      return new Int8Array(buffer);
    case "u2":
      return new Uint16Array(buffer);
    case "i2":
      return new Int16Array(buffer);
    case "u4":
      return new Uint32Array(buffer);
    case "i4":
      return new Int32Array(buffer);
    case "f4":
      return new Float32Array(buffer);
    case "f8":
      return new Float64Array(buffer);
    default:
      return wide(body, kind === "i8", bad);
  }
}

function toRowMajor(data: Numbers, [rows, cols]: readonly [number, number]): Numbers {
  const out = data.slice();
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[r * cols + c] = data[c * rows + r]!;
  return out;
}

/**
 * Reads a numpy array file (.npy, format 1 to 3): little-endian numbers, booleans, and a single text of Latin
 * letters. Object arrays
 * hold a pickle, which could run any program when it is loaded: they are refused.
 *
 * @param origin file name for messages
 * @throws UserError when the file is cut off, or of another kind
 */
export function readNpy(file: Uint8Array, origin: string): NpyArray {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const bad = (what: string): UserError => new UserError(`${origin}: ${what}; write the array again`);
  if (bytes.length < 10 || bytes.toString("latin1", 0, 6) !== "\x93NUMPY")
    throw bad(`not a .npy array (${bytes.length} bytes)`);
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw bad(`.npy version is ${version}, expected 1 to 3`);
  const from = version === 1 ? 10 : 12;
  if (bytes.length < from) throw bad(`cut off in its header (${bytes.length} bytes)`);
  const at = from + (version === 1 ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8));
  if (at > bytes.length) throw bad(`cut off in its header (${bytes.length} bytes, the header ends at ${at})`);
  const header = bytes.toString("latin1", from, at);
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const sides = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(header)?.[1];
  if (descr === undefined || order === undefined || sides === undefined)
    throw bad(`header "${header.trim().slice(0, 80)}" names no plain type, order and shape`);
  const shape = sides
    .split(",")
    .map((s) => s.trim())
    .filter((s) => s !== "")
    .map(Number);
  const count = shape.reduce((a, b) => a * b, 1);
  if (descr.includes("O")) throw bad("holds Python objects (a pickle), which are never loaded");
  const text = /^(?:\|?S|<U)(\d+)$/.exec(descr);
  const letter = descr.startsWith("<U") ? 4 : 1;
  const kind = /^[<|]([biuf]\d)$/.exec(descr)?.[1] ?? "";
  const width = text === null ? widths[kind] : letter * Number(text[1]);
  if (width === undefined || (text !== null && count !== 1))
    throw bad(
      `type ${descr}${text === null ? "" : ` of shape (${shape.join(", ")})`} is not supported; known: ` +
        `little-endian ${Object.keys(widths).join(", ")}, one text`,
    );
  if (bytes.length - at !== count * width)
    throw bad(
      `has ${bytes.length - at} bytes of data, expected ${count * width} for ${descr} of shape (${shape.join(", ")})`,
    );
  const body = bytes.subarray(at);
  // a text is padded with zeros; of a four-byte letter the Latin ones have one byte that is not zero
  if (text !== null) return { shape, data: body.toString("latin1").replaceAll("\0", "") };
  const data = decode(kind, body, bad);
  if (order === "False" || shape.length < 2) return { shape, data };
  if (shape.length > 2) throw bad(`is stored column by column with ${shape.length} axes, expected at most 2`);
  return { shape, data: toRowMajor(data, shape as [number, number]) };
}

/** The arrays of a .npz file by name. @throws UserError as `readZip` and `readNpy` */
export function readNpz(file: Uint8Array, origin: string): Map<string, NpyArray> {
  return new Map(
    [...readZip(file, origin)].map(([name, bytes]) => [
      name.replace(/\.npy$/, ""),
      readNpy(bytes, `${origin}: ${name}`),
    ]),
  );
}
