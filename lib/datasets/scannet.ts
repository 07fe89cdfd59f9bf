import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { closest, UserError } from "../core/errors";
import { namesIn } from "../core/files";
import { checkIntrinsics, cropIntrinsics, type Intrinsics, scaleIntrinsics } from "../geometry/camera";
import { identity4, multiply4 } from "../geometry/rigid";
import { type Crop, decodeRgb, type Rgb8 } from "../io/jpg";
import type { Grey16 } from "../io/png16";
import { readAlignment } from "./alignment";
import { type FrameSource, openFrames } from "./frame-source";
import { readText } from "./json-file";
import { alignedVertices, readObjects } from "./objects";
import { otherScan } from "./other-sets";
import type { Scene, SceneObject, View } from "./scene";
import { checkSceneId } from "./scene-id";

/**
 * A scan opened for reading, of ScanNet or of another set in the same terms; `openScene` makes it, `readView` reads
 * from it.
 */
export interface ScanNetScene extends Scene {
  /** false when no file gives an axis alignment (test scans): the identity was used. */
  readonly aligned: boolean;
  /** Row-major aligned poses of `frames`. */
  readonly poses: readonly Float64Array[];
  /** Of the depth images; used for colour too, as in the released code. */
  readonly intrinsics: Intrinsics;
  readonly source: FrameSource;
  /**
   * Reads the scan's mesh: float64[n, 3] in the axis-aligned world, metres.
   * @throws UserError when it is missing or damaged
   */
  vertices(): Float64Array;
}

/** A frame whose images are missing or damaged; the scan's other frames may be whole. */
export class DamagedFrame extends UserError {}

/** Ids of the scans that a data folder holds in ScanNet's layout. */
export function scenesIn(folder: string): string[] {
  const scans = join(folder, "scans");
  return namesIn(scans)
    .filter((name) => /^scene\d{4}_\d{2}$/.test(name))
    .sort();
}

/**
 * Opens a scan of a data folder in ScanNet's layout: scans/<id> with its mesh and annotations, its frames there or in
 * posed_images/<id>, as a .sens recording or exported. ARKitScenes and MultiScan are opened in their own layouts.
 *
 * @throws UserError for an unknown id, missing or contradicting files
 */
export function openScene(folder: string, id: string): ScanNetScene {
  const other = otherScan(folder, checkSceneId(id, folder));
  if (other !== undefined)
    return openedScene(id, other.folder, other.frames(), other.alignment(), {
      objects: () => other.objects(),
      vertices: () => other.vertices(),
    });
  const scans = join(folder, "scans");
  const scan = join(scans, id);
  if (!existsSync(scan) || !statSync(scan).isDirectory()) {
    const known = scenesIn(folder);
    const near = closest(id, known);
    throw new UserError(
      `scene "${id}" is not in ${scans} (${known.length} ` +
        `scenes${near === undefined ? "" : `, did you mean "${near}"?`}); put its export there or leave it out ` +
        "of the list",
    );
  }
  const alignment = readAlignment(folder, id);
  return openedScene(id, scan, openFrames(folder, id), alignment, {
    objects: (matrix) => readObjects(folder, id, matrix),
    vertices: (matrix) => alignedVertices(folder, id, matrix),
  });
}

interface SceneParts {
  objects(alignment: Float64Array): SceneObject[];
  vertices(alignment: Float64Array): Float64Array;
}

/** @param found the alignment, where a file gives one */
function openedScene(
  id: string,
  folder: string,
  source: FrameSource,
  found: Float64Array | undefined,
  parts: SceneParts,
): ScanNetScene {
  const alignment = found ?? identity4();
  const frames: string[] = [];
  const skippedFrames: string[] = [];
  const poses: Float64Array[] = [];
  for (const frame of source.frames) {
    const pose = source.pose(frame);
    if (pose === undefined) skippedFrames.push(frame);
    else {
      frames.push(frame);
      poses.push(multiply4(alignment, pose));
    }
  }
  if (frames.length === 0)
    throw new UserError(
      `${source.origin}: none of its ${source.frames.length} frames has a finite pose; export the poses again`,
    );
  return {
    id,
    folder,
    alignment,
    aligned: found !== undefined,
    frames,
    skippedFrames,
    poses,
    intrinsics: source.intrinsics,
    objects: parts.objects(alignment),
    source,
    vertices: () => parts.vertices(alignment),
  };
}

/**
 * The square cut of an image: rows resized to `size`, columns in proportion, middle columns kept (paper.md 2.1.5); an
 * upright image the other way round.
 */
export function squareCrop(cols: number, rows: number, size: number): Crop {
  const wide = cols >= rows;
  const long = Math.floor(((wide ? cols : rows) * size) / (wide ? rows : cols));
  const cut = Math.floor((long - size) / 2);
  return { cols: wide ? long : size, rows: wide ? size : long, left: wide ? cut : 0, top: wide ? 0 : cut, size };
}

/** Both images of a frame; the colour image is stretched to the depth image's shape, resized and cut. */
async function decode(
  scene: ScanNetScene,
  frame: string,
  size: number,
): Promise<{ measured: Grey16; crop: Crop; colour: Rgb8 }> {
  try {
    const measured = await scene.source.depth(frame);
    const crop = squareCrop(measured.cols, measured.rows, size);
    const { bytes, origin } = scene.source.colour(frame);
    return {
      measured,
      crop,
      colour: await decodeRgb(bytes, origin, (cols, rows) => (cols === size && rows === size ? undefined : crop)),
    };
  } catch (error) {
    throw error instanceof UserError ? new DamagedFrame(error.message) : error;
  }
}

/**
 * One frame, resized and cropped to a square of `size` pixels: colour smoothly, depth by nearest pixel, intrinsics
 * along.
 *
 * @throws DamagedFrame naming the image that is missing or damaged; UserError for an unknown frame or wrong intrinsics
 */
export async function readView(scene: ScanNetScene, frame: string, size: number): Promise<View> {
  const index = scene.frames.indexOf(frame);
  if (index < 0) {
    const skipped = scene.skippedFrames.includes(frame);
    throw new UserError(
      `${scene.folder}: frame ${frame} ${skipped ? "has no finite pose" : "does not exist"}; choose one of its ` +
        `${scene.frames.length} frames`,
    );
  }
  const { measured, crop, colour } = await decode(scene, frame, size);
  const camera = scene.source.intrinsicsOf?.(frame) ?? scene.intrinsics;
  checkIntrinsics(camera, measured, `${scene.folder} (depth camera)`);
  const depth = new Float32Array(size * size);
  const scaleX = measured.cols / crop.cols;
  const scaleY = measured.rows / crop.rows;
  const columns = Int32Array.from({ length: size }, (_, u) => Math.floor((u + crop.left) * scaleX));
  for (let v = 0, i = 0; v < size; v++) {
    const row = Math.floor((v + crop.top) * scaleY) * measured.cols;
    for (let u = 0; u < size; u++, i++) depth[i] = measured.pixels[row + columns[u]!]! / scene.source.depthShift;
  }
  const intrinsics = cropIntrinsics(scaleIntrinsics(camera, 1 / scaleX, 1 / scaleY), crop.left, crop.top);
  return { frame, size, colour: colour.pixels, depth, intrinsics, pose: scene.poses[index]! };
}

/** Several frames of a scene, decoded side by side. */
export function readViews(scene: ScanNetScene, frames: readonly string[], size: number): Promise<View[]> {
  return Promise.all(frames.map((frame) => readView(scene, frame, size)));
}

/** Positions 0 to `count` - 1, nearest to `at` first. */
function* outwards(at: number, count: number): Generator<number> {
  yield at;
  for (let d = 1; d < count; d++) {
    if (at + d < count) yield at + d;
    if (at - d >= 0) yield at - d;
  }
}

/**
 * As `readViews`, but a damaged frame is left out and the nearest whole frame of the scene takes its place.
 *
 * @returns as many views as frames were asked for, and the damaged frames that were met
 * @throws UserError when no frame of the scene can be read
 */
export async function readWholeViews(
  scene: ScanNetScene,
  frames: readonly string[],
  size: number,
): Promise<{ views: View[]; damaged: string[] }> {
  const known = new Map<string, Promise<View | DamagedFrame>>();
  const attempt = (frame: string): Promise<View | DamagedFrame> => {
    const reading =
      known.get(frame) ??
      readView(scene, frame, size).catch((error: unknown) => {
        if (error instanceof DamagedFrame) return error;
        throw error;
      });
    known.set(frame, reading);
    return reading;
  };
  const damaged = new Map<string, string>();
  const views = await Promise.all(
    frames.map(async (frame) => {
      const at = scene.frames.indexOf(frame);
      if (at < 0) return readView(scene, frame, size);
      for (const i of outwards(at, scene.frames.length)) {
        const view = await attempt(scene.frames[i]!);
        if (!(view instanceof DamagedFrame)) return view;
        damaged.set(scene.frames[i]!, view.message);
      }
      throw new UserError(
        `${scene.source.origin}: none of its ${scene.frames.length} frames can be read; the first says: ` +
          `${[...damaged.values()][0]!}`,
      );
    }),
  );
  return { views, damaged: [...damaged.keys()] };
}

/** Scene ids of a list file such as scannetv2_val.txt. @throws UserError when it is missing or names no scene */
export function readSceneList(file: string): string[] {
  const text = readText(file, "a list of scene ids, one a line", "take ScanNet's official list");
  const ids = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  // names of other sets' scans are shaped otherwise: 41069021, scene_00021_00
  const known = basename(file).startsWith("scannetv2_") ? /^scene\d{4}_\d{2}$/ : /^\w{1,64}$/;
  const odd = ids.find((id) => !known.test(id));
  if (ids.length === 0 || odd !== undefined) {
    throw new UserError(
      `${file}: expected scene ids such as scene0011_00, one a line, got ` +
        `${odd === undefined ? "none" : `"${odd}"`}; take the official list`,
    );
  }
  return ids;
}
