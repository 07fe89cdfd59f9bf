import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  numbersOf,
  readSafetensors,
  SafetensorsFile,
  type StoredData,
  writeSafetensors,
} from "../../lib/io/safetensors";
import fc from "../setup/fast-check";

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "safetensors-"))));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file with the given header and data bytes. */
function file(header: unknown, data: Uint8Array, statedLength?: number): string {
  const text = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(statedLength ?? text.length));
  const path = join(folder, "made.safetensors");
  writeFileSync(path, Buffer.concat([length, text, data]));
  return path;
}

describe("round trip", () => {
  test("every type that is written comes back, with shape and metadata", () => {
    const path = join(folder, "sub", "round.safetensors");
    const tensors: [string, { shape: number[]; data: StoredData }][] = [
      ["floats", { shape: [2, 2], data: Float32Array.of(1.5, -0, NaN, Infinity) }],
      ["scalar", { shape: [], data: Float32Array.of(7) }],
      ["empty", { shape: [0, 3], data: new Float32Array(0) }],
      ["longs", { shape: [2], data: BigInt64Array.of(-(2n ** 60n), 5n) }],
      ["ints", { shape: [2], data: Int32Array.of(-7, 7) }],
      // an odd number of bytes shifts everything behind it
      ["bytes", { shape: [3], data: Uint8Array.of(1, 2, 255) }],
      ["after", { shape: [1], data: Float32Array.of(3.25) }],
    ];
    writeSafetensors(path, tensors, { format: "pt" });
    const back = readSafetensors(path);
    for (const [name, { shape, data }] of tensors) expect(back.get(name)).toMatchObject({ shape, data });
    const open = SafetensorsFile.open(path);
    expect(open.metadata).toEqual({ format: "pt" });
    open.close();
    expect(readdirSync(join(folder, "sub"))).toEqual(["round.safetensors"]);
  });

  test("any float32 arrays", () => {
    const path = join(folder, "any.safetensors");
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ minLength: 1 }).filter((s) => s !== "__metadata__" && s !== "__proto__"),
          fc.float32Array({ maxLength: 9 }),
        ),
        (tensors) => {
          writeSafetensors(
            path,
            Object.entries(tensors).map(([name, data]) => [name, { shape: [data.length], data }]),
          );
          const back = readSafetensors(path);
          expect(back.size).toBe(Object.keys(tensors).length);
          for (const [name, data] of Object.entries(tensors)) expect(back.get(name)!.data).toEqual(data);
        },
      ),
      { numRuns: 40 },
    );
  });

  test("the header is padded to 8 bytes, as the format asks", () => {
    const path = join(folder, "padded.safetensors");
    writeSafetensors(path, [["x", { shape: [1], data: Float32Array.of(1) }]]);
    expect(Number(readFileSync(path).readBigUInt64LE(0)) % 8).toBe(0);
  });

  test("numbers that do not fill the shape are not written", () => {
    expect(() => writeSafetensors(join(folder, "no"), [["x", { shape: [3], data: Float32Array.of(1) }]])).toThrow(
      '"x" has 1 numbers for shape [3]',
    );
  });
});

describe("types", () => {
  const entry = (dtype: string, shape: number[], bytes: number) => ({ x: { dtype, shape, data_offsets: [0, bytes] } });

  test.each([
    // IEEE half: 1, -2, 2^-24 (least subnormal), 65504 (largest), infinity
    ["F16", [0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00], [1, -2, 2 ** -24, 65504, Infinity]],
    // bfloat16: upper halves of 1, -2, 3.140625, infinity, 0
    ["BF16", [0x3f80, 0xc000, 0x4049, 0x7f80, 0], [1, -2, 3.140625, Infinity, 0]],
  ])("%s becomes float32", (dtype, bits, values) => {
    const data = new Uint8Array(Uint16Array.from(bits as number[]).buffer);
    expect([...(readSafetensors(file(entry(dtype, [5], 10), data)).get("x")!.data as Float32Array)]).toEqual(values);
  });

  test("F64, I16, I8 and BOOL widen", () => {
    const read = (dtype: string, bytes: ArrayLike<number> & { buffer: ArrayBufferLike }, n: number) => [
      ...numbersOf(
        readSafetensors(file(entry(dtype, [n], bytes.buffer.byteLength), new Uint8Array(bytes.buffer))).get("x")!,
      ),
    ];
    expect(read("F64", Float64Array.of(0.5, -3), 2)).toEqual([0.5, -3]);
    expect(read("I16", Int16Array.of(-300, 4), 2)).toEqual([-300, 4]);
    expect(read("I8", Int8Array.of(-3, 4), 2)).toEqual([-3, 4]);
    expect(read("BOOL", Uint8Array.of(1, 0), 2)).toEqual([1, 0]);
  });

  test.each(["F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "U64", "U32", "C64"])("%s is named, with what to do", (dtype) => {
    expect(() => readSafetensors(file(entry(dtype, [2], 2), new Uint8Array(2)))).toThrow(
      new RegExp(
        `^/.*: tensor "x" has dtype "${dtype}", which the lab does not read .*; take a checkpoint without quan`,
      ),
    );
  });

  test("an integer beyond 2^53 has no number", () => {
    expect(() => numbersOf({ data: BigInt64Array.of(2n ** 60n) })).toThrow(RangeError);
  });
});

test("__metadata__ of null is none, as the format's own library reads it", () => {
  const folder = mkdtempSync(join(tmpdir(), "safetensors-"));
  const path = join(folder, "x.safetensors");
  const header = Buffer.from('{"__metadata__":null,"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}');
  const length = Buffer.alloc(8);
  length.writeUInt32LE(header.length);
  writeFileSync(path, Buffer.concat([length, header, Buffer.from([7])]));
  expect(readSafetensors(path).get("x")!.data).toEqual(Uint8Array.of(7));
  rmSync(folder, { recursive: true });
});

describe("unsound files are refused", () => {
  const one = { x: { dtype: "F32", shape: [1], data_offsets: [0, 4] } };
  const four = new Uint8Array(4);

  test.each([
    ["not JSON", "{", four, "its header is not JSON"],
    ["not an object", "[]", four, "its header is not a JSON object"],
    [
      "unknown type",
      { x: { ...one.x, dtype: "F8" } },
      four,
      'tensor "x" has dtype "F8", which the lab does not read (known: F64, F32',
    ],
    ["bad shape", { x: { ...one.x, shape: [-1] } }, four, 'tensor "x" has shape [-1]'],
    [
      "bad offsets",
      { x: { ...one.x, data_offsets: [4, 0] } },
      four,
      'tensor "x" has data_offsets [4,0]; expected [begin, end]',
    ],
    [
      "wrong size",
      { x: { ...one.x, shape: [2] } },
      four,
      'tensor "x" of F32 [2] needs 8 bytes, its data_offsets span 4',
    ],
    ["cut off", one, new Uint8Array(3), "it was cut off, copy it again"],
    [
      "overlap",
      { x: one.x, y: { dtype: "F32", shape: [1], data_offsets: [2, 6] } },
      new Uint8Array(6),
      'tensors "x" and "y" overlap',
    ],
    [
      "a hole",
      { x: { ...one.x, data_offsets: [4, 8] } },
      new Uint8Array(8),
      '4 bytes before tensor "x" belong to no tensor',
    ],
    ["a tail", one, new Uint8Array(6), "2 bytes at its end belong to no tensor"],
  ])("%s", (_, header, data, message) => {
    expect(() => readSafetensors(file(header, data))).toThrow(message);
  });

  test("a header longer than the file, or than the format allows", () => {
    expect(() => readSafetensors(file(one, four, 1e6))).toThrow("it states a header of 1000000 bytes, the file has");
    expect(() => readSafetensors(file(one, four, 2 ** 40))).toThrow("limit 100000000");
  });

  test("too short for a length; missing; no such tensor", () => {
    const path = join(folder, "short");
    writeFileSync(path, "abc");
    expect(() => readSafetensors(path)).toThrow("it has 3 bytes, a header length alone has 8");
    expect(() => readSafetensors(join(folder, "none"))).toThrow("cannot be opened (ENOENT)");
    const open = SafetensorsFile.open(file(one, four));
    expect(() => open.read("z")).toThrow('no tensor "z" in it');
    open.close();
  });
});
