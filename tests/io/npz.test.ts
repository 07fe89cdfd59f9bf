import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { readNpy, readNpz } from "../../lib/io/npy";
import { readSparse } from "../../lib/io/sparse";
import { readZip } from "../../lib/io/zip";
import { u64 } from "../setup/formats/bytes";
import { npyFile, type SparseOptions, sparseNpz, zipFile } from "../setup/formats/npz";

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

describe("zip", () => {
  const members = { "a.npy": Buffer.from("hello hello hello"), "b/c.txt": Buffer.alloc(0) };
  const asText = (bytes: Buffer): Record<string, string> =>
    Object.fromEntries([...readZip(bytes, "a.npz")].map(([k, v]) => [k, v.toString()]));

  test.each([
    [{}],
    [{ deflate: true }],
    [{ deflate: true, zip64: false }],
    [{ wideDirectory: true }],
    [{ deflate: true, wideDirectory: true, comment: "a comment" }],
  ])("written as %j", (options) => {
    expect(asText(zipFile(members, options))).toEqual({ "a.npy": "hello hello hello", "b/c.txt": "" });
  });

  test("an empty archive", () => {
    expect(asText(zipFile({}))).toEqual({});
  });

  const good = zipFile(members, { deflate: true });
  const changed = (find: number, to: (b: Buffer, at: number) => void): Buffer => {
    const copy = Buffer.from(good);
    const mark = Buffer.alloc(4);
    mark.writeUInt32LE(find);
    to(copy, copy.indexOf(mark));
    return copy;
  };
  const central = 0x02014b50;
  /** Three members, each said to unpack to as many bytes. */
  const claiming = (bytes: number): Buffer => {
    const archive = zipFile(
      { "a.npy": Buffer.alloc(9), "b.npy": Buffer.alloc(9), "c.npy": Buffer.alloc(9) },
      { deflate: true },
    );
    for (let at = 0; (at = archive.indexOf("PK\x01\x02", at, "latin1")) >= 0; at++)
      archive.writeUInt32LE(bytes, at + 24);
    return archive;
  };
  test.each<[string, Buffer, string]>([
    [
      "nothing",
      Buffer.alloc(0),
      "a.npz: not a whole zip archive (0 bytes: ADM-ZIP: Invalid or unsupported zip format. No END header found); ",
    ],
    [
      "cut off",
      good.subarray(0, good.length - 5),
      "(245 bytes: ADM-ZIP: Invalid or unsupported zip format. No END header found); download or write the file again",
    ],
    [
      "a directory elsewhere",
      changed(0x06054b50, (b, at) => b.writeUInt32LE(3, at + 16)),
      "not a whole zip archive (250 bytes: ADM-ZIP: Invalid CEN header (bad signature))",
    ],
    [
      "a directory of more members",
      changed(0x06054b50, (b, at) => b.writeUInt32LE(900 * 0x10001, at + 8)),
      "not a whole zip archive (250 bytes: ADM-ZIP: ",
    ],
    ["an encrypted member", changed(central, (b, at) => b.writeUInt16LE(1, at + 8)), "member a.npy is encrypted"],
    [
      "another compression",
      changed(central, (b, at) => b.writeUInt16LE(14, at + 10)),
      "member a.npy has compression 14, expected 0 (stored) or 8 (deflated)",
    ],
    ["a wrong checksum", changed(central, (b, at) => b.writeUInt32LE(1, at + 16)), "member a.npy has a wrong checksum"],
    [
      "a member beyond the end",
      changed(central, (b, at) => b.writeUInt32LE(1e6, at + 20)),
      "member a.npy does not unpack (ADM-ZIP: Invalid LOC header (bad signature))",
    ],
    [
      "a member that is a bomb",
      changed(central, (b, at) => b.writeUInt32LE(0xfffffff0, at + 24)),
      "member a.npy would unpack to 4294967280 bytes",
    ],
    [
      "members that are a bomb together",
      claiming(0x3fffffff),
      "its 3 members would unpack to 3221225469 bytes, expected at most 2147483648",
    ],
    [
      "a member longer than said",
      changed(central, (b, at) => b.writeUInt32LE(3, at + 24)),
      "member a.npy does not unpack",
    ],
    [
      "a member shorter than said",
      changed(central, (b, at) => b.writeUInt32LE(99, at + 24)),
      "member a.npy has 17 bytes, expected 99",
    ],
    [
      "a member whose header is elsewhere",
      changed(central, (b, at) => b.writeUInt32LE(7, at + 42)),
      "member a.npy does not unpack (ADM-ZIP: Invalid LOC header (bad signature))",
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => readZip(bytes, "a.npz")).toThrow(UserError);
    expect(() => readZip(bytes, "a.npz")).toThrow(message);
  });
});

describe("a sparse matrix", () => {
  const rows = [[1, 4], [], [0, 1, 2, 3, 4, 5], [5]];
  const lists = (bytes: Buffer): number[][] => readSparse(bytes, "s.npz").rows.map((r) => [...r]);

  test.each<SparseOptions>([
    { format: "csr" },
    { format: "csc" },
    { format: "coo" },
    { format: "csr", deflate: false },
    { format: "csc", wideDirectory: true },
  ])("as %j", (options) => {
    expect(lists(sparseNpz(rows, 6, options))).toEqual(rows);
    expect(readSparse(sparseNpz(rows, 6, options), "s.npz").shape).toEqual([4, 6]);
  });

  test("stored zeros, doubled entries and unsorted columns", () => {
    const change = {
      data: npyFile("|b1", [5], Buffer.from([1, 0, 1, 1, 1])),
      indices: npyFile("<i4", [5], of(Int32Array.of(5, 3, 2, 2, 0))),
      indptr: npyFile("<i4", [3], of(Int32Array.of(0, 4, 5))),
    };
    expect(lists(sparseNpz([[], []], 6, { change }))).toEqual([[2, 5], [0]]);
  });

  test("no rows, no columns", () => {
    expect(lists(sparseNpz([], 6))).toEqual([]);
    expect(lists(sparseNpz([[], []], 0))).toEqual([[], []]);
  });

  const int = (...n: number[]): Buffer => npyFile("<i4", [n.length], of(Int32Array.from(n)));
  test.each<[string, SparseOptions["change"], string]>([
    ["no format", { format: undefined }, "s.npz: format is not given, expected csr, csc or coo"],
    ["another format", { format: npyFile("|S3", [], Buffer.from("bsr")) }, 'format is "bsr", expected csr, csc or coo'],
    ["no values", { data: undefined }, 'has no array of numbers "data"; it has indices, indptr, format, shape'],
    ["a shape of one", { shape: int(4) }, "shape is (4), expected up to 65536 rows"],
    [
      "a huge shape",
      { shape: int(2 ** 30, 6) },
      "shape is (1073741824, 6), expected up to 65536 rows and 16777216 columns",
    ],
    ["a negative shape", { shape: int(-4, 6) }, "shape is (-4, 6)"],
    ["too short an indptr", { indptr: int(0, 9) }, "indptr has 2 numbers, expected 5 for csr of shape (4, 6)"],
    ["an indptr that falls", { indptr: int(0, 3, 2, 8, 9) }, "indptr falls from 3 to 2 at 1"],
    ["an indptr that starts late", { indptr: int(1, 2, 2, 8, 9) }, "indptr goes from 1 to 9, expected 0 to 9"],
    ["an indptr beyond the values", { indptr: int(0, 2, 2, 8, 10) }, "indptr[4] is 10, expected 0 to 9"],
    ["a column that is not there", { indices: int(1, 4, 0, 1, 2, 3, 4, 6, 5) }, "indices[7] is 6, expected 0 to 5"],
    ["a negative column", { indices: int(1, 4, 0, 1, 2, 3, 4, -1, 5) }, "indices[7] is -1"],
    ["fewer indices than values", { indices: int(1, 4) }, "has 2 indices for 9 values"],
    [
      "indices that are a pickle",
      { indices: npyFile("|O", [1], Buffer.from("\x80\x04.")) },
      "s.npz: indices.npy: holds Python objects (a pickle), which are never loaded",
    ],
  ])("refuses %s", (_, change, message) => {
    const bytes = sparseNpz(rows, 6, { change });
    expect(() => readSparse(bytes, "s.npz")).toThrow(UserError);
    expect(() => readSparse(bytes, "s.npz")).toThrow(message);
  });

  test("what scipy.sparse would read is read, for any matrix", () => {
    const matrix = fc.array(fc.uniqueArray(fc.nat(8), { maxLength: 9 }), { maxLength: 6 });
    fc.assert(
      fc.property(matrix, fc.constantFrom("csr", "csc", "coo") as fc.Arbitrary<"csr" | "csc" | "coo">, (m, format) => {
        expect(lists(sparseNpz(m, 9, { format }))).toEqual(m.map((r) => [...r].sort((a, b) => a - b)));
      }),
      { numRuns: 60 },
    );
  });

  test("mutated bytes give an error or a matrix, never anything else", () => {
    const files = [
      sparseNpz(rows, 6),
      sparseNpz(rows, 6, { format: "csc", deflate: false, wideDirectory: true }),
      sparseNpz(rows, 6, { format: "coo", deflate: false }),
    ];
    fc.assert(
      fc.property(
        fc.nat(2),
        fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        (which, changes) => {
          const bytes = Buffer.from(files[which]!);
          for (const [at, to] of changes) bytes[at % bytes.length] = to;
          try {
            readNpz(bytes, "s.npz");
            readSparse(bytes, "s.npz");
          } catch (error) {
            if (!(error instanceof UserError)) throw error;
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
