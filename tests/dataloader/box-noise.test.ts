import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { countsInside, noisyBoxes } from "../../lib/dataloader/box-noise";
import { membership } from "../../lib/dataloader/inputs";
import type { Session } from "../../lib/eval/session";
import { type Box, iou } from "../../lib/geometry/box";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

let world: TinyWorld;
let session: Session;
beforeAll(async () => {
  world = await tinyWorld(613, { trainRooms: 2 });
  session = await world.session(world.config(["data.boxNoise=0.4"]));
}, 300_000);
afterAll(() => world.remove());

test("boxes are off by a share of their edges that is drawn up to the stated one, alike for the same draw", () => {
  const cube: Box = [1, 2, 3, 2, 1, 0.5];
  const scene = { id: "scene0000_00", boxes: () => Array.from({ length: 2000 }, () => cube) };
  const { data } = resolveConfig({ preset: "nano", set: ["data.boxNoise=0.4"] });
  const deviations = Array.from({ length: 40 }, (_, i) => {
    const boxes = noisyBoxes(scene, data, i / 40)!;
    expect(noisyBoxes(scene, data, i / 40)).toEqual(boxes);
    const spread = (values: readonly number[]): number => Math.sqrt(values.reduce((s, x) => s + x * x, 0) / 2000);
    const [x, z] = [0, 2].map((axis) => spread(boxes.map((box) => (box[axis]! - cube[axis]!) / cube[axis + 3]!)));
    const size = spread(boxes.map((box) => Math.log(box[4] / cube[4])));
    for (const other of [z!, size]) expect(other / x!).toBeCloseTo(1, 0.8);
    return x!;
  });
  expect(Math.max(...deviations)).toBeLessThan(0.43);
  expect(Math.max(...deviations)).toBeGreaterThan(0.3);
  expect(Math.min(...deviations)).toBeLessThan(0.1);
  expect(noisyBoxes(scene, resolveConfig({ preset: "nano" }).data, 0.5)).toBeUndefined();
});

test("patches in a box that was not prepared are those that were counted when it was", () => {
  const [scene] = session.cache.scenes("train");
  const views = [0, 3, 5];
  const prepared = scene!.patchCounts("gt", views);
  const counted = countsInside(scene!, views, scene!.boxes("gt"), session.cache, session.config);
  expect(counted.length).toBe(prepared.length);
  let [inside, off] = [0, 0];
  prepared.forEach((count, i) => {
    inside += count;
    off += Math.abs(count - counted[i]!);
  });
  // 64 of a patch's 196 pixels are looked at
  expect(inside).toBeGreaterThan(5000);
  expect(off / inside).toBeLessThan(0.06);
});

test("training offers the boxes that are off and the patches in them; the right answer stays its object's", () => {
  const trainer = world.trainer(session);
  const { batch } = trainer.batch(0);
  const exact = world.trainer({ ...session, config: world.config() });
  const { batch: truth } = exact.batch(0);
  expect(batch.inputs.objectVoxels.shape).toEqual(truth.inputs.objectVoxels.shape);
  expect(batch.inputs.objectVoxels.dataSync()).not.toEqual(truth.inputs.objectVoxels.dataSync());
  expect(batch.inputs.objectPatches.dataSync()).not.toEqual(truth.inputs.objectPatches.dataSync());
  for (const name of ["positives", "anchorTokens", "labelIds"] as const)
    expect(batch.targets[name]!.dataSync()).toEqual(truth.targets[name]!.dataSync());
  const [scene] = session.cache.scenes("train");
  const moved = noisyBoxes(scene!, session.config.data, 0.7)!;
  const overlaps = moved.map((box, i) => iou(box, scene!.boxes("gt")[i]!));
  expect(Math.min(...overlaps)).toBeLessThan(0.9);
  const item = { scene: scene!, views: [0, 1], boxes: moved };
  expect(membership(item, session.cache, session.config, "gt")).not.toEqual(
    membership({ scene: scene!, views: [0, 1] }, session.cache, session.config, "gt"),
  );
  for (const each of [batch, truth]) each.dispose();
  trainer.dispose();
  exact.dispose();
});
