import type { Bounds } from "../../geometry/box";

/** How a part takes its colour from the object's: as it is, darkened, lightened, or a material of its own. */
export type Tone = "main" | "dark" | "light" | "wood" | "metal" | "screen";

/** A box, or an upright cylinder (an ellipse seen from above) that fills its bounds. */
export interface Part {
  readonly shape: "box" | "cylinder";
  readonly bounds: Bounds;
  readonly tone: Tone;
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

/**
 * Each class in a unit frame: x and y in ±0.5, z in 0..1, front towards -y. The parts touch all six sides, so the box of a
 * scaled object is tight.
 */
export const shapes = {
  table: [box(full, full, [0.88, 1]), ...legs(0.1, [0, 0.88], "dark")],
  desk: [
    box(full, full, [0.9, 1]), box([0.12, 0.48], around(0.46), [0, 0.9]), box([0.11, 0.49], around(0.47), [0.42, 0.46], "dark"),
    box([-0.5, -0.42], around(0.46), [0, 0.9], "dark"), box([-0.42, 0.12], [0.38, 0.44], [0.35, 0.9]),
  ],
  bed: [
    box(full, [0.43, 0.5], [0, 1]), box(full, [-0.5, 0.43], [0.14, 0.45]), box(around(0.46), [-0.46, 0.43], [0, 0.14], "dark"),
    box(around(0.4), [0.18, 0.4], [0.45, 0.58], "light"),
  ],
  sofa: [
    box(full, [0.26, 0.5], [0, 1]), box(around(0.36), [-0.46, 0.26], [0.12, 0.5]), box(around(0.36), [-0.42, 0.26], [0, 0.12], "dark"),
    box([-0.5, -0.36], [-0.5, 0.26], [0, 0.7]), box([0.36, 0.5], [-0.5, 0.26], [0, 0.7]),
  ],
  cabinet: [
    box(around(0.45), around(0.45), [0, 0.09], "dark"), box(around(0.48), around(0.47), [0.09, 0.93]), box(full, full, [0.93, 1]),
    box(around(0.02), around(0.48), [0.12, 0.9], "dark"), box(around(0.487), around(0.02), [0.12, 0.9], "dark"),
    box([-0.16, -0.08], [-0.5, -0.47], [0.5, 0.58], "metal"), box([0.08, 0.16], [-0.5, -0.47], [0.5, 0.58], "metal"),
  ],
  bookshelf: [
    box([-0.5, -0.44], full, [0, 1]), box([0.44, 0.5], full, [0, 1]), box(around(0.44), full, [0.93, 1]),
    box(around(0.44), full, [0.46, 0.53]), box(around(0.44), full, [0, 0.07]), box(around(0.44), [0.42, 0.5], [0, 1]),
    box([-0.4, -0.02], [-0.3, 0.42], [0.07, 0.36], "wood"), box([0.04, 0.3], [-0.3, 0.42], [0.07, 0.42], "light"),
    box([-0.3, 0.1], [-0.3, 0.42], [0.53, 0.85], "light"), box([0.12, 0.4], [-0.3, 0.42], [0.53, 0.8], "wood"),
  ],
  dresser: [
    ...legs(0.1, [0, 0.12], "wood"), box(around(0.45), around(0.45), [0.12, 0.97], "dark"),
    box(full, full, [0.12, 0.36]), box(full, full, [0.42, 0.66]), box(full, full, [0.72, 1]),
  ],
  refrigerator: [
    box(full, [-0.44, 0.5], [0, 0.58]), box(around(0.45), around(0.4), [0.58, 0.64], "metal"), box(full, [-0.44, 0.5], [0.64, 1]),
    box([0.28, 0.4], [-0.5, -0.44], [0.3, 0.56], "metal"), box([0.28, 0.4], [-0.5, -0.44], [0.66, 0.9], "metal"),
  ],
  chair: [box(full, full, [0.4, 0.52]), box(full, [0.36, 0.5], [0.52, 1]), ...legs(0.14, [0, 0.4], "wood")],
  stool: [cylinder(0.5, [0.84, 1]), cylinder(0.12, [0.07, 0.84], "metal"), cylinder(0.4, [0, 0.07], "metal")],
  lamp: [cylinder(0.32, [0, 0.07], "dark"), cylinder(0.06, [0.07, 0.55], "dark"), cylinder(0.5, [0.55, 0.9]), cylinder(0.34, [0.9, 1], "light")],
  plant: [cylinder(0.3, [0, 0.32], "wood"), cylinder(0.5, [0.32, 0.66]), cylinder(0.36, [0.66, 0.86]), cylinder(0.2, [0.86, 1], "dark")],
  box: [box(around(0.47), full, [0, 0.96]), box(full, around(0.12), [0, 1], "light")],
  "trash can": [cylinder(0.42, [0, 0.16], "dark"), cylinder(0.46, [0.16, 0.9]), cylinder(0.5, [0.9, 1], "dark")],
  monitor: [
    box(full, [-0.3, 0.1], [0.28, 1]), box(around(0.44), [-0.36, -0.3], [0.34, 0.94], "screen"),
    box(around(0.08), [-0.1, 0.1], [0.09, 0.28]), box(around(0.32), full, [0, 0.09]),
  ],
  vase: [cylinder(0.34, [0, 0.12]), cylinder(0.5, [0.12, 0.6]), cylinder(0.2, [0.6, 0.9]), cylinder(0.34, [0.9, 1], "dark")],
  bag: [
    box(full, full, [0, 0.66]), box([-0.34, -0.22], around(0.1), [0.66, 1], "dark"), box([0.22, 0.34], around(0.1), [0.66, 1], "dark"),
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
  name: ClassName, size: readonly [number, number, number], turns: number, at: readonly [number, number, number],
): Part[] {
  return shapes[name].map(({ shape, bounds: [x0, y0, z0, x1, y1, z1], tone }): Part => {
    let [a0, b0, a1, b1] = [x0 * size[0], y0 * size[1], x1 * size[0], y1 * size[1]];
    for (let i = 0; i < turns; i++) [a0, b0, a1, b1] = [-b1, a0, -b0, a1];
    return { shape, tone, bounds: [at[0] + a0, at[1] + b0, at[2] + z0 * size[2], at[0] + a1, at[1] + b1, at[2] + z1 * size[2]] };
  });
}
