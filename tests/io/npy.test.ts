import { describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { readNpy } from "../../lib/io/npy";
import { u64 } from "../setup/formats/bytes";
import { npyFile } from "../setup/formats/npz";

const plain = (bytes: Buffer): { shape: readonly number[]; data: unknown } => {
  const { shape, data } = readNpy(bytes, "a.npy");
  return { shape, data: typeof data === "string" ? data : [...data] };
};
const of = (list: Int32Array | Float32Array | Float64Array | Int16Array): Buffer => Buffer.from(list.buffer);

describe("npy", () => {
  test.each<[string, Buffer, readonly number[], unknown]>([
    ["booleans", npyFile("|b1", [3], Buffer.from([1, 0, 1])), [3], [1, 0, 1]],
    ["int32 rows", npyFile("<i4", [2, 3], of(Int32Array.of(1, -2, 3, 4, 5, 6))), [2, 3], [1, -2, 3, 4, 5, 6]],
    [
      "columns first",
      npyFile("<i4", [2, 3], of(Int32Array.of(1, 4, -2, 5, 3, 6)), { fortran: true }),
      [2, 3],
      [1, -2, 3, 4, 5, 6],
    ],
    ["int64", npyFile("<i8", [2], Buffer.concat([u64(7), u64(0xffffffffffffffffn)])), [2], [7, -1]],
    ["uint64", npyFile("<u8", [1], u64(2 ** 40)), [1], [2 ** 40]],
    ["float64, format 2", npyFile("<f8", [1], of(Float64Array.of(0.1)), { version: 2 }), [1], [0.1]],
    ["float32, format 3", npyFile("<f4", [], of(Float32Array.of(0.5)), { version: 3 }), [], [0.5]],
    ["int16", npyFile("<i2", [2], of(Int16Array.of(-1, 5))), [2], [-1, 5]],
    ["nothing", npyFile("<i4", [0], Buffer.alloc(0)), [0], []],
    ["a byte string", npyFile("|S5", [], Buffer.from("csr\0\0")), [], "csr"],
    ["a unicode string", npyFile("<U3", [], Buffer.from("c\0\0\0s\0\0\0r\0\0\0", "latin1")), [], "csr"],
  ])("%s", (_, bytes, shape, data) => {
    expect(plain(bytes)).toEqual({ shape, data });
  });

  test.each<[string, Buffer, string]>([
    ["no array", Buffer.from("PK"), "a.npy: not a .npy array (2 bytes); write the array again"],
    ["a later format", npyFile("<i4", [0], Buffer.alloc(0), { version: 9 }), ".npy version is 9, expected 1 to 3"],
    [
      "a header beyond the end",
      npyFile("<i4", [0], Buffer.alloc(0)).subarray(0, 40),
      "cut off in its header (40 bytes, the header ends at 128)",
    ],
    [
      "a header of nothing",
      Buffer.concat([Buffer.from([0x93]), Buffer.from("NUMPY\x02\0\x01")]),
      "not a .npy array (9 bytes)",
    ],
    ["data cut off", npyFile("<i4", [3], Buffer.alloc(8)), "has 8 bytes of data, expected 12 for <i4 of shape (3)"],
    ["data too long", npyFile("<i4", [1], Buffer.alloc(8)), "has 8 bytes of data, expected 4"],
    [
      "Python objects",
      npyFile("|O", [1], Buffer.from("\x80\x04.")),
      "holds Python objects (a pickle), which are never loaded",
    ],
    [
      "big-endian numbers",
      npyFile(">i4", [1], Buffer.alloc(4)),
      "type >i4 is not supported; known: little-endian b1, u1",
    ],
    ["complex numbers", npyFile("<c8", [1], Buffer.alloc(8)), "type <c8 is not supported"],
    ["several texts", npyFile("|S2", [2], Buffer.alloc(4)), "type |S2 of shape (2) is not supported"],
    [
      "an inexact integer",
      npyFile("<i8", [1], u64(2n ** 60n)),
      "number 0 is 1152921504606846976, too large to be exact",
    ],
    ["a record type", npyFile("x', 'y", [1], Buffer.alloc(4)), "is not supported"],
    [
      "three axes by column",
      npyFile("|u1", [1, 1, 2], Buffer.alloc(2), { fortran: true }),
      "is stored column by column with 3 axes",
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readNpy(bytes, "a.npy")).toThrow(UserError);
    expect(() => readNpy(bytes, "a.npy")).toThrow(message);
  });
});
