import { execFileSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { inProject } from "../../lib/core/root";
import { toBfloat16 } from "../../lib/io/dtypes";
import { readSafetensors, SafetensorsFile, writeSafetensors } from "../../lib/io/safetensors";
import fc from "../setup/fast-check";

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "safetensors-limits-"))));
afterAll(() => rmSync(folder, { recursive: true }));

describe("half precision", () => {
  test("stays half in raw bytes, becomes float32 when read, whole or by rows", () => {
    const path = join(folder, "half.safetensors");
    const values = Float32Array.from({ length: 12 }, (_, i) => i - 6.5);
    const words = toBfloat16(values);
    writeSafetensors(path, [["x", { dtype: "BF16", shape: [4, 3], bytes: () => new Uint8Array(words.buffer) }]]);
    expect(statSync(path).size % 8).toBe(0);
    const file = SafetensorsFile.open(path);
    expect(file.raw("x")).toEqual({ dtype: "BF16", shape: [4, 3], bytes: new Uint8Array(words.buffer) });
    expect(file.read("x").data).toEqual(values);
    expect(file.read("x", [1, 3])).toEqual({ dtype: "BF16", shape: [2, 3], data: values.subarray(3, 9) });
    expect(() => file.read("x", [3, 5])).toThrow("rows 3 to 5 of shape [4, 3]");
    file.close();
  });

  test("more numbers than one piece holds", () => {
    const path = join(folder, "long.safetensors");
    const count = (1 << 22) + 5;
    const words = Uint16Array.from({ length: count }, (_, i) => 0x3f80 + (i % 7));
    writeSafetensors(path, [["x", { dtype: "BF16", shape: [count], bytes: () => new Uint8Array(words.buffer) }]]);
    const { data } = readSafetensors(path).get("x")!;
    const bits = new Uint32Array((data as Float32Array).buffer);
    let wrong = 0;
    for (let i = 0; i < count; i++) if (bits[i] !== words[i]! << 16) wrong++;
    expect(wrong).toBe(0);
  });

  test("float32 rounds to the nearest bfloat16, ties to even", () => {
    // 1 + 2^-8 lies halfway between 1 and 1 + 2^-7; 1 + 3·2^-8 halfway between 1 + 2^-7 and 1 + 2^-6
    const words = toBfloat16(
      Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -2, Infinity, NaN, 3.4e38),
    );
    expect([...words]).toEqual([0x3f80, 0x3f80, 0x3f82, 0x3f81, 0xc000, 0x7f80, 0x7fc0, 0x7f80]);
  });

  test("bytes that do not fill the stated shape are not written", () => {
    const path = join(folder, "no.safetensors");
    expect(() =>
      writeSafetensors(path, [["x", { dtype: "BF16", shape: [2], bytes: () => new Uint8Array(2) }]]),
    ).toThrow('"x" gave 2 bytes for BF16 [2]');
    expect(statSync(path, { throwIfNoEntry: false })).toBeUndefined();
  });
});

test("one tensor of a 5 GB file is read in under 300 MB", { timeout: 120_000 }, () => {
  const path = join(folder, "large.safetensors");
  const [large, small] = [5e9, 1_000_000];
  const header = Buffer.from(
    JSON.stringify({
      large: { dtype: "F32", shape: [large / 4], data_offsets: [0, large] },
      small: { dtype: "BF16", shape: [small], data_offsets: [large, large + 2 * small] },
    }).padEnd(256),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = openSync(path, "w");
  writeSync(file, Buffer.concat([length, header]));
  // no block is stored for what is never written
  ftruncateSync(file, 8 + header.length + large + 2 * small);
  writeSync(file, Uint16Array.of(0x4049), 0, 2, 8 + header.length + large);
  closeSync(file);
  expect(statSync(path).blocks * 512).toBeLessThan(1e6);
  const child = ["--import", require.resolve("tsx"), inProject("tests", "io", "one-tensor.ts"), path, "small"];
  const found = JSON.parse(execFileSync(process.execPath, child, { encoding: "utf8" })) as {
    first: number;
    count: number;
    maxRss: number;
  };
  expect(found).toMatchObject({ first: 3.140625, count: small });
  expect(found.maxRss / 1024).toBeLessThan(300);
});

describe("hostile headers", () => {
  /** A file with this header text and four bytes of data. */
  function file(header: string | Uint8Array): string {
    const text = typeof header === "string" ? Buffer.from(header) : header;
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const path = join(folder, "hostile.safetensors");
    writeFileSync(path, Buffer.concat([length, text, Buffer.alloc(4)]));
    return path;
  }

  test.each([
    [
      "a name twice",
      '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      'its header names "x" twice',
    ],
    [
      "a name twice, spelt in two ways",
      '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' +
        '"\\u0078":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}',
      'its header names "x" twice',
    ],
    [
      "a field twice",
      '{"x":{"dtype":"F32","shape":[1],"shape":[0],"data_offsets":[0,4]}}',
      'its header names "shape" twice',
    ],
    [
      "a type inherited by every object",
      '{"x":{"dtype":"constructor","shape":[1],"data_offsets":[0,4]}}',
      'tensor "x" has dtype "constructor", which the lab does not read (known: F64',
    ],
    ["a list for a tensor", '{"x":[1]}', 'tensor "x" has dtype undefined'],
    [
      "sizes whose product is no whole number",
      '{"x":{"dtype":"F32","shape":[9007199254740991,9007199254740991],"data_offsets":[0,4]}}',
      'tensor "x" of F32 [9007199254740991, 9007199254740991] needs',
    ],
    [
      "an offset beyond the file",
      '{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
      "it was cut off, copy it again",
    ],
    [
      "metadata that is no text",
      '{"__metadata__":{"format":1},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      'its __metadata__ is {"format":1}; expected texts by name',
    ],
    ["bytes that are no UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d), "its header is not UTF-8 text"],
  ])("%s", (_, header, message) => {
    expect(() => readSafetensors(file(header))).toThrow(message);
  });

  test("a name that every object has is a name like others", () => {
    const path = file('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}');
    expect([...readSafetensors(path).keys()]).toEqual(["__proto__"]);
  });

  test("a folder is no file", () => {
    expect(() => SafetensorsFile.open(folder)).toThrow("not a file; expected a .safetensors file");
  });
});

test("a damaged file is read or refused in words, never anything else", { timeout: 240_000 }, () => {
  const path = join(folder, "sound.safetensors");
  writeSafetensors(
    path,
    [
      ["a.weight", { shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
      ["b", { dtype: "BF16", shape: [2], bytes: () => new Uint8Array(4) }],
      ["c", { shape: [1], data: BigInt64Array.of(7n) }],
    ],
    { format: "pt" },
  );
  const sound = readFileSync(path);
  const headerEnd = 8 + Number(sound.readBigUInt64LE(0));
  const damaged = join(folder, "damaged.safetensors");
  const digits = [..."0123456789"].map((c) => c.charCodeAt(0));
  const change = fc.oneof(
    fc.record({ kind: fc.constant("byte" as const), at: fc.nat(sound.length - 1), to: fc.nat(255) }),
    // a digit for a digit keeps the header JSON, so that the checks behind it are reached
    fc.record({
      kind: fc.constant("digit" as const),
      at: fc.integer({ min: 8, max: headerEnd - 1 }),
      to: fc.constantFrom(...digits),
    }),
    fc.record({ kind: fc.constant("length" as const), at: fc.nat(7), to: fc.nat(255) }),
    fc.record({ kind: fc.constant("cut" as const), at: fc.nat(sound.length), to: fc.constant(0) }),
    fc.record({ kind: fc.constant("grow" as const), at: fc.integer({ min: 1, max: 64 }), to: fc.nat(255) }),
    fc.record({
      kind: fc.constant("double" as const),
      at: fc.integer({ min: 8, max: headerEnd - 1 }),
      to: fc.integer({ min: 1, max: 40 }),
    }),
  );
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      let bytes = Buffer.from(sound);
      for (const { kind, at, to } of changes) {
        if (kind === "cut") bytes = bytes.subarray(0, at);
        else if (kind === "grow") bytes = Buffer.concat([bytes, Buffer.alloc(at, to)]);
        else if (kind === "double") bytes = Buffer.concat([bytes.subarray(0, at + to), bytes.subarray(at)]);
        else if (at < bytes.length && (kind !== "digit" || digits.includes(bytes[at]!))) bytes[at] = to;
      }
      writeFileSync(damaged, bytes);
      try {
        for (const [, { data, shape }] of readSafetensors(damaged))
          expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
        expect((error as Error).message.startsWith(damaged)).toBe(true);
      }
    }),
    { numRuns: 250 },
  );
});
