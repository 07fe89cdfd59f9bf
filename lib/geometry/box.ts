/** Axis-aligned box in the axis-aligned world, metres: centre x y z, full size x y z. */
export type Box = readonly [number, number, number, number, number, number];
