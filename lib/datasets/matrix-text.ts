import { existsSync, readFileSync } from "node:fs";
import { UserError } from "../core/errors";
import type { Intrinsics } from "../geometry/camera";

/** Numbers with white space or commas between; what is no number becomes NaN, "inf" infinite. */
export function numbersIn(text: string): number[] {
  return text
    .trim()
    .split(/[\s,]+/)
    .map((word) => {
      if (/^[+-]?inf(inity)?$/i.test(word)) return word.startsWith("-") ? -Infinity : Infinity;
      return word === "" ? NaN : Number(word);
    });
}

/** fx, fy, cx, cy of row-major 4x4 or 3x3 numbers. @throws UserError when there are neither 16 nor 9 */
export function intrinsicsOf(m: ArrayLike<number>, origin: string): Intrinsics {
  if (m.length !== 16 && m.length !== 9)
    throw new UserError(`${origin}: expected 16 numbers (4x4) or 9 (3x3), got ${m.length}; export the scan again`);
  const side = m.length === 16 ? 4 : 3;
  return { fx: m[0]!, fy: m[side + 1]!, cx: m[2]!, cy: m[side + 2]! };
}

/** A camera-to-world matrix, row-major 4x4; undefined when a number is infinite or missing. */
export function readPose(file: string): Float64Array | undefined {
  return existsSync(file) ? usablePose(numbersIn(readFileSync(file, "utf8"))) : undefined;
}

/** The 16 numbers when all are finite: lost tracking is written as infinities. */
export function usablePose(m: ArrayLike<number>): Float64Array | undefined {
  const pose = Float64Array.from(m);
  return pose.length === 16 && pose.every(Number.isFinite) ? pose : undefined;
}

/** The value of "key = value" lines in a scan's <scene>.txt. */
export function scanFact(text: string, key: string): string | undefined {
  return new RegExp(`^\\s*${key}\\s*=\\s*(.+)$`, "m").exec(text)?.[1]?.trim();
}
