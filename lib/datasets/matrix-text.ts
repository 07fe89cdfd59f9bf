import { readFileSync } from "node:fs";
import { UserError } from "../core/errors";
import type { Intrinsics } from "../geometry/camera";

/** What stands for a number that is not finite; Windows writes -1.#INF and 1.#QNAN. */
const notFinite = /(?<![^\s,])[+-]?(?:nan|inf(?:inity)?|1\.#\w+)(?![^\s,])/gi;

/** Numbers with white space or commas between; what is no number becomes NaN, "inf" infinite. */
export function numbersIn(text: string): number[] {
  return text
    .replace(/^\uFEFF/, "")
    .trim()
    .split(/[\s,]+/)
    .map((word) => {
      if (/^[+-]?inf(inity)?$/i.test(word)) return word.startsWith("-") ? -Infinity : Infinity;
      return word === "" ? NaN : Number(word);
    });
}

/**
 * fx, fy, cx, cy of row-major 4x4 or 3x3 numbers, or of those four.
 *
 * @throws UserError when there are neither 16 nor 9 nor 4
 */
export function intrinsicsOf(m: ArrayLike<number>, origin: string): Intrinsics {
  if (m.length === 4) return { fx: m[0]!, fy: m[1]!, cx: m[2]!, cy: m[3]! };
  if (m.length !== 16 && m.length !== 9)
    throw new UserError(`${origin}: expected 16 numbers (4x4) or 9 (3x3), got ${m.length}; export the scan again`);
  const side = m.length === 16 ? 4 : 3;
  return { fx: m[0]!, fy: m[side + 1]!, cx: m[2]!, cy: m[side + 2]! };
}

/** Why a frame has no pose that can be used. */
export interface PoseFault {
  readonly fault: string;
}

/** A camera-to-world matrix from its file, row-major 4x4, or why it cannot be used. */
export function readPose(file: string | undefined): Float64Array | PoseFault {
  if (file === undefined) return { fault: "has no pose file" };
  try {
    const text = readFileSync(file, "utf8");
    if (text.includes("\0")) return { fault: "has a pose file that is no UTF-8 text" };
    const numbers = numbersIn(text);
    const odd = numbers.some(Number.isNaN)
      ? /[^\s,]*[^\s,\d.eE+-][^\s,]*/.exec(text.replace(notFinite, ""))?.[0]
      : undefined;
    return odd === undefined ? usablePose(numbers) : { fault: `has a pose file with "${odd.slice(0, 20)}" in it` };
  } catch (error) {
    return { fault: `has a pose file that cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
}

/** The 16 numbers when all are finite: lost tracking is written as infinities. */
export function usablePose(m: ArrayLike<number>): Float64Array | PoseFault {
  if (m.length !== 16) return { fault: `has a pose of ${m.length} numbers instead of 16` };
  const pose = Float64Array.from(m);
  return pose.every(Number.isFinite) ? pose : { fault: "has a pose that is not finite" };
}

/** The value of "key = value" lines in a scan's <scene>.txt. */
export function scanFact(text: string, key: string): string | undefined {
  return new RegExp(`^\\s*${key}\\s*=\\s*(.+)$`, "m").exec(text)?.[1]?.trim();
}
