import { describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { readNpz } from "../../lib/io/npy";
import { readSparse } from "../../lib/io/sparse";
import fc from "../setup/fast-check";
import { npyFile, type SparseOptions, sparseNpz } from "../setup/formats/npz";

const of = (list: Int32Array | Float32Array | Float64Array | Int16Array): Buffer => Buffer.from(list.buffer);

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
