/** Little-endian pieces of a binary file; these writers share no code with the readers in lib. */
export const u16 = (n: number): Buffer => Buffer.from([n & 255, (n >> 8) & 255]);
export const u32 = (n: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(n >>> 0);
  return out;
};
export const u64 = (n: number | bigint): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt(n));
  return out;
};
export const f32 = (...numbers: readonly number[]): Buffer => Buffer.from(Float32Array.from(numbers).buffer);
export const f64 = (...numbers: readonly number[]): Buffer => Buffer.from(Float64Array.from(numbers).buffer);
