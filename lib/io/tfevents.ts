/**
 * TensorBoard's event files: records of TFRecord's form (length, masked CRC-32C of it, data, masked CRC-32C of that)
 * that hold `Event` protocol buffers. Scalars alone.
 */

/** CRC-32C (Castagnoli, reflected 0x1EDC6F41) of every byte. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C of some bytes, as an unsigned number. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** TFRecord's mask: checksums of data that hold checksums would be weak. */
function masked(bytes: Uint8Array): Buffer {
  const crc = crc32c(bytes);
  const out = Buffer.alloc(4);
  out.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return out;
}

function record(data: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, masked(length), data, masked(data)]);
}

/** A whole number of 0 and more in protocol buffers' form. */
function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) out.push((rest % 128) | 0x80);
  return Buffer.from([...out, rest]);
}

const bytesField = (field: number, data: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([(field << 3) | 2]), varint(data.length), data]);

function doubleField(field: number, value: number): Buffer {
  const out = Buffer.alloc(9);
  out[0] = (field << 3) | 1;
  out.writeDoubleLE(value, 1);
  return out;
}

function floatField(field: number, value: number): Buffer {
  const out = Buffer.alloc(5);
  out[0] = (field << 3) | 5;
  out.writeFloatLE(value, 1);
  return out;
}

/** The record that an event file begins with. @param time seconds since 1970 */
export const fileHeader = (time: number): Buffer =>
  record(Buffer.concat([doubleField(1, time), bytesField(3, Buffer.from("brain.Event:2"))]));

/** The scalars of one step, by tag. @param time seconds since 1970 */
export function scalarEvent(time: number, step: number, scalars: Readonly<Record<string, number>>): Buffer {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytesField(1, Buffer.concat([bytesField(1, Buffer.from(tag)), floatField(2, value)])),
  );
  // a field that is 0 is not written
  const count = step === 0 ? [] : [Buffer.from([2 << 3]), varint(step)];
  return record(Buffer.concat([doubleField(1, time), ...count, bytesField(5, Buffer.concat(values))]));
}
