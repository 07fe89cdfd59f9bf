import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../config/schema";
import { serveParent } from "../core/child";
import { UserError } from "../core/errors";
import { Rng } from "../core/rng";
import { inProject } from "../core/root";
import { coverageFrames, coverageOf } from "../datasets/coverage";
import { uniformFrames } from "../datasets/frames";
import { proposalFile, readProposals } from "../datasets/proposals";
import { openScene, readWholeViews, type ScanNetScene } from "../datasets/scannet";
import type { View } from "../datasets/scene";
import { chooseEngine } from "../engine/choose";
import { RepeatedStep, tf } from "../engine/tf";
import { cellRays, unproject } from "../geometry/camera";
import { type PatchGrid, patchGrid, patchMeans, pixelsInside } from "../geometry/patches";
import { visionPrefix, visionTower } from "../model/vision";
import { Scope } from "../nn/scope";
import { loadTower } from "../weights/pretrained";
import { normalisePixels } from "./pixels";
import { type CacheDims, type CachedScene, placesOf, recordLayout } from "./scene-cache";

/** What one preparing process gets to do. */
export interface PrepareTask {
  readonly config: S2Config;
  readonly dims: CacheDims;
  readonly folder: string;
  readonly part: number;
  readonly scenes: readonly { readonly id: string; readonly split: string }[];
}
/** `damaged`: frames that could not be read; counted in `skippedFrames`, as those without a pose are. */
export type PreparedScene = CachedScene & { readonly split: string; readonly damaged: readonly string[] };
export interface PreparedPart {
  readonly scenes: readonly PreparedScene[];
  /** Why scenes cannot be prepared. */
  readonly broken: readonly string[];
}

/** Gives the tower's features of a scene's views; undefined where the tower trains and colours are kept. */
function featuresBy(config: S2Config, dims: CacheDims): ((views: readonly View[]) => Float32Array) | undefined {
  if (dims.pixels === true) return undefined;
  const weights = new Scope(loadTower(config)).at(visionPrefix);
  const tower = new RepeatedStep(({ pixels }) => visionTower(weights, pixels as tf.Tensor4D, config.vision));
  return (views) => {
    const numbers = new Float32Array(views.length * dims.image ** 2 * 3);
    views.forEach(({ colour }, v) => normalisePixels(colour, numbers, v * colour.length));
    const pixels = tf.tensor4d(numbers, [views.length, dims.image, dims.image, 3]);
    try {
      return tower.run({ pixels }) as Float32Array;
    } finally {
      pixels.dispose();
    }
  };
}

/** The frames of a scene that are prepared, in the order of the recording, and those that could not be looked at. */
async function framesOf(
  scene: ScanNetScene,
  config: S2Config,
  dims: CacheDims,
): Promise<{ frames: string[]; unreadable: readonly string[] }> {
  const evenly = (names: readonly string[]): string[] => uniformFrames(names.length, dims.pool).map((i) => names[i]!);
  if (config.data.coverage === undefined) return { frames: evenly(scene.frames), unreadable: [] };
  // ties are broken alike in every run: the frames are prepared once for all seeds
  const coverage = await coverageOf(scene, scene.vertices(), new Rng(0, `coverage-${scene.id}`), dims.pool);
  return { frames: evenly(coverageFrames(coverage, config.data.coverage)), unreadable: coverage.damaged };
}

function pointmapDepth(view: View, side: number): Uint16Array {
  const { depth, size } = view;
  const out = new Uint16Array(side * side);
  const nearest = Int32Array.from({ length: side }, (_, i) => Math.floor((i + 0.5) * (size / side)));
  for (let y = 0, i = 0; y < side; y++) {
    const row = nearest[y]! * size;
    for (let x = 0; x < side; x++, i++) out[i] = Math.round(depth[row + nearest[x]!]! * 1000);
  }
  return out;
}

async function prepare(task: PrepareTask, progress: (done: number) => void, stop: AbortSignal): Promise<PreparedPart> {
  const { config, dims, folder, part } = task;
  await chooseEngine({ threads: 1 });
  const layout = recordLayout(dims);
  const data = inProject(config.data.folder);
  const features = featuresBy(config, dims);
  const records = openSync(join(folder, `records-${part}.bin`), "w");
  const members = openSync(join(folder, `members-${part}.bin`), "w");
  const grid = patchGrid(dims.image, dims.image, config.vision.patchSize);
  const cells = { rows: dims.pooledSide, cols: dims.pooledSide, cell: Math.floor(dims.image / dims.pooledSide) };
  const places = placesOf(dims);
  const placed: PatchGrid =
    dims.pooledXyz === true ? { imageCols: dims.image, rows: cells.rows, cols: cells.cols, patch: cells.cell } : grid;
  const out: PreparedScene[] = [];
  const broken: string[] = [];
  let membersAt = 0;
  /** Nothing of a scene that fails is written. */
  const add = async (id: string, split: string): Promise<void> => {
    const scene = openScene(data, id);
    const { frames, unreadable } = await framesOf(scene, config, dims);
    const { views, damaged } = await readWholeViews(scene, frames, dims.image);
    const unread = new Set([...unreadable, ...damaged]);
    const record = new ArrayBuffer(layout.bytes);
    if (features !== undefined)
      new Float32Array(record, layout.features, dims.pool * dims.N * dims.C).set(features(views));
    else
      views.forEach(({ colour }, v) =>
        new Uint8Array(record, layout.pixels + v * colour.length, colour.length).set(colour),
      );
    const proposals = proposalFile(data, id) === undefined ? [] : readProposals(data, id);
    const boxes = [...scene.objects.map((o) => o.box), ...proposals.map((p) => p.box)];
    const counts = new Uint16Array(boxes.length * dims.pool * dims.N);
    views.forEach((view, v) => {
      const world = unproject(view.depth, view.size, view.size, view.intrinsics, view.pose);
      const { mean_N3, known_N } = patchMeans(world, placed);
      new Float32Array(record, layout.xyz + v * places * 12, places * 3).set(mean_N3);
      new Float32Array(record, layout.known + v * places * 4, places).set(known_N);
      new Float32Array(record, layout.rays + v * dims.M * 12, dims.M * 3).set(
        cellRays(cells, view.intrinsics, view.pose),
      );
      new Uint16Array(record, layout.depth + v * dims.pointmap ** 2 * 2, dims.pointmap ** 2).set(
        pointmapDepth(view, dims.pointmap),
      );
      const k = view.intrinsics;
      new Float64Array(record, layout.cameras + v * 160, 20).set([k.fx, k.fy, k.cx, k.cy, ...view.pose]);
      const inside = pixelsInside(world, grid, boxes);
      boxes.forEach((_, o) => counts.set(inside.subarray(o * dims.N, (o + 1) * dims.N), (o * dims.pool + v) * dims.N));
    });
    out.push({
      id,
      split,
      part,
      frames: views.map((v) => v.frame),
      skippedFrames: new Set([...scene.skippedFrames, ...unread]).size,
      damaged: [...unread],
      objects: scene.objects,
      proposals,
      record: out.length * layout.bytes,
      members: membersAt,
    });
    writeSync(records, new Uint8Array(record));
    writeSync(members, new Uint8Array(counts.buffer));
    membersAt += counts.byteLength;
    scene.source.close?.();
  };
  for (const { id, split } of task.scenes) {
    if (stop.aborted) throw new UserError("preparing scenes was interrupted; run the same command again");
    try {
      await add(id, split);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      broken.push(`${id}: ${error.message}`);
    }
    progress(out.length + broken.length);
  }
  closeSync(records);
  closeSync(members);
  return { scenes: out, broken };
}

serveParent<PrepareTask, number, PreparedPart>(prepare);
