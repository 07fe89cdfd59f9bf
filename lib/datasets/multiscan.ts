import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import type { Intrinsics } from "../geometry/camera";
import { areAxes } from "../geometry/oriented";
import { invertRigid, multiply4 } from "../geometry/rigid";
import { DepthStream } from "../io/depth-stream";
import { readPly } from "../io/ply";
import { bytesOf, type FrameSource } from "./frame-source";
import { jsonOf, parsed, parseJson, readText } from "./json-file";
import { orientedBox } from "./oriented-object";
import type { SceneMesh, SceneObject } from "./scene";

const again = "download the scan again";

/** Folder of a MultiScan scan, scene_00021_00; undefined when the data folder is of another set or lacks it. */
export function multiscanFolder(folder: string, id: string): string | undefined {
  const scan = join(folder, id);
  return /^scene_\d{5}_\d{2}$/.test(id) && existsSync(scan) ? scan : undefined;
}

/** Scans that a data folder holds. */
export function multiscanScans(folder: string): string[] {
  return namesIn(folder)
    .filter((name) => multiscanFolder(folder, name) !== undefined)
    .sort();
}

/** Files of a scan. */
export function multiscanFiles(
  scan: string,
  id: string,
): Readonly<Record<"facts" | "cameras" | "depth" | "colour" | "alignment" | "annotation" | "mesh", string>> {
  const file = (suffix: string): string => join(scan, `${id}${suffix}`);
  return {
    facts: file(".json"),
    cameras: file(".jsonl"),
    depth: file(".depth.zlib"),
    colour: join(scan, "color"),
    alignment: file(".align.json"),
    annotation: file(".annotations.json"),
    mesh: file(".ply"),
  };
}

const Numbers = z.array(z.number());
const Alignment = z.looseObject({ coordinate_transform: z.unknown().optional() });
const CameraLine = z.looseObject({ intrinsics: z.unknown().optional(), transform: z.unknown().optional() });
const Facts = z.looseObject({
  streams: z.array(z.unknown()).optional().catch(undefined),
  depth_unit: z.unknown().optional(),
});
const Annotations = z.looseObject({
  objects: z.array(z.looseObject({ objectId: z.int().min(1), label: z.string(), obb: z.unknown().optional() })),
});

/** Column-major numbers as row-major. @throws UserError when there are not `side`² finite ones */
function fromColumns(value: unknown, side: number, where: string): Float64Array {
  const numbers = Numbers.safeParse(value).data;
  if (numbers?.length !== side * side) {
    throw new UserError(
      `${where} must be ${side * side} finite numbers (column-major ${side}x${side}), got ` +
        `${JSON.stringify(value)?.slice(0, 80)}; ${again}`,
    );
  }
  return Float64Array.from({ length: side * side }, (_, i) => numbers[(i % side) * side + Math.floor(i / side)]!);
}

/**
 * Row-major 4x4 from the cameras' world to the aligned one, z up with the floor at 0: the inverse of the file's
 * transform, which
 * takes the stored meshes and annotations back to the cameras.
 *
 * @returns undefined without the file
 */
export function readMultiscanAlignment(scan: string, id: string): Float64Array | undefined {
  const file = multiscanFiles(scan, id).alignment;
  if (!existsSync(file)) return undefined;
  const { coordinate_transform: transform } = parseJson(file, Alignment, "the scan's alignment", again);
  const back = fromColumns(transform, 4, `${file}: coordinate_transform`);
  const rotation = [0, 1, 2, 4, 5, 6, 8, 9, 10].map((i) => back[i]!);
  if (!areAxes(rotation)) throw new UserError(`${file}: coordinate_transform must be a rotation and a shift; ${again}`);
  return invertRigid(back);
}

interface Camera {
  /** Row-major camera-to-world, x right, y down, z forward; undefined where a number is missing. */
  readonly pose: Float64Array | undefined;
  /** Of the depth images. */
  readonly intrinsics: Intrinsics;
}

const finite = (pose: Float64Array): Float64Array | undefined => (pose.every(Number.isFinite) ? pose : undefined);

type Size = readonly [rows: number, cols: number];

const Side = z
  .int()
  .min(1)
  .max(1 << 14);
const Resolution = z.tuple([Side, Side]);
const Stream = z.looseObject({
  file_extension: z.unknown().optional(),
  resolution: z.unknown().optional(),
  number_of_frames: z.unknown().optional(),
});

/** Sizes and depth unit from the scan's facts. */
function readFacts(file: string): { colour: Size; depth: Size; metres: boolean; frames: number } {
  const { streams: list = [], depth_unit: unit } = parseJson(file, Facts, "the scan's facts", again);
  const stream = (extension: string): z.infer<typeof Stream> =>
    list.map((s) => Stream.catch({}).parse(s)).find((s) => s.file_extension === extension) ?? {};
  const whole = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) > 0;
  const size = (extension: string): Size => {
    const resolution = Resolution.safeParse(stream(extension).resolution);
    if (resolution.success) return resolution.data;
    throw new UserError(`${file}: streams has no ${extension} with a resolution [rows, columns]; ${again}`);
  };
  const [colour, depth] = [size("mp4"), size("depth.zlib")];
  const frames = stream("depth.zlib").number_of_frames;
  if (!whole(frames)) throw new UserError(`${file}: streams says no number_of_frames of depth.zlib; ${again}`);
  if (unit !== undefined && unit !== "m" && unit !== "mm")
    throw new UserError(`${file}: depth_unit must be m or mm, got ${JSON.stringify(unit)}; ${again}`);
  return { colour, depth, metres: unit !== "mm", frames: frames as number };
}

/**
 * One line a frame: intrinsics of the colour image (column-major 3x3) and transform, camera to world in ARKit's axes
 * (column-major 4x4).
 */
function readCameras(file: string, colour: Size, depth: Size): Camera[] {
  const lines = readText(file, "the cameras of the frames", again)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "");
  const [sx, sy] = [depth[1] / colour[1], depth[0] / colour[0]];
  return lines.map((line, i): Camera => {
    const where = `${file}: line ${i + 1}`;
    const { intrinsics, transform } = parsed(jsonOf(line, where, again), CameraLine, where, again);
    const K = fromColumns(intrinsics, 3, `${where}: intrinsics`);
    const lost = Numbers.safeParse(transform).data?.length !== 16;
    // ARKit's camera has y up and looks along -z
    const turned = lost
      ? undefined
      : multiply4(fromColumns(transform, 4, where), [1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1]);
    const scale = turned?.[15] ?? 1;
    return {
      pose: turned === undefined ? undefined : finite(turned.map((x) => x / scale)),
      intrinsics: { fx: K[0]! * sx, fy: K[4]! * sy, cx: K[2]! * sx, cy: K[5]! * sy },
    };
  });
}

/**
 * The frames of a scan: those whose colour image was taken out of the film as color/<number>.jpg (the lab decodes no
 * films),
 * with the depth of the stream and the cameras of the .jsonl.
 *
 * @throws UserError when there is none, or files are not as expected
 */
export function openMultiscanFrames(scan: string, id: string): FrameSource {
  const files = multiscanFiles(scan, id);
  const facts = readFacts(files.facts);
  const cameras = readCameras(files.cameras, facts.colour, facts.depth);
  const names = namesIn(files.colour).flatMap((name) => /^(\d+)\.jpg$/.exec(name)?.[1] ?? []);
  const frames = names.filter((name) => Number(name) < cameras.length).sort((a, b) => Number(a) - Number(b));
  if (frames.length === 0) {
    throw new UserError(
      `${files.colour}: ` +
        (names.length === 0
          ? "has no frames; "
          : `its frames are beyond the ${cameras.length} cameras of ${id}.jsonl; `) +
        "take them out of the film, numbered from 0: " +
        `mkdir color && ffmpeg -i ${id}.mp4 -start_number 0 -qscale:v 2 color/%d.jpg`,
    );
  }
  if (!existsSync(files.depth))
    throw new UserError(`${files.depth} is missing: expected the scan's depth images; ${again}`);
  const depth = new DepthStream(files.depth, facts.depth, facts.frames, facts.metres ? "metres" : "millimetres");
  return {
    kind: "MultiScan",
    origin: scan,
    frames,
    incomplete: new Map(
      names.filter((name) => Number(name) >= cameras.length).map((name) => [name, `has no camera in ${id}.jsonl`]),
    ),
    layoutDepth: {},
    intrinsics: cameras[Number(frames[0])]!.intrinsics,
    intrinsicsOf: (frame) => cameras[Number(frame)]!.intrinsics,
    pose: (frame) => cameras[Number(frame)]!.pose ?? { fault: "has a pose that is not finite" },
    colour: (frame) => {
      const file = join(files.colour, `${frame}.jpg`);
      return { bytes: bytesOf(file), origin: file };
    },
    depth: (frame) => depth.frame(Number(frame)),
    close: () => depth.close(),
  };
}

/**
 * The annotated objects, by their ids less one: the set counts from 1.
 * @throws UserError naming the entry that is not as expected
 */
export function readMultiscanObjects(scan: string, id: string): SceneObject[] {
  const file = multiscanFiles(scan, id).annotation;
  const { objects } = parseJson(file, Annotations, "the scan's objects", again);
  const found = objects
    .map(({ objectId, label, obb }, i): SceneObject => {
      // "wall_cabinet.1" is the first wall cabinet
      const name = label.replace(/\.\d+$/, "").replaceAll("_", " ");
      return { id: objectId - 1, label: name, box: orientedBox(obb, `${file}: objects[${i}]`) };
    })
    .sort((a, b) => a.id - b.id);
  const twice = found.find((o, i) => found[i - 1]?.id === o.id);
  if (twice !== undefined)
    throw new UserError(`${file}: objectId ${twice.id + 1} (${twice.label}) is given twice; ${again}`);
  if (found.some((o, i) => o.id !== i))
    throw new UserError(
      `${file}: objectId must be 1 to ${found.length} without gaps, got ` +
        `${found.map((o) => o.id + 1).join(", ")}; leave this scan out of the list`,
    );
  return found;
}

/** The stored mesh, which is aligned already; undefined when it is not there. @throws UserError when it is damaged */
export function multiscanMesh(scan: string, id: string): SceneMesh | undefined {
  const { mesh } = multiscanFiles(scan, id);
  if (!existsSync(mesh)) return undefined;
  const { points, faces } = readPly(readFileSync(mesh), mesh);
  return { points: Float64Array.from(points), faces };
}
