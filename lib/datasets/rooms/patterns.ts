/**
 * Marks on a surface by which furniture can be told apart from near by, as wood grain, slats or a quilt do in a real
 * room.
 */
export const patternKinds = [
  "rows",
  "columns",
  "grid",
  "checks",
  "dots",
  "slant",
  "zigzag",
  "speckle",
  "rings",
  "books",
] as const;
export type PatternKind = (typeof patternKinds)[number];

const fraction = (x: number): number => x - Math.floor(x);

/** A number in 0..1 that looks random, from the cell (i, j). */
function scatter(i: number, j: number): number {
  const h = Math.imul(Math.imul(i, 0x27d4eb2d) ^ (j + 0x165667b1), 0x85ebca6b);
  return ((h ^ (h >>> 15)) >>> 8) / 0x1000000;
}

/**
 * Whether the pattern's second tone shows at a point of a surface. It covers less than half, so that the object's
 * colour
 * stays the main one.
 *
 * @param a, b place on the surface in periods from the object's middle: level and upward on a side, the two level
 * axes on a top
 */
export function marked(kind: PatternKind, a: number, b: number): boolean {
  switch (kind) {
    case "rows":
      return fraction(b) < 0.4;
    case "columns":
      return fraction(a) < 0.4;
    case "grid":
      return fraction(a) < 0.22 || fraction(b) < 0.22;
    case "checks":
      return fraction(a / 2) < 0.5 !== fraction(b / 2) < 0.5 && fraction(a) < 0.9;
    case "dots":
      return (fraction(a) - 0.5) ** 2 + (fraction(b) - 0.5) ** 2 < 0.12;
    case "slant":
      return fraction(a + b) < 0.4;
    case "zigzag":
      return fraction(b + 2 * Math.abs(fraction(a / 2) - 0.5)) < 0.4;
    case "speckle":
      return scatter(Math.floor(2 * a), Math.floor(2 * b)) < 0.4;
    case "rings":
      return fraction(Math.sqrt(a * a + b * b)) < 0.4;
    case "books":
      return scatter(Math.floor(2 * a), 7) < 0.45;
  }
}
