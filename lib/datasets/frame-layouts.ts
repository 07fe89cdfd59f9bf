import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import type { Intrinsics } from "../geometry/camera";
import { poseOf } from "../geometry/rotation";
import type { DataRules } from "./data-rules";
import { readText } from "./json-file";
import { intrinsicsOf, numbersIn, type PoseFault, readPose, scanFact } from "./matrix-text";

/** The frames of a folder, by name. */
export interface FrameFiles {
  readonly colour: ReadonlyMap<string, string>;
  readonly depth: ReadonlyMap<string, string>;
  /** Row-major 4x4 camera-to-world, or why a frame has none. */
  pose(frame: string): Float64Array | PoseFault;
}

/** A way in which people keep posed frames in a folder. */
export interface FrameLayout {
  readonly kind: "exported folders" | "posed images" | "SensReader frames" | "7-Scenes" | "TUM RGB-D";
  /** Whether a folder is of this layout. */
  is(folder: string): boolean;
  files(folder: string): FrameFiles;
  /** Files that may hold the depth camera's intrinsics, and its own statement where it makes one. */
  readonly intrinsics: readonly string[];
  stated?(folder: string): Intrinsics | undefined;
  readonly depth: DataRules["depth"];
}

/** Files of a folder whose name matches, by the pattern's first group, in order of its number. */
function matching(folder: string, pattern: RegExp): Map<string, string> {
  const found = namesIn(folder).flatMap((name) => {
    const frame = pattern.exec(name)?.[1];
    return frame === undefined ? [] : [[frame, join(folder, name)] as const];
  });
  return new Map(found.sort(([a], [b]) => Number(a) - Number(b)));
}

interface Patterns {
  readonly colour: readonly [sub: string, pattern: RegExp];
  readonly depth: readonly [sub: string, pattern: RegExp];
  readonly pose: readonly [sub: string, pattern: RegExp];
}

/** A file a frame, matched by number. */
function byNumber({ colour, depth, pose }: Patterns): (folder: string) => FrameFiles {
  return (folder) => {
    const list = ([sub, pattern]: readonly [string, RegExp]): Map<string, string> =>
      matching(join(folder, sub), pattern);
    const poses = list(pose);
    return { colour: list(colour), depth: list(depth), pose: (frame) => readPose(poses.get(frame)) };
  };
}

const has = (folder: string, pattern: RegExp): boolean =>
  existsSync(folder) && namesIn(folder).some((name) => pattern.test(name));

/**
 * SensReader's own export: color/12.jpg, depth/12.png, pose/12.txt, intrinsic/; scannet_frames_25k beside its lists.
 */
const exportedFolders: FrameLayout = {
  kind: "exported folders",
  is: (folder) => existsSync(join(folder, "color")),
  files: byNumber({
    colour: ["color", /^(\d+)\.(?:jpe?g|png)$/i],
    depth: ["depth", /^(\d+)\.(?:png|pgm)$/i],
    pose: ["pose", /^(\d+)\.txt$/],
  }),
  intrinsics: ["intrinsic/intrinsic_depth.txt", "intrinsics_depth.txt", "intrinsic_depth.txt"],
  depth: {},
};

/** EmbodiedScan's and Video-3D-LLM's export: 00012.jpg, 00012.png, 00012.txt side by side. */
const posedImages: FrameLayout = {
  kind: "posed images",
  is: (folder) => has(folder, /^\d+\.jpe?g$/i),
  files: byNumber({
    colour: ["", /^(\d+)\.jpe?g$/i],
    depth: ["", /^(\d+)\.(?:png|pgm)$/i],
    pose: ["", /^(\d+)\.txt$/],
  }),
  intrinsics: ["depth_intrinsic.txt"],
  depth: {},
};

/** Names that ScanNet's C++ SensReader, 3RScan and 7-Scenes share. */
const numberedFrames = byNumber({
  colour: ["", /^frame-(\d+)\.color\.(?:jpe?g|png)$/i],
  depth: ["", /^frame-(\d+)\.(?:depth\.(?:png|pgm)|rendered\.depth\.png)$/i],
  pose: ["", /^frame-(\d+)\.pose\.txt$/],
});

/** ScanNet's C++ SensReader and 3RScan: frame-000012.color.jpg, .depth.pgm, .pose.txt and _info.txt. */
const sensReader: FrameLayout = {
  kind: "SensReader frames",
  is: (folder) => has(folder, /^frame-\d+\.color\.jpe?g$/i) || existsSync(join(folder, "_info.txt")),
  files: numberedFrames,
  intrinsics: [],
  stated: (folder) => {
    const file = join(folder, "_info.txt");
    if (!existsSync(file)) return undefined;
    const line = scanFact(readText(file, "the recording's facts", again), "m_calibrationDepthIntrinsic");
    return line === undefined ? undefined : intrinsicsOf(numbersIn(line), `${file}: m_calibrationDepthIntrinsic`);
  },
  depth: {},
};

/**
 * 7-Scenes: frame-000012.color.png, .depth.png, .pose.txt; its page gives one camera for all and 65535 for no depth.
 */
const sevenScenes: FrameLayout = {
  kind: "7-Scenes",
  is: (folder) => has(folder, /^frame-\d+\.color\.png$/i),
  files: numberedFrames,
  intrinsics: [],
  depth: { invalid: [65535] },
};

/** Seconds by which the times of a frame's images and pose may differ, as TUM's own tools match them. */
const TUM_APART = 0.02;

/** The value whose time is nearest, if near enough. */
function nearest<T>(list: readonly (readonly [time: number, value: T])[], time: number): T | undefined {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle]![0] < time) low = middle + 1;
    else high = middle;
  }
  const best = [low - 1, low]
    .filter((i) => i >= 0 && i < list.length)
    .sort((a, b) => Math.abs(list[a]![0] - time) - Math.abs(list[b]![0] - time))[0];
  return best !== undefined && Math.abs(list[best]![0] - time) <= TUM_APART ? list[best]![1] : undefined;
}

/** TUM RGB-D: rgb/ and depth/ named by seconds, groundtruth.txt with "time tx ty tz qx qy qz qw", camera to world. */
const tumRgbd: FrameLayout = {
  kind: "TUM RGB-D",
  is: (folder) => existsSync(join(folder, "rgb")) && existsSync(join(folder, "depth")),
  files: (folder) => {
    const depth = matching(join(folder, "depth"), /^(\d+(?:\.\d+)?)\.png$/i);
    const images = [...matching(join(folder, "rgb"), /^(\d+(?:\.\d+)?)\.(?:png|jpe?g)$/i)];
    const times = images.map(([time, path]) => [Number(time), path] as const);
    const truth = join(folder, "groundtruth.txt");
    const poses = readText(truth, "the camera's poses", again)
      .split(/\r?\n/)
      .map((line, i) => ({ line: line.trim(), where: `${truth}: line ${i + 1}` }))
      .filter(({ line }) => line !== "" && !line.startsWith("#"))
      .map(({ line, where }) => {
        const numbers = numbersIn(line);
        if (numbers.length !== 8 || !Number.isFinite(numbers[0]))
          throw new UserError(
            `${where} must have 8 numbers (seconds, translation, quaternion), got "${line.slice(0, 80)}"; ${again}`,
          );
        return [numbers[0]!, numbers.slice(1)] as const;
      })
      .sort((a, b) => a[0] - b[0]);
    const colour = [...depth.keys()].flatMap((time) => {
      const path = nearest(times, Number(time));
      return path === undefined ? [] : [[time, path] as const];
    });
    return {
      depth,
      colour: new Map(colour),
      pose: (frame) => {
        const numbers = nearest(poses, Number(frame));
        if (numbers === undefined) return { fault: "has no pose of its time" };
        return numbers.every(Number.isFinite) ? poseOf(numbers) : { fault: "has a pose that is not finite" };
      },
    };
  },
  intrinsics: [],
  depth: { scale: 5000 },
};

const again = "export the frames again";

/** Names under which a folder of any layout may give its depth camera: 3x3 or 4x4 numbers, or fx fy cx cy. */
const ownIntrinsics = ["intrinsics.txt", "depth_intrinsic.txt", "intrinsic_depth.txt", "intrinsic/intrinsic_depth.txt"];

export const frameLayouts: readonly FrameLayout[] = [exportedFolders, sensReader, sevenScenes, tumRgbd, posedImages];

/** Cameras that the owners of sets without intrinsics files publish for their depth images of 640x480. */
const publishedCameras: Readonly<Record<string, Intrinsics>> = {
  "7-Scenes": { fx: 585, fy: 585, cx: 320, cy: 240 },
  "TUM RGB-D": { fx: 525, fy: 525, cx: 319.5, cy: 239.5 },
};

/**
 * The depth camera of a folder of frames, as a file in it says; undefined when none does.
 *
 * @param published what its set's owners publish instead
 */
export function folderIntrinsics(layout: FrameLayout, folder: string, published: boolean): Intrinsics | undefined {
  if (published) return publishedCameras[layout.kind];
  const file = [...layout.intrinsics, ...ownIntrinsics].map((name) => join(folder, name)).find((f) => existsSync(f));
  if (file !== undefined) return intrinsicsOf(numbersIn(readText(file, "the depth camera's intrinsics", again)), file);
  return layout.stated?.(folder);
}

/** What a folder without frames in a known layout is, and what to do with it; undefined when nothing is recognised. */
export function foreignCapture(folder: string): string | undefined {
  const names = existsSync(folder) ? namesIn(folder) : [];
  const into =
    "color/<n>.jpg, depth/<n>.png (16 bit, millimetres), pose/<n>.txt (4x4, camera to world, metres, camera with " +
    "x right, y down, z forward) and intrinsic/intrinsic_depth.txt";
  const some = (pattern: RegExp): boolean => names.some((name) => pattern.test(name));
  if (some(/\.r3d$/) || (names.includes("metadata") && names.includes("rgbd")))
    return (
      `${folder} is a Record3D capture (.r3d, or rgbd/ with metadata): its depth is float32 metres behind lzfse, ` +
      `its poses are quaternions with y up in "metadata"; convert it to ${into}`
    );
  if (some(/^frame_\d+\.json$/) || (names.includes("keyframes") && existsSync(join(folder, "keyframes"))))
    return (
      `${folder} is a capture of an ARKit app (frame_<n>.jpg with frame_<n>.json, or keyframes/): its poses look ` +
      `along -z with y up; turn them by diag(1, -1, -1, 1) and convert it to ${into}`
    );
  if (names.includes("odometry.csv"))
    return (
      `${folder} is a Stray Scanner capture (rgb.mp4, depth/, odometry.csv): its poses are quaternions, its colour a ` +
      `film; take the film's frames and convert it to ${into}`
    );
  if (names.includes("iphone") || names.includes("dslr"))
    return (
      `${folder} is a scan of ScanNet++ (iphone/ with rgb.mkv and depth.bin, dslr/ without depth): unpack the ` +
      `iPhone's frames with its toolkit and convert them to ${into}`
    );
  if (names.includes("transforms.json"))
    return (
      `${folder} is a capture for radiance fields (transforms.json): its poses look along -z with y up; turn them by ` +
      `diag(1, -1, -1, 1) and convert it, with a depth image a frame, to ${into}`
    );
  if (some(/^seq-\d+$/))
    return (
      `${folder} holds sequences (${names.filter((n) => /^seq-\d+$/.test(n)).join(", ")}): ` +
      `name ${basename(folder)} as the data folder and a sequence as the scene`
    );
  return undefined;
}
