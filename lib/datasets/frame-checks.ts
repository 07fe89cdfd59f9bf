import { rotationError } from "../geometry/rotation";
import type { DataRules } from "./data-rules";

export const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;

/** How often each reason was met, in words. */
export function counted(reasons: Iterable<string>): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].map(([reason, n]) => `${n} ${reason}`).join(", ");
}

/** What keeps a row-major 4x4 from being a turn and a shift; undefined when it is one. */
export function rigidFault(pose: ArrayLike<number>, tolerance: number): string | undefined {
  const { error, determinant } = rotationError(pose);
  if (!(error <= tolerance))
    return `whose rotation is none (columns not orthonormal, off by ${error.toFixed(2)}, at most ${tolerance})`;
  if (determinant < 0) return "that mirrors (its rotation is left-handed)";
  const last = [0, 0, 0, 1].some((x, k) => !(Math.abs(pose[12 + k]! - x) <= tolerance));
  return last ? "whose last row is not 0 0 0 1 (stored column by column?)" : undefined;
}

/** Metres of each 16-bit value of a depth image; 0 = not measured. */
export function metresTable({ scale = 1000, invalid = [], far = Infinity }: DataRules["depth"]): Float32Array {
  const out = new Float32Array(1 << 16);
  for (let value = 1; value < out.length && value / scale <= far; value++) out[value] = value / scale;
  for (const value of invalid) out[value] = 0;
  return out;
}

interface ImageSize {
  readonly cols: number;
  readonly rows: number;
}

/**
 * Why a colour image cannot be stretched to its depth image's shape: of another shape it shows something else;
 * undefined when it can.
 */
export function aspectFault(colour: ImageSize, depth: ImageSize, { aspect }: DataRules["checks"]): string | undefined {
  const ratio = (colour.cols * depth.rows) / (colour.rows * depth.cols);
  if (Math.abs(ratio - 1) <= aspect) return undefined;
  return (
    `is ${colour.cols}x${colour.rows} where the depth image is ${depth.cols}x${depth.rows}, whose ratio of width to ` +
    `height is another (${percent(Math.abs(ratio - 1))}, expected at most ${percent(aspect)}, checks.aspect): ` +
    "they do not show the same; register depth to colour, or cut colour to what the depth camera sees"
  );
}

/** What is wrong with a depth image, metres; undefined when nothing is. */
export function depthFault(
  depth: Float32Array,
  { measured, farthest, beyond }: DataRules["checks"],
): string | undefined {
  let [known, far, most] = [0, 0, 0];
  for (let i = 0; i < depth.length; i++) {
    const d = depth[i]!;
    if (d === 0) continue;
    known++;
    if (d > farthest) far++;
    if (d > most) most = d;
  }
  if (known === 0 || known < measured * depth.length)
    return `has depth on ${percent(known / depth.length)} of its pixels, expected at least ${percent(measured)}`;
  if (far > beyond * known)
    return (
      `has ${percent(far / known)} of its depth beyond ${farthest} m (up to ${most.toFixed(1)} m), expected at most ` +
      `${percent(beyond)}; set depth.invalid when a value marks what was not measured, depth.scale when depth is not ` +
      "in millimetres, checks.farthest for a larger scene"
    );
  return undefined;
}
