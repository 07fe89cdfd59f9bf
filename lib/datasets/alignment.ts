import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { indexedScan } from "./embodiedscan";
import { keptFile, parseJson } from "./json-file";
import { numbersIn, scanFact } from "./matrix-text";

/** ReferIt3D's file of all scans. */
export const alignmentFile = "scans_axis_alignment_matrices.json";

/** Of scans that the lab does not read too, which may have none: []. */
const Matrices = z.record(z.string(), z.array(z.unknown()));

function matrix(m: readonly unknown[], origin: string): Float64Array {
  const numbers = Float64Array.from(m, (x) => (typeof x === "number" ? x : NaN));
  if (numbers.length === 16 && numbers.every(Number.isFinite)) return numbers;
  throw new UserError(
    `${origin} must be 16 finite numbers (row-major 4x4), got ` +
      `${numbers.length}${numbers.length === 16 ? " that are not all finite" : ""}; take the file from the scan again`,
  );
}

/**
 * What ReferIt3D's file of all scans says of one; undefined without it. @throws UserError when the file is damaged
 */
export function listedAlignment(folder: string, id: string): readonly unknown[] | undefined {
  const all = keptFile(join(folder, alignmentFile), (path) =>
    parseJson(path, Matrices, "a matrix for each scan", "download it again"),
  );
  return all?.[id];
}

/**
 * Row-major 4x4 that turns a scan's own world into the axis-aligned one, metres: the axisAlignment line of
 * <scene>.txt, else ReferIt3D's scans_axis_alignment_matrices.json, else EmbodiedScan's index.
 *
 * @returns undefined when none has it (ScanNet's test scans)
 * @throws UserError when one has it, but not as 16 finite numbers
 */
export function readAlignment(folder: string, id: string): Float64Array | undefined {
  const file = join(folder, "scans", id, `${id}.txt`);
  const line = existsSync(file) ? scanFact(readFileSync(file, "utf8"), "axisAlignment") : undefined;
  if (line !== undefined) return matrix(numbersIn(line), `${file}: axisAlignment`);
  const listed = listedAlignment(folder, id);
  if (listed !== undefined) return matrix(listed, `${join(folder, alignmentFile)}: ${id}`);
  const indexed = indexedScan(folder, id)?.alignment;
  return indexed === undefined
    ? undefined
    : matrix(indexed, `${join(folder, "embodiedscan.json")}: ${id}: axis_align_matrix`);
}
