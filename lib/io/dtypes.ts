/** The element types of safetensors that the lab reads, and their bytes. */
export const bytesOf = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;
export type Dtype = keyof typeof bytesOf;

/** Numbers as they come out of a file: every float as float32, booleans as 0 and 1. */
export type StoredData = Float32Array | BigInt64Array | Int32Array | Uint8Array;

/** The type that numbers are written as. */
export function dtypeOf(data: StoredData): Dtype {
  if (data instanceof Float32Array) return "F32";
  if (data instanceof BigInt64Array) return "I64";
  return data instanceof Int32Array ? "I32" : "U8";
}

function halfToFloat(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 0x1f;
  const fraction = h & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halves: Float32Array | undefined;

/** Two bytes a number to float32, exactly. @param into as long as `words` */
export function widen(dtype: "F16" | "BF16", words: Uint16Array, into: Float32Array): void {
  if (dtype === "F16") {
    // 65,536 values in all: looked up, a checkpoint has billions
    const table = (halves ??= Float32Array.from({ length: 1 << 16 }, (_, h) => halfToFloat(h)));
    for (let i = 0; i < words.length; i++) into[i] = table[words[i]!]!;
    return;
  }
  // bfloat16 is the upper half of a float32
  const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < words.length; i++) bits[i] = words[i]! << 16;
}

/** float32 to bfloat16, to the nearest, ties to even. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const words = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]!;
    // rounding up would turn a NaN with a small fraction into an infinity
    words[i] = Number.isNaN(values[i]!) ? 0x7fc0 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return words;
}

/**
 * The numbers of stored bytes, which must start at a multiple of 8 in their buffer; F16 and BF16 go through `widen`.
 */
export function decode(dtype: Exclude<Dtype, "F16" | "BF16">, bytes: Uint8Array): StoredData {
  const { buffer, byteOffset } = bytes;
  const count = bytes.length / bytesOf[dtype];
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer, byteOffset, count);
    case "F64":
      return Float32Array.from(new Float64Array(buffer, byteOffset, count));
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
