import type { S2Config } from "../config/schema";
import { Rng } from "../core/rng";
import { type Box, jitteredBox } from "../geometry/box";
import { patchGrid, pixelsInside } from "../geometry/patches";
import { transformPoints } from "../geometry/rigid";
import { pointmapsOf } from "./pointmap-targets";
import type { PreparedScene, SceneCache } from "./prepared-scenes";

/**
 * The boxes that training offers of a scene in place of the true ones (`data.boxNoise`), in the same order; undefined
 * where it offers these.
 *
 * @param draw number in 0..1 that decides the errors
 */
export function noisyBoxes(
  scene: Pick<PreparedScene, "id" | "boxes">,
  { boxNoise }: S2Config["data"],
  draw: number,
): Box[] | undefined {
  if (boxNoise === undefined) return undefined;
  const rng = new Rng(Math.floor(draw * 2 ** 32), `box-noise/${scene.id}`);
  const share = rng.uniform(0, boxNoise);
  return scene.boxes("gt").map((box) => jitteredBox(box, share, () => rng.normal()));
}

/**
 * How many pixels of each patch lie inside boxes that were not prepared, from the depth that the record keeps: a
 * pointmap's pixels, each standing for as many of the patch's as there are fewer of them.
 *
 * @returns int32[O, V*N]
 */
export function countsInside(
  scene: Pick<PreparedScene, "record">,
  views: readonly number[],
  boxes: readonly Box[],
  cache: Pick<SceneCache, "dims">,
  config: S2Config,
): Int32Array {
  const { N, side, pointmap, patchPixels } = cache.dims;
  const cell = pointmap / side;
  const grid = patchGrid(pointmap, pointmap, cell);
  const all = { ...config.reconstruction, scenesPerStep: 0, viewsPerStep: 0, units: "metres" as const };
  const { local, valid } = pointmapsOf([{ scene, views, draw: 0 }], cache, { ...config, reconstruction: all });
  const V = views.length;
  const counts = new Int32Array(boxes.length * V * N);
  views.forEach((view, v) => {
    const from = v * pointmap ** 2;
    const world = transformPoints(scene.record.camera(view).pose, local.subarray(3 * from, 3 * (from + pointmap ** 2)));
    for (let i = 0; i < pointmap ** 2; i++) if (valid[from + i] === 0) world.fill(NaN, 3 * i, 3 * i + 3);
    const inside = pixelsInside(world, grid, boxes);
    for (let o = 0; o < boxes.length; o++)
      for (let n = 0; n < N; n++)
        counts[(o * V + v) * N + n] = Math.round((inside[o * N + n]! * patchPixels) / cell ** 2);
  });
  return counts;
}
