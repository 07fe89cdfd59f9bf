import type { S2Config } from "../config/schema";
import { serveParent } from "../core/child";
import { UserError } from "../core/errors";
import { WriteError } from "../core/files";
import { Rng } from "../core/rng";
import { inProject } from "../core/root";
import { coverageFrames, coverageOf, uniformFrames } from "../datasets/frame-sampling";
import { numberingFault, proposalFile, readProposals } from "../datasets/proposals";
import { openScene, readWholeViews, type ScanNetScene, verticesOf } from "../datasets/scannet";
import type { View } from "../datasets/scene";
import { geometryRemedy, proveGeometry } from "../datasets/scene-geometry";
import { chooseEngine } from "../engine/choose";
import { RepeatedStep, tf } from "../engine/tf";
import { cellRays, unproject } from "../geometry/camera";
import { type PatchGrid, patchGrid, patchMeans, pixelsInside } from "../geometry/patches";
import { visionPrefix, visionTower } from "../model/vision";
import { Scope } from "../nn/scope";
import { loadTower } from "../weights/pretrained";
import { normalisePixels } from "./inputs";
import { pointmapDepth } from "./pointmap-targets";
import { readScene, type SceneHead, writeScene } from "./prepared-scenes";
import { type RecordDims, SceneRecord } from "./record";

/** What one preparing process gets to do. */
export interface PrepareTask {
  readonly config: S2Config;
  readonly dims: RecordDims;
  /** Where the scenes' files go. */
  readonly folder: string;
  readonly scenes: readonly SceneTask[];
}
export type SceneTask = Pick<SceneHead, "id" | "key" | "sources">;
/** Why scenes cannot be prepared; the files of all others are there. */
export interface PrepareOutcome {
  readonly broken: readonly string[];
}

/** Gives the tower's features of a scene's views; undefined where the tower trains and colours are kept. */
function featuresBy(config: S2Config, dims: RecordDims): ((views: readonly View[]) => Float32Array) | undefined {
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
  dims: RecordDims,
): Promise<{ frames: string[]; unreadable: readonly string[] }> {
  const evenly = (names: readonly string[]): string[] => uniformFrames(names.length, dims.pool).map((i) => names[i]!);
  if (config.data.coverage === undefined) return { frames: evenly(scene.frames), unreadable: [] };
  // ties are broken alike in every run: the frames are prepared once for all seeds
  const coverage = await coverageOf(scene, verticesOf(scene), new Rng(0, `coverage-${scene.id}`), dims.pool);
  return { frames: evenly(coverageFrames(coverage, config.data.coverage)), unreadable: coverage.damaged };
}

async function prepare(
  task: PrepareTask,
  progress: (done: number) => void,
  stop: AbortSignal,
): Promise<PrepareOutcome> {
  const { config, dims, folder } = task;
  await chooseEngine({ threads: 1 });
  const data = inProject(config.data.folder);
  const features = featuresBy(config, dims);
  const grid = patchGrid(dims.image, dims.image, config.vision.patchSize);
  const cells = { rows: dims.pooledSide, cols: dims.pooledSide, cell: Math.floor(dims.image / dims.pooledSide) };
  const placed: PatchGrid =
    dims.pooledXyz === true ? { imageCols: dims.image, rows: cells.rows, cols: cells.cols, patch: cells.cell } : grid;
  const add = async ({ id, key, sources }: SceneTask): Promise<void> => {
    const scene = openScene(data, id, config.data);
    const { frames, unreadable } = await framesOf(scene, config, dims);
    const { views, damaged } = await readWholeViews(scene, frames, dims.image);
    const { problems } = await proveGeometry(scene, views, dims.image);
    if (problems.length > 0) throw new UserError(`${problems.join("; ")}; ${geometryRemedy}`);
    const misnumbered = numberingFault(data, id, scene.objects);
    if (misnumbered !== undefined) throw new UserError(misnumbered);
    const unread = new Set([...unreadable, ...damaged]);
    const record = new SceneRecord(dims);
    if (features === undefined) views.forEach(({ colour }, v) => record.pixels(v).set(colour));
    else {
      const all = features(views);
      views.forEach((_, v) => record.features(v).set(all.subarray(v * dims.N * dims.C, (v + 1) * dims.N * dims.C)));
    }
    const proposals = proposalFile(data, id) === undefined ? [] : readProposals(data, id);
    const boxes = [...scene.objects.map((o) => o.box), ...proposals.map((p) => p.box)];
    const counts = new Uint16Array(boxes.length * dims.pool * dims.N);
    views.forEach((view, v) => {
      const holes = dims.holesAtCamera === true ? "centre" : "nan";
      const world = unproject(view.depth, view.size, view.size, view.intrinsics, view.pose, holes);
      const { mean_N3, known_N } = patchMeans(world, placed);
      record.patchXyz(v).set(mean_N3);
      record.patchKnown(v).set(known_N);
      const seen = dims.holesAtCamera === true ? { depth: view.depth, imageCols: view.size } : undefined;
      record.rays(v).set(cellRays(cells, view.intrinsics, view.pose, seen));
      record.depth(v).set(pointmapDepth(view, dims));
      record.setCamera(v, view.intrinsics, view.pose);
      const inside = pixelsInside(world, grid, boxes);
      boxes.forEach((_, o) => counts.set(inside.subarray(o * dims.N, (o + 1) * dims.N), (o * dims.pool + v) * dims.N));
    });
    const head: SceneHead = {
      id,
      key,
      sources,
      frames: views.map((v) => v.frame),
      skippedFrames: new Set([...scene.skippedFrames, ...unread]).size,
      damaged: [...unread],
      objects: [...scene.objects],
      proposals,
    };
    writeScene(folder, head, record, counts);
    scene.source.close?.();
  };
  const broken: string[] = [];
  for (const [i, scene] of task.scenes.entries()) {
    if (stop.aborted)
      throw new UserError("preparing scenes was interrupted; the same command goes on where it stopped");
    try {
      // another command may have prepared it meanwhile
      if (readScene(folder, scene, dims) === undefined) await add(scene);
    } catch (error) {
      // a full disk is no fault of the scene
      if (!(error instanceof UserError) || error instanceof WriteError) throw error;
      broken.push(`${scene.id}: ${error.message}`);
    }
    progress(i + 1);
  }
  return { broken };
}

serveParent<PrepareTask, number, PrepareOutcome>(prepare);
