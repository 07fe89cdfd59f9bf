import type { Box } from "./box";

/**
 * A box that may be turned: centre, full lengths along its axes, and those axes as unit vectors one after the other,
 * metres.
 */
export interface OrientedBox {
  readonly centre: ArrayLike<number>;
  readonly lengths: ArrayLike<number>;
  /** [3 axes, xyz] */
  readonly axes: ArrayLike<number>;
}

/** The smallest axis-aligned box around an oriented one. */
export function boxAround({ centre, lengths, axes }: OrientedBox): Box {
  // corners are centre ± half an edge along each axis: the farthest along x adds the edges' shares of x
  const size = [0, 1, 2].map((k) =>
    [0, 1, 2].reduce((sum, axis) => sum + Math.abs(axes[3 * axis + k]!) * lengths[axis]!, 0),
  );
  return [centre[0]!, centre[1]!, centre[2]!, size[0]!, size[1]!, size[2]!];
}

/** Whether three vectors are perpendicular and of length one, to a thousandth. */
export function areAxes(axes: ArrayLike<number>): boolean {
  const dot = (a: number, b: number): number =>
    [0, 1, 2].reduce((sum, k) => sum + axes[3 * a + k]! * axes[3 * b + k]!, 0);
  return (
    axes.length === 9 && [0, 1, 2].every((a) => [0, 1, 2].every((b) => Math.abs(dot(a, b) - (a === b ? 1 : 0)) < 1e-3))
  );
}
