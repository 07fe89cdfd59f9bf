import type { S2Config } from "../config/schema";
import { Rng } from "../core/rng";
import type { View } from "../datasets/scene";
import { tf } from "../engine/tf";
import type { Intrinsics } from "../geometry/camera";
import { invertRigid, multiply4, transformPoints } from "../geometry/rigid";
import type { ModelInputs, Targets } from "../model/inputs";
import type { PreparedScene, SceneCache } from "./prepared-scenes";
import { pointmapPixels, type RecordDims } from "./record";

/** True pointmaps of some scenes and views, in the unit of `reconstruction.units`. */
export interface Pointmaps {
  /** [S, v, R, R, 3] */
  readonly shape: [number, number, number, number, number];
  /** Each view's points in its own camera frame. */
  readonly local: Float32Array;
  /** The same points in the camera frame of the scene's first view. */
  readonly global: Float32Array;
  /** [S, v, R, R] 1 where depth was measured. */
  readonly valid: Float32Array;
  /** Position in the batch of each of the S scenes. */
  readonly scenes: readonly number[];
  /** First of the v neighbouring views (positions among the batch's views), per scene. */
  readonly firstViews: readonly number[];
}

/** Which scenes and views of a batch the reconstruction loss looks at; all of them where the config says 0. */
export function reconstructionChoice(
  draws: readonly number[],
  views: number,
  recon: S2Config["reconstruction"],
): { scenes: number[]; firstViews: number[]; count: number } {
  const wanted = recon.scenesPerStep === 0 ? draws.length : Math.min(recon.scenesPerStep, draws.length);
  const count = recon.viewsPerStep === 0 ? views : Math.min(recon.viewsPerStep, views);
  // the scenes with the smallest draws: a random subset that is fixed by the batch
  const scenes = draws
    .map((draw, b) => ({ draw, b }))
    .sort((x, y) => x.draw - y.draw)
    .slice(0, wanted)
    .map((x) => x.b)
    .sort((x, y) => x - y);
  const firstViews = scenes.map((b) => Math.floor(((draws[b]! * 7919) % 1) * (views - count + 1)));
  return { scenes, firstViews, count };
}

/** uint16[R, R] depth of a view at the pointmap's pixels, millimetres; 0 = not measured. */
export function pointmapDepth({ depth, size }: Pick<View, "depth" | "size">, dims: RecordDims): Uint16Array {
  const pixels = pointmapPixels(dims);
  const out = new Uint16Array(pixels.length ** 2);
  let i = 0;
  for (const row of pixels) for (const col of pixels) out[i++] = Math.round(depth[row * size + col]! * 1000);
  return out;
}

/** One scene of a batch as far as pointmaps are made of it. */
interface PointmapScene {
  readonly scene: Pick<PreparedScene, "record">;
  readonly views: readonly number[];
  readonly draw: number;
}

/**
 * What a stored depth is divided by, and the intrinsics that go with it: the release's are of the depth's whole
 * numbers.
 */
function unitsOf(k: Intrinsics, { units }: S2Config["reconstruction"]): { k: Intrinsics; unit: number } {
  if (units === "metres") return { k, unit: 1000 };
  return { k: { fx: Math.trunc(k.fx), fy: Math.trunc(k.fy), cx: Math.trunc(k.cx), cy: Math.trunc(k.cy) }, unit: 1 };
}

/** Pointmaps for the reconstruction loss (spec 4.2.1), unprojected at the pixels that the record kept. */
export function pointmapsOf(
  items: readonly PointmapScene[],
  cache: Pick<SceneCache, "dims">,
  config: S2Config,
): Pointmaps {
  const views = items[0]!.views.length;
  const { scenes, firstViews, count } = reconstructionChoice(
    items.map((i) => i.draw),
    views,
    config.reconstruction,
  );
  const R = cache.dims.pointmap;
  const pixels = pointmapPixels(cache.dims);
  const local = new Float32Array(scenes.length * count * R * R * 3);
  const global = new Float32Array(local.length);
  const valid = new Float32Array(scenes.length * count * R * R);
  scenes.forEach((b, s) => {
    const { scene, views: chosen } = items[b]!;
    const { record } = scene;
    const first = firstViews[s]!;
    const toFirst = invertRigid(record.camera(chosen[first]!).pose);
    for (let v = 0; v < count; v++) {
      const view = chosen[first + v]!;
      const depth = record.depth(view);
      const { intrinsics, pose } = record.camera(view);
      const { k, unit } = unitsOf(intrinsics, config.reconstruction);
      const at = (s * count + v) * R * R;
      for (let y = 0; y < R; y++) {
        for (let x = 0; x < R; x++) {
          const i = y * R + x;
          const d = depth[i]! / unit;
          if (d === 0) continue;
          valid[at + i] = 1;
          local[(at + i) * 3] = ((pixels[x]! - k.cx) / k.fx) * d;
          local[(at + i) * 3 + 1] = ((pixels[y]! - k.cy) / k.fy) * d;
          local[(at + i) * 3 + 2] = d;
        }
      }
      const own = local.subarray(at * 3, (at + R * R) * 3);
      global.set(transformPoints(multiply4(toFirst, pose), own), at * 3);
    }
  });
  // points that were not measured stay at the origin in both frames
  for (let i = 0; i < valid.length; i++) if (valid[i] === 0) global.fill(0, i * 3, i * 3 + 3);
  return { shape: [scenes.length, count, R, R, 3], local, global, valid, scenes, firstViews };
}

/** Rows of the views that the reconstruction branch reads, and their rows of the image-index table. */
function branchInputs(
  { shape: [S, v], scenes, firstViews }: Pointmaps,
  V: number,
  draws: readonly number[],
  config: S2Config,
): Pick<ModelInputs, "reconRows" | "reconImageIds"> {
  const rows = new Int32Array(S * v),
    ids = new Int32Array(S * v);
  scenes.forEach((b, s) => {
    const order =
      config.reconstruction.imageIds === "ordered" ? undefined : new Rng(Math.floor(draws[b]! * 2 ** 32), "image-ids");
    // the first view always has row 0; Fast3R draws distinct rows of its 1000-row table for the others
    const others = order?.shuffle(Array.from({ length: 999 }, (_, i) => i + 1));
    for (let i = 0; i < v; i++) {
      rows[s * v + i] = b * V + firstViews[s]! + i;
      ids[s * v + i] = i === 0 ? 0 : (others?.[i - 1] ?? i);
    }
  });
  return { reconRows: tf.tensor2d(rows, [S, v], "int32"), reconImageIds: tf.tensor2d(ids, [S, v], "int32") };
}

/** What the reconstruction branch reads and what its loss compares with; the caller frees the tensors. */
export function makePointmapTargets(
  items: readonly PointmapScene[],
  cache: Pick<SceneCache, "dims">,
  config: S2Config,
): {
  readonly inputs: Pick<ModelInputs, "reconRows" | "reconImageIds">;
  readonly targets: Pick<Targets, "localPoints" | "globalPoints" | "validPoints">;
} {
  const points = pointmapsOf(items, cache, config);
  const [S, v, Y, X] = points.shape;
  const draws = items.map((item) => item.draw);
  return {
    inputs: branchInputs(points, items[0]!.views.length, draws, config),
    targets: {
      localPoints: tf.tensor5d(points.local, points.shape),
      globalPoints: tf.tensor5d(points.global, points.shape),
      validPoints: tf.tensor4d(points.valid, [S, v, Y, X]),
    },
  };
}
