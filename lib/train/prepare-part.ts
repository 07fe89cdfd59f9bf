import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../config/schema";
import { serveParent } from "../core/child";
import { UserError } from "../core/errors";
import { uniformFrames } from "../datasets/frames";
import { proposalFile, readProposals } from "../datasets/proposals";
import { openScene, readWholeViews } from "../datasets/scannet";
import type { View } from "../datasets/scene";
import { chooseEngine } from "../engine/choose";
import { RepeatedStep } from "../engine/step";
import { tf } from "../engine/tf";
import { cellRays, unproject } from "../geometry/camera";
import { patchGrid, patchMeans, pixelsInside } from "../geometry/patches";
import { readSafetensors } from "../io/safetensors";
import { visionPrefix, visionTower } from "../model/vision";
import { Scope } from "../nn/scope";
import { inProject } from "../core/root";
import { pretrainedFile } from "./pretrained";
import { recordLayout, type CacheDims, type CachedScene } from "./scene-cache";

/** What one preparing process gets to do. */
export interface PrepareTask {
  readonly config: S2Config;
  readonly dims: CacheDims;
  readonly folder: string;
  readonly part: number;
  readonly scenes: readonly { readonly id: string; readonly split: string }[];
}
export type PreparedPart = readonly (CachedScene & { readonly split: string })[];

/** Colours 0..255 as the tower reads them: mean 0.5 and deviation 0.5 a channel (SigLIP). */
export function normalisePixels(views: readonly View[]): Float32Array {
  const size = views[0]!.colour.length;
  const out = new Float32Array(views.length * size);
  views.forEach(({ colour }, v) => {
    for (let i = 0, at = v * size; i < size; i++, at++) out[at] = towerValue[colour[i]!]!;
  });
  return out;
}
const towerValue = Float32Array.from({ length: 256 }, (_, level) => level / 127.5 - 1);

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
  const weights = new Scope(new Map([...readSafetensors(pretrainedFile(config.preset, "vision"))].map(([n, t]) => [n, tf.tensor(t.data as Float32Array, t.shape)]))).at(visionPrefix);
  const tower = new RepeatedStep(({ pixels }) => visionTower(weights, pixels as tf.Tensor4D, config.vision));
  const records = openSync(join(folder, `records-${part}.bin`), "w");
  const members = openSync(join(folder, `members-${part}.bin`), "w");
  const grid = patchGrid(dims.image, dims.image, config.vision.patchSize);
  const cells = { rows: dims.pooledSide, cols: dims.pooledSide, cell: Math.floor(dims.image / dims.pooledSide) };
  const out: (CachedScene & { split: string })[] = [];
  let membersAt = 0;
  for (const { id, split } of task.scenes) {
    if (stop.aborted) throw new UserError("preparing scenes was interrupted; run the same command again");
    const scene = openScene(data, id);
    const frames = uniformFrames(scene.frames.length, dims.pool).map((i) => scene.frames[i]!);
    const { views, damaged } = await readWholeViews(scene, frames, dims.image);
    const record = new ArrayBuffer(layout.bytes);
    const pixels = tf.tensor4d(normalisePixels(views), [dims.pool, dims.image, dims.image, 3]);
    new Float32Array(record, layout.features, dims.pool * dims.N * dims.C).set(tower.run({ pixels }));
    pixels.dispose();
    const proposals = proposalFile(data, id) === undefined ? [] : readProposals(data, id);
    const boxes = [...scene.objects.map((o) => o.box), ...proposals.map((p) => p.box)];
    const counts = new Uint16Array(boxes.length * dims.pool * dims.N);
    views.forEach((view, v) => {
      const world = unproject(view.depth, view.size, view.size, view.intrinsics, view.pose);
      const { mean_N3, known_N } = patchMeans(world, grid);
      new Float32Array(record, layout.xyz + v * dims.N * 12, dims.N * 3).set(mean_N3);
      new Float32Array(record, layout.known + v * dims.N * 4, dims.N).set(known_N);
      new Float32Array(record, layout.rays + v * dims.M * 12, dims.M * 3).set(cellRays(cells, view.intrinsics, view.pose));
      new Uint16Array(record, layout.depth + v * dims.pointmap ** 2 * 2, dims.pointmap ** 2).set(pointmapDepth(view, dims.pointmap));
      const k = view.intrinsics;
      new Float64Array(record, layout.cameras + v * 160, 20).set([k.fx, k.fy, k.cx, k.cy, ...view.pose]);
      const inside = pixelsInside(world, grid, boxes);
      boxes.forEach((_, o) => counts.set(inside.subarray(o * dims.N, (o + 1) * dims.N), (o * dims.pool + v) * dims.N));
    });
    out.push({
      id, split, part, frames: views.map((v) => v.frame), skippedFrames: scene.skippedFrames.length + damaged.length, objects: scene.objects, proposals,
      record: out.length * layout.bytes, members: membersAt,
    });
    writeSync(records, new Uint8Array(record));
    writeSync(members, new Uint8Array(counts.buffer));
    membersAt += counts.byteLength;
    progress(out.length);
  }
  closeSync(records);
  closeSync(members);
  return out;
}

serveParent<PrepareTask, number, PreparedPart>(prepare);
