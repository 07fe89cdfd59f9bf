import { existsSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { S2Config } from "../config/schema";
import { closest, UserError } from "../core/errors";
import { namesIn } from "../core/files";
import { checkIntrinsics, cropIntrinsics, type Intrinsics, scaleIntrinsics } from "../geometry/camera";
import { identity4, multiply4 } from "../geometry/rigid";
import { type Crop, decodeRgb, type Rgb8 } from "../io/jpg";
import type { Grey16 } from "../io/png16";
import { readAlignment } from "./alignment";
import { type DataRules, rulesOf } from "./data-rules";
import { aspectFault, counted, depthFault, metresTable, rigidFault } from "./frame-checks";
import { type FrameSource, frameStore, openFrames } from "./frame-source";
import { readText } from "./json-file";
import { foreignScan } from "./layouts";
import { alignedMesh, objectFiles, readObjects } from "./objects";
import { checkSceneId, type Scene, type SceneMesh, type SceneObject, sceneIdForm, type View } from "./scene";

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
  readonly rules: DataRules;
  /** Metres of each value of a depth image; 0 = not measured. */
  readonly metres: Float32Array;
  /**
   * The scan's mesh in the axis-aligned world; undefined where it has none (a folder of frames and boxes).
   *
   * @throws UserError when it is damaged
   */
  mesh(): SceneMesh | undefined;
}

/** A frame whose images are missing or damaged; the scan's other frames may be whole. */
export class DamagedFrame extends UserError {}

/** Ids of the scans that a data folder holds: in ScanNet's layout, or as folders of frames. */
export function scenesIn(folder: string): string[] {
  const scans = namesIn(join(folder, "scans")).filter((name) => /^scene\d{4}_\d{2}$/.test(name));
  if (scans.length > 0) return scans.sort();
  const places = [join(folder, "scans"), join(folder, "scannet_frames_25k"), folder];
  const names = new Set(places.flatMap((place) => (existsSync(place) ? namesIn(place) : [])));
  return [...names].filter((name) => sceneIdForm.test(name) && frameStore(folder, name) !== undefined).sort();
}

/**
 * Opens a scan of a data folder: in ScanNet's layout (scans/<id> with its mesh and annotations, its frames there or in
 * posed_images/<id>, as a .sens recording or exported), as a folder of posed frames with boxes.json, or in the layout
 * of ARKitScenes or MultiScan.
 *
 * @param own what a configuration says of the data (`config.data`)
 * @throws UserError for an unknown id, missing or contradicting files, or when no frame can be used
 */
export function openScene(
  folder: string,
  id: string,
  own: Pick<S2Config["data"], "depth" | "checks"> = {},
): ScanNetScene {
  const rules = rulesOf(folder, own);
  const foreign = foreignScan(folder, checkSceneId(id, folder));
  if (foreign !== undefined)
    return openedScene(id, foreign.folder, foreign.frames(), foreign.alignment(), rules, {
      objects: () => foreign.objects(),
      mesh: () => foreign.mesh(),
    });
  const scans = join(folder, "scans");
  const scan = join(scans, id);
  const there = statSync(scan, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!there && frameStore(folder, id) === undefined) {
    const known = scenesIn(folder);
    const near = closest(id, known);
    throw new UserError(
      `scene "${id}" is not in ${scans} (${known.length} scenes` +
        `${near === undefined ? "" : `, did you mean "${near}"?`}); put its export there or leave it out of the list`,
    );
  }
  const alignment = readAlignment(folder, id);
  return openedScene(id, scan, openFrames(folder, id), alignment, rules, {
    objects: (mesh) => readObjects(folder, id, mesh),
    mesh: (matrix) => (existsSync(objectFiles(folder, id).mesh) ? alignedMesh(folder, id, matrix) : undefined),
  });
}

interface SceneParts {
  objects(mesh: () => SceneMesh): SceneObject[];
  mesh(alignment: Float64Array): SceneMesh | undefined;
}

/** @param found the alignment, where a file gives one */
function openedScene(
  id: string,
  folder: string,
  source: FrameSource,
  found: Float64Array | undefined,
  rules: DataRules,
  parts: SceneParts,
): ScanNetScene {
  const alignment = found ?? identity4();
  const bent = rigidFault(alignment, rules.checks.rotation);
  if (bent !== undefined)
    throw new UserError(`${folder}: has an axis alignment ${bent}; take the scan's files from its download again`);
  const frames: string[] = [];
  const leftOut = new Map(source.incomplete);
  const poses: Float64Array[] = [];
  for (const frame of source.frames) {
    const pose = source.pose(frame);
    const fault = "fault" in pose ? pose.fault : rigidFault(pose, rules.checks.rotation);
    if ("fault" in pose || fault !== undefined) {
      leftOut.set(frame, "fault" in pose ? pose.fault : `has a pose ${fault}`);
      continue;
    }
    frames.push(frame);
    poses.push(multiply4(alignment, pose));
  }
  if (frames.length === 0)
    throw new UserError(
      `${source.origin}: none of its ${leftOut.size} frames can be used: ${counted(leftOut.values())}; export the ` +
        "frames and poses again",
    );
  let mesh: SceneMesh | undefined;
  const readMesh = (): SceneMesh | undefined => (mesh ??= parts.mesh(alignment));
  const objects = parts.objects(() => {
    const there = readMesh();
    if (there === undefined)
      throw new UserError(
        `${objectFiles(dirname(dirname(folder)), id).mesh} is missing: expected the scan's mesh, whose segments its ` +
          "annotation names; download it with the scan",
      );
    return there;
  });
  return {
    id,
    folder,
    alignment,
    aligned: found !== undefined,
    frames,
    skippedFrames: [...leftOut.keys()],
    leftOut,
    poses,
    intrinsics: source.intrinsics,
    objects,
    source,
    rules,
    metres: metresTable({ ...source.layoutDepth, ...rules.depth }),
    mesh: readMesh,
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
    const colour = await decodeRgb(bytes, origin, (cols, rows) => {
      const fault = aspectFault({ cols, rows }, measured, scene.rules.checks);
      if (fault !== undefined) throw new UserError(`${origin}: ${fault}`);
      return cols === size && rows === size ? undefined : crop;
    });
    return { measured, crop, colour };
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
    const why = scene.leftOut.get(frame) ?? "does not exist";
    throw new UserError(`${scene.folder}: frame ${frame} ${why}; choose one of its ${scene.frames.length} frames`);
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
    for (let u = 0; u < size; u++, i++) depth[i] = scene.metres[measured.pixels[row + columns[u]!]!]!;
  }
  const fault = depthFault(depth, scene.rules.checks);
  if (fault !== undefined) throw new DamagedFrame(`${scene.source.origin}: frame ${frame} ${fault}`);
  const intrinsics = cropIntrinsics(scaleIntrinsics(camera, 1 / scaleX, 1 / scaleY), crop.left, crop.top);
  return { frame, size, colour: colour.pixels, depth, intrinsics, pose: scene.poses[index]! };
}

/** Vertices of a scene's mesh, [n, 3] metres. @throws UserError when it has none */
export function verticesOf(scene: ScanNetScene): Float64Array {
  const mesh = scene.mesh();
  if (mesh !== undefined) return mesh.points;
  throw new UserError(`${scene.folder}: has no mesh, which choosing frames by coverage needs; leave data.coverage out`);
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
 * @returns as many views as frames were asked for, the damaged frames that were met, and what is wrong with each
 * @throws UserError when no frame of the scene can be read
 */
export async function readWholeViews(
  scene: ScanNetScene,
  frames: readonly string[],
  size: number,
): Promise<{ views: View[]; damaged: string[]; reasons: string[] }> {
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
  return { views, damaged: [...damaged.keys()], reasons: [...damaged.values()] };
}

/** Scene ids of a list file such as scannetv2_val.txt. @throws UserError when it is missing or names no scene */
export function readSceneList(file: string): string[] {
  const text = readText(file, "a list of scene ids, one a line", "take ScanNet's official list");
  const ids = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  // names of other sets' scans are shaped otherwise: 41069021, scene_00021_00
  const known = basename(file).startsWith("scannetv2_") ? /^scene\d{4}_\d{2}$/ : sceneIdForm;
  const odd = ids.find((id) => !known.test(id));
  if (ids.length === 0 || odd !== undefined) {
    throw new UserError(
      `${file}: expected scene ids such as scene0011_00, one a line, got ` +
        `${odd === undefined ? "none" : `"${odd}"`}; take the official list`,
    );
  }
  return ids;
}
