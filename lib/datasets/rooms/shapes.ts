import type { Bounds } from "../../geometry/box";
import type { PatternKind } from "./patterns";

/**
 * How a part takes its colour from the object's: as it is, darkened, lightened, whichever of the two differs more,
 * glowing by
 * itself, or a material of its own.
 */
export type Tone = "main" | "dark" | "light" | "contrast" | "glow" | "wood" | "metal" | "screen" | "leaf";

export interface Pattern {
  readonly kind: PatternKind;
  /** Colour of the marks. */
  readonly tone: Tone;
  /** Length after which the marks come again, metres. */
  readonly period: number;
}

/** A box, or an upright cylinder (an ellipse seen from above) that fills its bounds. */
export interface Part {
  readonly shape: "box" | "cylinder";
  readonly bounds: Bounds;
  readonly tone: Tone;
  readonly pattern?: Pattern;
}

type Span = readonly [number, number];
const full: Span = [-0.5, 0.5];
const around = (half: number): Span => [-half, half];

function box(x: Span, y: Span, z: Span, tone: Tone = "main"): Part {
  return { shape: "box", bounds: [x[0], y[0], z[0], x[1], y[1], z[1]], tone };
}

function cylinder(half: number, z: Span, tone: Tone = "main"): Part {
  return { shape: "cylinder", bounds: [-half, -half, z[0], half, half, z[1]], tone };
}

/** Four posts in the corners. */
function legs(width: number, z: Span, tone: Tone): Part[] {
  const low: Span = [-0.5, -0.5 + width];
  const high: Span = [0.5 - width, 0.5];
  return [box(low, low, z, tone), box(high, low, z, tone), box(low, high, z, tone), box(high, high, z, tone)];
}

function worked(kind: PatternKind, tone: Tone, period: number, parts: readonly Part[]): Part[] {
  return parts.map((part) => ({ ...part, pattern: { kind, tone, period } }));
}

/**
 * Each class in a unit frame: x and y in ±0.5, z in 0..1, front towards -y. The parts touch all six sides, so the box
 * of a
 * scaled object is tight. Every class has its own surface, because at a few pixels a metre shape alone does not tell
 * a stool
 * from a trash can.
 */
export const shapes = {
  table: [...worked("columns", "wood", 0.26, [box(full, full, [0.88, 1])]), ...legs(0.1, [0, 0.88], "dark")],
  desk: [
    ...worked("slant", "contrast", 0.24, [box(full, full, [0.9, 1]), box([0.12, 0.48], around(0.46), [0, 0.9])]),
    box([0.11, 0.49], around(0.47), [0.42, 0.46], "dark"),
    box([-0.5, -0.42], around(0.46), [0, 0.9], "dark"),
    ...worked("slant", "contrast", 0.24, [box([-0.42, 0.12], [0.38, 0.44], [0.35, 0.9])]),
  ],
  bed: [
    ...worked("checks", "contrast", 0.26, [box(full, [0.43, 0.5], [0, 1]), box(full, [-0.5, 0.43], [0.14, 0.45])]),
    box(around(0.46), [-0.46, 0.43], [0, 0.14], "dark"),
    box(around(0.4), [0.18, 0.4], [0.45, 0.58], "light"),
  ],
  sofa: [
    ...worked("columns", "contrast", 0.24, [
      box(full, [0.26, 0.5], [0, 1]),
      box(around(0.36), [-0.46, 0.26], [0.12, 0.5]),
    ]),
    box(around(0.36), [-0.42, 0.26], [0, 0.12], "dark"),
    box([-0.5, -0.36], [-0.5, 0.26], [0, 0.7]),
    box([0.36, 0.5], [-0.5, 0.26], [0, 0.7]),
  ],
  cabinet: [
    box(around(0.45), around(0.45), [0, 0.09], "dark"),
    ...worked("grid", "contrast", 0.28, [box(around(0.48), around(0.47), [0.09, 0.93]), box(full, full, [0.93, 1])]),
    box([-0.16, -0.08], [-0.5, -0.47], [0.5, 0.58], "metal"),
    box([0.08, 0.16], [-0.5, -0.47], [0.5, 0.58], "metal"),
  ],
  bookshelf: [
    box([-0.5, -0.44], full, [0, 1]),
    box([0.44, 0.5], full, [0, 1]),
    box(around(0.44), full, [0.46, 0.53]),
    box(around(0.44), full, [0, 0.07]),
    ...worked("books", "contrast", 0.16, [box(around(0.44), full, [0.93, 1]), box(around(0.44), [0.42, 0.5], [0, 1])]),
    ...worked("books", "light", 0.16, [
      box([-0.42, -0.02], [-0.42, 0.42], [0.07, 0.38], "wood"),
      box([0.04, 0.42], [-0.42, 0.42], [0.07, 0.44], "dark"),
    ]),
    ...worked("books", "wood", 0.16, [
      box([-0.42, 0.1], [-0.42, 0.42], [0.53, 0.88], "light"),
      box([0.12, 0.42], [-0.42, 0.42], [0.53, 0.82], "dark"),
    ]),
  ],
  dresser: [
    ...legs(0.1, [0, 0.12], "wood"),
    box(around(0.45), around(0.45), [0.12, 0.97], "dark"),
    ...worked("rows", "wood", 0.24, [
      box(full, full, [0.12, 0.36]),
      box(full, full, [0.42, 0.66]),
      box(full, full, [0.72, 1]),
    ]),
  ],
  refrigerator: [
    box(full, [-0.44, 0.5], [0, 0.58]),
    box(around(0.45), around(0.4), [0.58, 0.64], "metal"),
    box(full, [-0.44, 0.5], [0.64, 1]),
    box([0.28, 0.4], [-0.5, -0.44], [0.3, 0.56], "metal"),
    box([0.28, 0.4], [-0.5, -0.44], [0.66, 0.9], "metal"),
  ],
  chair: [
    ...worked("rows", "contrast", 0.18, [box(full, full, [0.4, 0.52]), box(full, [0.36, 0.5], [0.52, 1])]),
    ...legs(0.14, [0, 0.4], "wood"),
  ],
  stool: [
    ...worked("rings", "contrast", 0.14, [cylinder(0.5, [0.8, 1])]),
    cylinder(0.12, [0.07, 0.8], "metal"),
    cylinder(0.4, [0, 0.07], "metal"),
  ],
  lamp: [
    cylinder(0.32, [0, 0.07], "dark"),
    cylinder(0.06, [0.07, 0.5], "dark"),
    cylinder(0.5, [0.5, 0.9], "glow"),
    cylinder(0.34, [0.9, 1], "light"),
  ],
  plant: [
    cylinder(0.3, [0, 0.3], "wood"),
    ...worked("speckle", "leaf", 0.18, [
      cylinder(0.5, [0.3, 0.66]),
      cylinder(0.36, [0.66, 0.86]),
      cylinder(0.2, [0.86, 1]),
    ]),
  ],
  box: [
    ...worked("checks", "wood", 0.2, [box(around(0.47), full, [0, 0.96])]),
    box(full, around(0.1), [0, 1], "light"),
  ],
  "trash can": [
    cylinder(0.42, [0, 0.16], "dark"),
    ...worked("columns", "metal", 0.16, [cylinder(0.46, [0.16, 0.9])]),
    ...worked("grid", "metal", 0.2, [cylinder(0.5, [0.9, 1], "dark")]),
  ],
  monitor: [
    ...worked("rows", "screen", 0.1, [box(full, [-0.3, 0.1], [0.28, 1])]),
    box(around(0.44), [-0.36, -0.3], [0.34, 0.94], "screen"),
    box(around(0.08), [-0.1, 0.1], [0.09, 0.28]),
    box(around(0.32), full, [0, 0.09]),
  ],
  vase: [
    ...worked("dots", "contrast", 0.14, [
      cylinder(0.34, [0, 0.12]),
      cylinder(0.5, [0.12, 0.6]),
      cylinder(0.2, [0.6, 0.9]),
    ]),
    cylinder(0.34, [0.9, 1], "dark"),
  ],
  bag: [
    ...worked("zigzag", "contrast", 0.16, [box(full, full, [0, 0.66])]),
    box([-0.34, -0.22], around(0.1), [0.66, 1], "dark"),
    box([0.22, 0.34], around(0.1), [0.66, 1], "dark"),
    box([-0.22, 0.22], around(0.1), [0.88, 1], "dark"),
  ],
} satisfies Record<string, Part[]>;
export type ClassName = keyof typeof shapes;

/**
 * A class at its place.
 *
 * @param size width, depth, height before the turn, metres
 * @param turns quarter turns about the vertical
 * @param at x, y of the centre and z of the underside
 */
export function placeParts(
  name: ClassName,
  size: readonly [number, number, number],
  turns: number,
  at: readonly [number, number, number],
): Part[] {
  return shapes[name].map(({ bounds: [x0, y0, z0, x1, y1, z1], ...part }: Part): Part => {
    let [a0, b0, a1, b1] = [x0 * size[0], y0 * size[1], x1 * size[0], y1 * size[1]];
    for (let i = 0; i < turns; i++) [a0, b0, a1, b1] = [-b1, a0, -b0, a1];
    return {
      ...part,
      bounds: [at[0] + a0, at[1] + b0, at[2] + z0 * size[2], at[0] + a1, at[1] + b1, at[2] + z1 * size[2]],
    };
  });
}
