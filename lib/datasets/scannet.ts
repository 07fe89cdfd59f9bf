import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError, closest } from "../core/errors";
import { boxOfPoints } from "../geometry/box";
import { checkIntrinsics, cropIntrinsics, scaleIntrinsics, type Intrinsics } from "../geometry/camera";
import { identity4, multiply4, transformPoints } from "../geometry/rigid";
import { decodeRgb, type Crop } from "../io/jpg";
import { readPly } from "../io/ply";
import { decodePng16 } from "../io/png16";
import type { Scene, SceneObject, View } from "./scene";

/** How a scan was exported: color/12.jpg, depth/12.png, pose/12.txt, intrinsic/; or 00012.jpg, 00012.png, 00012.txt side by side. */
interface FrameFiles {
  readonly colour: (frame: string) => string;
  readonly depth: (frame: string) => string;
  readonly pose: (frame: string) => string;
  readonly intrinsics: string;
  readonly colourFrames: string[];
  readonly depthFrames: string[];
}

/** A scan opened for reading; `openScene` makes it, `readView` reads from it. */
export interface ScanNetScene extends Scene {
  /** false when <scene>.txt has no axisAlignment (test scans): the identity was used. */
  readonly aligned: boolean;
  /** Row-major aligned poses of `frames`. */
  readonly poses: readonly Float64Array[];
  /** Of the depth images; used for colour too, as in the released code. */
  readonly intrinsics: Intrinsics;
  readonly colourFile: (frame: string) => string;
  readonly depthFile: (frame: string) => string;
}

const byNumber = (a: string, b: string): number => Number(a) - Number(b);

function framesIn(folder: string, suffix: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => (/^\d+\./.test(name) && name.endsWith(suffix) ? [name.slice(0, -suffix.length)] : [])).sort(byNumber);
}

function findFrames(folder: string): FrameFiles {
  if (existsSync(join(folder, "color"))) {
    return {
      colour: (f) => join(folder, "color", `${f}.jpg`),
      depth: (f) => join(folder, "depth", `${f}.png`),
      pose: (f) => join(folder, "pose", `${f}.txt`),
      intrinsics: join(folder, "intrinsic", "intrinsic_depth.txt"),
      colourFrames: framesIn(join(folder, "color"), ".jpg"),
      depthFrames: framesIn(join(folder, "depth"), ".png"),
    };
  }
  return {
    colour: (f) => join(folder, `${f}.jpg`),
    depth: (f) => join(folder, `${f}.png`),
    pose: (f) => join(folder, `${f}.txt`),
    intrinsics: join(folder, "depth_intrinsic.txt"),
    colourFrames: framesIn(folder, ".jpg"),
    depthFrames: framesIn(folder, ".png"),
  };
}

function numbersIn(text: string): number[] {
  return text.trim().split(/[\s,]+/).map((word) => {
    if (/^[+-]?inf(inity)?$/i.test(word)) return word.startsWith("-") ? -Infinity : Infinity;
    return word === "" ? NaN : Number(word);
  });
}

function readText(file: string, what: string): string {
  if (!existsSync(file)) throw new UserError(`${file} is missing: expected ${what}; export the scan again`);
  return readFileSync(file, "utf8");
}

/** fx, fy, cx, cy of a 4x4 or 3x3 matrix file. */
function readIntrinsics(file: string): Intrinsics {
  const m = numbersIn(readText(file, "the depth camera's intrinsics, 4x4 numbers"));
  if (m.length !== 16 && m.length !== 9) {
    throw new UserError(`${file}: expected 16 numbers (4x4) or 9 (3x3), got ${m.length}; export the scan again`);
  }
  const side = m.length === 16 ? 4 : 3;
  return { fx: m[0]!, fy: m[side + 1]!, cx: m[2]!, cy: m[side + 2]! };
}

/** A camera-to-world matrix; undefined when a number is infinite or missing. */
function readPose(file: string): Float64Array | undefined {
  if (!existsSync(file)) return undefined;
  const m = numbersIn(readFileSync(file, "utf8"));
  return m.length === 16 && m.every(Number.isFinite) ? Float64Array.from(m) : undefined;
}

function readAlignment(file: string): Float64Array | undefined {
  if (!existsSync(file)) return undefined;
  const match = /^\s*axisAlignment\s*=\s*(.+)$/m.exec(readFileSync(file, "utf8"));
  if (match === null) return undefined;
  const m = numbersIn(match[1]!);
  if (m.length !== 16 || !m.every(Number.isFinite)) {
    throw new UserError(`${file}: axisAlignment must be 16 finite numbers (row-major 4x4), got ${m.length}; take the file from the scan again`);
  }
  return Float64Array.from(m);
}

function readJson(file: string, what: string): unknown {
  const text = readText(file, what);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file}: not JSON (${(error as Error).message}); take the file from the scan again`);
  }
}

/** Boxes of the annotated objects: bounds of their aligned mesh vertices (paper.md 6.3). */
function readObjects(folder: string, id: string, alignment: Float64Array): SceneObject[] {
  const aggregationFile = join(folder, `${id}.aggregation.json`);
  const mesh = join(folder, `${id}_vh_clean_2.ply`);
  const segmentsFile = join(folder, `${id}_vh_clean_2.0.010000.segs.json`);
  const aggregation = readJson(aggregationFile, "the scan's objects") as { segGroups?: { objectId: number; label: string; segments: number[] }[] };
  const { segIndices } = readJson(segmentsFile, "the segment of each mesh vertex") as { segIndices?: number[] };
  if (!Array.isArray(aggregation.segGroups)) throw new UserError(`${aggregationFile}: has no segGroups list; take the file from the scan again`);
  if (!Array.isArray(segIndices)) throw new UserError(`${segmentsFile}: has no segIndices list; take the file from the scan again`);
  if (!existsSync(mesh)) throw new UserError(`${mesh} is missing: expected the scan's mesh; download it with the scan`);
  const { points } = readPly(readFileSync(mesh), mesh);
  if (segIndices.length !== points.length / 3) {
    throw new UserError(`${segmentsFile}: lists ${segIndices.length} vertices, but ${id}_vh_clean_2.ply has ${points.length / 3}; the two belong to different versions of the scan`);
  }
  const groups = [...aggregation.segGroups].sort((a, b) => a.objectId - b.objectId);
  groups.forEach((group, i) => {
    if (group.objectId === i) return;
    throw new UserError(
      `${aggregationFile}: object ids must be 0 to ${groups.length - 1} without gaps, got ${groups.map((g) => g.objectId).join(", ")}; leave this scene out of the split list, as the authors do`,
    );
  });
  const vertices = new Map<number, number[]>();
  segIndices.forEach((segment, v) => {
    const list = vertices.get(segment);
    if (list === undefined) vertices.set(segment, [v]);
    else list.push(v);
  });
  const aligned = transformPoints(alignment, points);
  return groups.map((group) => {
    const box = boxOfPoints(aligned, group.segments.flatMap((s) => vertices.get(s) ?? []));
    if (box === undefined) throw new UserError(`${aggregationFile}: object ${group.objectId} (${group.label}) has no vertex in the mesh; take the scan's files again`);
    if (!box.every(Number.isFinite)) throw new UserError(`${mesh}: object ${group.objectId} (${group.label}) has a vertex that is not a number; take the mesh from the scan again`);
    return { id: group.objectId, label: group.label.replaceAll("_", " "), box };
  });
}

/**
 * Opens scans/<id> of a data folder in ScanNet's layout.
 *
 * @throws UserError for an unknown id, missing or contradicting files
 */
export function openScene(folder: string, id: string): ScanNetScene {
  const scans = join(folder, "scans");
  const scan = join(scans, id);
  if (!existsSync(scan) || !statSync(scan).isDirectory()) {
    const known = existsSync(scans) ? readdirSync(scans).filter((name) => /^scene\d{4}_\d{2}$/.test(name)) : [];
    const near = closest(id, known);
    throw new UserError(`scene "${id}" is not in ${scans} (${known.length} scenes${near === undefined ? "" : `, did you mean "${near}"?`}); put its export there or leave it out of the list`);
  }
  const files = findFrames(scan);
  const { colourFrames, depthFrames } = files;
  const [inColour, inDepth] = [new Set(colourFrames), new Set(depthFrames)];
  const odd = colourFrames.find((f) => !inDepth.has(f)) ?? depthFrames.find((f) => !inColour.has(f));
  if (colourFrames.length === 0 || odd !== undefined) {
    throw new UserError(
      `${scan}: expected as many colour as depth frames, got ${colourFrames.length} colour and ${depthFrames.length} depth` +
        `${odd === undefined ? "" : ` (frame ${odd} has one only)`}; export the frames of this scan again`,
    );
  }
  const found = readAlignment(join(scan, `${id}.txt`));
  const alignment = found ?? identity4();
  const frames: string[] = [];
  const skippedFrames: string[] = [];
  const poses: Float64Array[] = [];
  for (const frame of colourFrames) {
    const pose = readPose(files.pose(frame));
    if (pose === undefined) skippedFrames.push(frame);
    else {
      frames.push(frame);
      poses.push(multiply4(alignment, pose));
    }
  }
  if (frames.length === 0) throw new UserError(`${scan}: none of its ${colourFrames.length} frames has a finite pose; export the poses again`);
  const intrinsics = readIntrinsics(files.intrinsics);
  return {
    id, folder: scan, alignment, aligned: found !== undefined, frames, skippedFrames, poses,
    intrinsics, objects: readObjects(scan, id, alignment), colourFile: files.colour, depthFile: files.depth,
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

// frames are small: handing a read to another thread costs more than the read
function bytesOf(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UserError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"}); export this frame again`);
  }
}

/**
 * One frame, resized and cropped to a square of `size` pixels: colour smoothly, depth by nearest pixel, intrinsics along.
 *
 * @throws UserError naming the file that is missing or damaged, or wrong intrinsics
 */
export async function readView(scene: ScanNetScene, frame: string, size: number): Promise<View> {
  const index = scene.frames.indexOf(frame);
  if (index < 0) {
    const skipped = scene.skippedFrames.includes(frame);
    throw new UserError(`${scene.folder}: frame ${frame} ${skipped ? "has no finite pose" : "does not exist"}; choose one of its ${scene.frames.length} frames`);
  }
  const depthFile = scene.depthFile(frame);
  const colourFile = scene.colourFile(frame);
  const measured = decodePng16(bytesOf(depthFile), depthFile);
  const crop = squareCrop(measured.cols, measured.rows, size);
  const { pixels } = await decodeRgb(bytesOf(colourFile), colourFile, (cols, rows) =>
    // the colour image is stretched to the depth image's shape
    cols === size && rows === size ? undefined : crop);
  checkIntrinsics(scene.intrinsics, measured, `${scene.folder} (depth camera)`);
  const depth = new Float32Array(size * size);
  const scaleX = measured.cols / crop.cols;
  const scaleY = measured.rows / crop.rows;
  const columns = Int32Array.from({ length: size }, (_, u) => Math.floor((u + crop.left) * scaleX));
  for (let v = 0, i = 0; v < size; v++) {
    const row = Math.floor((v + crop.top) * scaleY) * measured.cols;
    for (let u = 0; u < size; u++, i++) depth[i] = measured.pixels[row + columns[u]!]! / 1000;
  }
  const intrinsics = cropIntrinsics(scaleIntrinsics(scene.intrinsics, 1 / scaleX, 1 / scaleY), crop.left, crop.top);
  return { frame, size, colour: pixels, depth, intrinsics, pose: scene.poses[index]! };
}

/** Several frames of a scene, decoded side by side. */
export function readViews(scene: ScanNetScene, frames: readonly string[], size: number): Promise<View[]> {
  return Promise.all(frames.map((frame) => readView(scene, frame, size)));
}

/** Scene ids of a list file such as scannetv2_val.txt. @throws UserError when it is missing or names no scene */
export function readSceneList(file: string): string[] {
  const ids = readText(file, "a list of scene ids, one a line").split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  const odd = ids.find((id) => !/^scene\d{4}_\d{2}$/.test(id));
  if (ids.length === 0 || odd !== undefined) {
    throw new UserError(`${file}: expected scene ids such as scene0011_00, one a line, got ${odd === undefined ? "none" : `"${odd}"`}; take the official list`);
  }
  return ids;
}
