import type { S2Config } from "../config/schema";
import { Rng } from "../core/rng";

/**
 * What φ is told of a view where its geometry is poor (`positions.holes`, `positions.shift`): patches lose their
 * coordinate, and all of a view's are shifted alike, as by an error of its pose. Box membership and the reconstruction
 * target keep the true depth. The same scene and view are always spoilt in the same way.
 *
 * @param xyz float32[places, 3] world coordinates, metres; changed in place
 * @param known float32[places] 1 where there is a coordinate; changed in place
 */
export function spoilPositions(
  xyz: Float32Array,
  known: Float32Array,
  { holes, shift }: S2Config["positions"],
  scene: string,
  view: number,
): void {
  if (holes === undefined && shift === undefined) return;
  const rng = new Rng(0, `poor-geometry/${scene}/${view}`);
  const by = [0, 1, 2].map(() => rng.normal() * (shift ?? 0));
  for (let i = 0; i < known.length; i++) {
    for (let axis = 0; axis < 3; axis++) xyz[3 * i + axis]! += by[axis]!;
    if (rng.next() < (holes ?? 0)) known[i] = 0;
  }
}
