import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import type { Intrinsics } from "../geometry/camera";
import { identity4, invertRigid } from "../geometry/rigid";
import { rotationOf } from "../geometry/rotation";
import { readPly } from "../io/ply";
import { bytesOf, depthImage, type FrameSource, wholeFrames } from "./frame-source";
import { parsed, parseJson, readText } from "./json-file";
import { numbersIn } from "./matrix-text";
import { orientedBox } from "./oriented-object";
import type { SceneMesh, SceneObject } from "./scene";

/**
 * ARKitScenes' 3dod set as its script downloads it: Training/<video>/ and Validation/<video>/ with
 * <video>_3dod_annotation.json,
 * <video>_3dod_mesh.ply and <video>_frames/. Its world is metric with z up, so that nothing is aligned.
 */
const folds = { train: "Training", val: "Validation" } as const;

const again = "download the capture again";

/** Videos of a fold; empty without it. */
export function arkitVideos(folder: string, split: keyof typeof folds): string[] {
  const fold = join(folder, folds[split]);
  return namesIn(fold)
    .filter((name) => /^\d+$/.test(name))
    .sort();
}

/** Folder of a video; undefined when the data folder is of another set or lacks it. */
export function arkitFolder(folder: string, id: string): string | undefined {
  if (!/^\d+$/.test(id)) return undefined;
  return Object.values(folds)
    .map((fold) => join(folder, fold, id))
    .find((path) => existsSync(path));
}

/** Files of a capture. */
export function arkitFiles(
  capture: string,
  id: string,
): Readonly<Record<"annotation" | "mesh" | "colour" | "depth" | "intrinsics" | "trajectory", string>> {
  const frames = join(capture, `${id}_frames`);
  return {
    annotation: join(capture, `${id}_3dod_annotation.json`),
    mesh: join(capture, `${id}_3dod_mesh.ply`),
    colour: join(frames, "lowres_wide"),
    depth: join(frames, "lowres_depth"),
    intrinsics: join(frames, "lowres_wide_intrinsics"),
    trajectory: join(frames, "lowres_wide.traj"),
  };
}

/** A timestamp in thousandths of a second: how frames, intrinsics and poses are matched. */
const milliseconds = (timestamp: string): number => Math.round(Number(timestamp) * 1000);

/** Poses by timestamp: each line has seconds, the axis-angle and the translation from world to camera. */
function readTrajectory(file: string): Map<number, Float64Array> {
  const poses = new Map<number, Float64Array>();
  readText(file, "the capture's camera poses", again)
    .split(/\r?\n/)
    .forEach((line, i) => {
      if (line.trim() === "") return;
      const numbers = numbersIn(line);
      if (numbers.length !== 7 || Number.isNaN(numbers[0]))
        throw new UserError(
          `${file}: line ${i + 1} must have 7 numbers (seconds, axis-angle, translation), got ` +
            `"${line.slice(0, 80)}"; ${again}`,
        );
      if (!numbers.every(Number.isFinite)) return;
      const toCamera = identity4();
      const R = rotationOf(numbers.slice(1, 4));
      for (let r = 0; r < 3; r++) {
        for (let c = 0; c < 3; c++) toCamera[4 * r + c] = R[3 * r + c]!;
        toCamera[4 * r + 3] = numbers[4 + r]!;
      }
      poses.set(milliseconds(String(numbers[0])), invertRigid(toCamera));
    });
  return poses;
}

/** Apple's own loader takes the pose of a frame's time, else one less than 5 ms away. */
function poseAt(poses: ReadonlyMap<number, Float64Array>, ms: number): Float64Array | undefined {
  for (let d = 0; d < 5; d++) {
    const pose = poses.get(ms - d) ?? poses.get(ms + d);
    if (pose !== undefined) return pose;
  }
  return undefined;
}

/** One line "width height fx fy cx cy". */
function readPincam(file: string): Intrinsics {
  const numbers = numbersIn(readText(file, "a frame's intrinsics", again));
  if (numbers.length !== 6 || !numbers.every((x) => Number.isFinite(x) && x >= 0))
    throw new UserError(`${file}: expected "width height fx fy cx cy", got ${numbers.length} numbers; ${again}`);
  const [, , fx, fy, cx, cy] = numbers as [number, number, number, number, number, number];
  return { fx, fy, cx, cy };
}

/** The frames that have colour, depth and intrinsics; those without a pose count as lost tracking. */
export function openArkitFrames(capture: string, id: string): FrameSource {
  const files = arkitFiles(capture, id);
  const timesOf = (folder: string, suffix: string): Map<number, string> => {
    if (!existsSync(folder))
      throw new UserError(
        `${folder} is missing: expected the capture's frames; ${again} (3dod, with lowres_wide and lowres_depth)`,
      );
    return new Map(
      namesIn(folder).flatMap((name) => {
        const time = new RegExp(`^${id}_(\\d+(?:\\.\\d+)?)${suffix}$`).exec(name)?.[1];
        return time === undefined ? [] : [[milliseconds(time), time] as const];
      }),
    );
  };
  const [colours, depths, cameras] = [
    timesOf(files.colour, "\\.png"),
    timesOf(files.depth, "\\.png"),
    timesOf(files.intrinsics, "\\.pincam"),
  ];
  // a camera's file may be named a thousandth of a second off
  const cameraOf = (ms: number): string | undefined => cameras.get(ms) ?? cameras.get(ms - 1) ?? cameras.get(ms + 1);
  const { frames: both, incomplete } = wholeFrames(colours, depths);
  for (const ms of both) if (cameraOf(ms) === undefined) incomplete.set(ms, "has no intrinsics");
  const times = both.filter((ms) => !incomplete.has(ms)).sort((a, b) => a - b);
  if (times.length === 0)
    throw new UserError(
      `${capture}: none of ${depths.size} depth images has a colour image and intrinsics of its time; ${again}`,
    );
  const poses = readTrajectory(files.trajectory);
  const byName = new Map(times.map((ms) => [depths.get(ms)!, ms]));
  const fileOf = (folder: string, time: string, suffix: string): string => join(folder, `${id}_${time}.${suffix}`);
  const intrinsicsOf = (frame: string): Intrinsics =>
    readPincam(fileOf(files.intrinsics, cameraOf(byName.get(frame)!)!, "pincam"));
  return {
    kind: "ARKitScenes",
    origin: capture,
    frames: [...byName.keys()],
    incomplete: new Map([...incomplete].map(([ms, lacks]) => [depths.get(ms) ?? colours.get(ms)!, lacks])),
    layoutDepth: {},
    intrinsics: intrinsicsOf([...byName.keys()][0]!),
    intrinsicsOf,
    pose: (frame) => poseAt(poses, byName.get(frame)!) ?? { fault: "has no pose of its time" },
    colour: (frame) => {
      const file = fileOf(files.colour, colours.get(byName.get(frame)!)!, "png");
      return { bytes: bytesOf(file), origin: file };
    },
    depth: (frame) => depthImage(fileOf(files.depth, frame, "png")),
  };
}

const Annotation = z.looseObject({ skipped: z.unknown().optional(), data: z.array(z.unknown()) });
const Annotated = z.looseObject({
  label: z.string(),
  segments: z.looseObject({ obbAligned: z.unknown().optional() }).nullish(),
});

/**
 * The annotated objects in the order of the file, boxes axis-aligned.
 * @throws UserError naming the entry that is not as expected
 */
export function readArkitObjects(capture: string, id: string): SceneObject[] {
  const file = arkitFiles(capture, id).annotation;
  const { data, skipped } = parseJson(file, Annotation, "the capture's objects", again);
  if (skipped === true) throw new UserError(`${file}: its annotators skipped this capture; leave it out of the list`);
  return data.map((value, i): SceneObject => {
    const where = `${file}: data[${i}]`;
    const entry = parsed(value, Annotated, where, again);
    // the documentation puts the box into the entry, the files into segments.obbAligned
    const box = orientedBox(entry.segments?.obbAligned ?? entry, where);
    return { id: i, label: entry.label.replaceAll("_", " "), box };
  });
}

/** A capture's mesh; undefined when it is not there. @throws UserError when it is damaged */
export function arkitMesh(capture: string, id: string): SceneMesh | undefined {
  const { mesh } = arkitFiles(capture, id);
  if (!existsSync(mesh)) return undefined;
  const { points, faces } = readPly(readFileSync(mesh), mesh);
  return { points: Float64Array.from(points), faces };
}
