import { UserError } from "../core/errors";
import type { Box } from "../geometry/box";
import { areAxes, boxAround } from "../geometry/oriented";

function numbers(value: unknown, count: number, where: string, what: string): number[] {
  // ARKitScenes nests the matrix as rows, MultiScan lists nine numbers
  const flat = Array.isArray(value) ? (value as unknown[]).flat() : [];
  if (flat.length === count && flat.every((x) => typeof x === "number" && Number.isFinite(x))) return flat as number[];
  throw new UserError(
    `${where}: ${what} must be ${count} finite numbers, got ${JSON.stringify(value)?.slice(0, 120)}; download ` +
      "the annotation again",
  );
}

/**
 * The axis-aligned box around an annotated oriented one: centroid, axesLengths (full lengths) and normalizedAxes,
 * whose three
 * numbers at a time are one axis, as both ARKitScenes and MultiScan write them.
 *
 * @throws UserError naming the field that is not as expected
 */
export function orientedBox(value: unknown, where: string): Box {
  const { centroid, axesLengths, normalizedAxes } = (value ?? {}) as Record<string, unknown>;
  const centre = numbers(centroid, 3, where, "centroid");
  const lengths = numbers(axesLengths, 3, where, "axesLengths");
  const axes = numbers(normalizedAxes, 9, where, "normalizedAxes");
  if (lengths.some((l) => l < 0))
    throw new UserError(
      `${where}: axesLengths must not be negative, got [${lengths.join(", ")}]; download the annotation again`,
    );
  if (!areAxes(axes))
    throw new UserError(
      `${where}: normalizedAxes must be three perpendicular unit vectors, got [${axes.join(", ")}]; download ` +
        "the annotation again",
    );
  return boxAround({ centre, lengths, axes });
}
