import { UserError } from "../core/errors";
import { type NpyArray, readNpz } from "./npy";

/** A sparse matrix by rows: the columns where a row is not zero, ascending. */
export interface SparseRows {
  readonly shape: readonly [number, number];
  /** One int32 list a row. */
  readonly rows: readonly Int32Array[];
}

/** Most rows and columns that are believed: each row is allocated before anything is known of it. */
const MOST_ROWS = 1 << 16;
const MOST_COLUMNS = 1 << 24;

/**
 * Reads what scipy.sparse.save_npz writes: formats csr, csc and coo. Stored zeros do not count.
 *
 * @param origin file name for messages
 * @throws UserError when an array is missing or they contradict each other
 */
export function readSparse(file: Uint8Array, origin: string): SparseRows {
  const arrays = readNpz(file, origin);
  const bad = (what: string): UserError =>
    new UserError(`${origin}: ${what}; write the matrix again with scipy.sparse.save_npz`);
  const numbers = (name: string): Exclude<NpyArray["data"], string> => {
    const data = arrays.get(name)?.data;
    if (data === undefined || typeof data === "string")
      throw bad(`has no array of numbers "${name}"; it has ${[...arrays.keys()].join(", ") || "none"}`);
    return data;
  };
  const format = arrays.get("format")?.data;
  if (format !== "csr" && format !== "csc" && format !== "coo")
    throw bad(`format is ${typeof format === "string" ? `"${format}"` : "not given"}, expected csr, csc or coo`);
  const shape = numbers("shape");
  const [height, width] = [shape[0]!, shape[1]!];
  if (
    shape.length !== 2 ||
    ![height, width].every((n) => Number.isInteger(n) && n >= 0) ||
    height > MOST_ROWS ||
    width > MOST_COLUMNS
  ) {
    throw bad(`shape is (${[...shape].join(", ")}), expected up to ${MOST_ROWS} rows and ${MOST_COLUMNS} columns`);
  }
  const data = numbers("data");
  const whole = (name: string, list: ArrayLike<number>, limit: number): void => {
    for (let i = 0; i < list.length; i++) {
      const n = list[i]!;
      if (!Number.isInteger(n) || n < 0 || n >= limit) throw bad(`${name}[${i}] is ${n}, expected 0 to ${limit - 1}`);
    }
  };
  const found: number[][] = Array.from({ length: height }, () => []);
  const put = (row: number, col: number, i: number): void => {
    if (data[i] !== 0) found[row]!.push(col);
  };
  if (format === "coo") {
    const [row, col] = [numbers("row"), numbers("col")];
    if (row.length !== data.length || col.length !== data.length)
      throw bad(`has ${row.length} rows and ${col.length} columns for ${data.length} values`);
    whole("row", row, height);
    whole("col", col, width);
    for (let i = 0; i < data.length; i++) put(row[i]!, col[i]!, i);
  } else {
    const [major, minor] = format === "csr" ? [height, width] : [width, height];
    const [indptr, indices] = [numbers("indptr"), numbers("indices")];
    if (indptr.length !== major + 1)
      throw bad(
        `indptr has ${indptr.length} numbers, expected ${major + 1} for ${format} of shape (${height}, ${width})`,
      );
    if (indices.length !== data.length) throw bad(`has ${indices.length} indices for ${data.length} values`);
    whole("indptr", indptr, data.length + 1);
    whole("indices", indices, minor);
    if (indptr[0] !== 0 || indptr[major] !== data.length)
      throw bad(`indptr goes from ${indptr[0]} to ${indptr[major]}, expected 0 to ${data.length}`);
    for (let m = 0; m < major; m++) {
      if (indptr[m + 1]! < indptr[m]!) throw bad(`indptr falls from ${indptr[m]} to ${indptr[m + 1]} at ${m}`);
      for (let i = indptr[m]!; i < indptr[m + 1]!; i++)
        put(format === "csr" ? m : indices[i]!, format === "csr" ? indices[i]! : m, i);
    }
  }
  return { shape: [height, width], rows: found.map((columns) => Int32Array.from(new Set(columns)).sort()) };
}
