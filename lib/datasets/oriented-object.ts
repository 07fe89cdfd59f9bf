import { z } from "zod";
import { UserError } from "../core/errors";
import type { Box } from "../geometry/box";
import { areAxes, boxAround } from "../geometry/oriented";

/** Some finite numbers, flat or in rows: ARKitScenes nests the matrix, MultiScan lists nine numbers. */
const numbers = (count: number): z.ZodType<number[]> =>
  z
    .array(z.union([z.number(), z.array(z.number())]))
    .transform((list) => list.flat())
    .refine((list) => list.length === count);
const [Three, Nine] = [numbers(3), numbers(9)];
const OrientedBox = z.looseObject({
  centroid: z.unknown(),
  axesLengths: z.unknown(),
  normalizedAxes: z.unknown(),
});

function finite(value: unknown, form: typeof Three, where: string, what: string): number[] {
  const found = form.safeParse(value);
  if (found.success) return found.data;
  throw new UserError(
    `${where}: ${what} must be ${form === Three ? 3 : 9} finite numbers, got ` +
      `${JSON.stringify(value)?.slice(0, 120)}; download the annotation again`,
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
  const { centroid, axesLengths, normalizedAxes } = OrientedBox.partial().catch({}).parse(value);
  const centre = finite(centroid, Three, where, "centroid");
  const lengths = finite(axesLengths, Three, where, "axesLengths");
  const axes = finite(normalizedAxes, Nine, where, "normalizedAxes");
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
