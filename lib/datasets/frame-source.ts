import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import type { Intrinsics } from "../geometry/camera";
import { decodePgm16 } from "../io/pgm";
import { decodePng16, type Grey16 } from "../io/png16";
import { SensFile } from "../io/sens";
import type { DataRules } from "./data-rules";
import { indexedScan } from "./embodiedscan";
import { type FrameLayout, folderIntrinsics, foreignCapture, frameLayouts } from "./frame-layouts";
import { readText } from "./json-file";
import { intrinsicsOf, type PoseFault, scanFact, usablePose } from "./matrix-text";

/** Where a scan's frames come from: a .sens recording or one of its exports, or another set's files. */
export interface FrameSource {
  readonly kind: "sens" | FrameLayout["kind"] | "ARKitScenes" | "MultiScan";
  /** The file or folder. */
  readonly origin: string;
  /** Names, in order of their numbers. */
  readonly frames: readonly string[];
  /** Frames that lack an image, and what each lacks; they are not among `frames`. */
  readonly incomplete: ReadonlyMap<string, string>;
  /** Of the depth images, pixels; of the first one where each has its own. */
  readonly intrinsics: Intrinsics;
  /** Of one frame, where they differ. */
  intrinsicsOf?(frame: string): Intrinsics;
  /** How its depth images are read where nobody says otherwise. */
  readonly layoutDepth: DataRules["depth"];
  /** Row-major 4x4 camera-to-world in the scan's own world, or why a frame has none, such as lost tracking. */
  pose(frame: string): Float64Array | PoseFault;
  /** The colour image as a file, jpeg or png, and its name for messages. @throws UserError when it cannot be read */
  colour(frame: string): { readonly bytes: Uint8Array; readonly origin: string };
  /** Raw units; 0 = not measured. @throws UserError when it cannot be read or decoded */
  depth(frame: string): Grey16 | Promise<Grey16>;
  /** Gives back what is held open, where something is. */
  close?(): void;
}

/** A frame's file. @throws UserError when it cannot be read */
// frames are small: handing a read to another thread costs more than the read
export function bytesOf(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UserError(
      `${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"}); export this frame again`,
    );
  }
}

/** A 16-bit depth image, png or pgm. */
export function depthImage(file: string): Grey16 | Promise<Grey16> {
  return /\.pgm$/i.test(file) ? decodePgm16(bytesOf(file), file) : decodePng16(bytesOf(file), file);
}

/** The frames that have both images, in order, and what the others lack. */
export function wholeFrames<K>(
  colour: ReadonlyMap<K, unknown>,
  depth: ReadonlyMap<K, unknown>,
): { frames: K[]; incomplete: Map<K, string> } {
  const incomplete = new Map<K, string>();
  for (const frame of colour.keys()) if (!depth.has(frame)) incomplete.set(frame, "has no depth image");
  for (const frame of depth.keys()) if (!colour.has(frame)) incomplete.set(frame, "has no colour image");
  return { frames: [...colour.keys()].filter((frame) => depth.has(frame)), incomplete };
}

/**
 * Depth intrinsics of an export: its own file, else <scene>.txt, else EmbodiedScan's index, else what its set's owners
 * publish. The colour camera's are others.
 */
function exportIntrinsics(layout: FrameLayout, at: string, folder: string, id: string): Intrinsics {
  const own = folderIntrinsics(layout, at, false);
  if (own !== undefined) return own;
  const facts = join(folder, "scans", id, `${id}.txt`);
  if (existsSync(facts)) {
    const text = readText(facts, "the scan's facts", "take it from the scan again");
    const [fx, fy, cx, cy] = ["fx_depth", "fy_depth", "mx_depth", "my_depth"].map((key) =>
      Number(scanFact(text, key) ?? NaN),
    ) as [number, number, number, number];
    if ([fx, fy, cx, cy].every(Number.isFinite)) return { fx, fy, cx, cy };
  }
  const indexed = indexedScan(folder, id)?.depthIntrinsics;
  if (indexed !== undefined) return intrinsicsOf(indexed, `${join(folder, "embodiedscan.json")}: ${id}: depth_cam2img`);
  const published = folderIntrinsics(layout, at, true);
  if (published !== undefined) return published;
  throw new UserError(
    `${join(at, layout.intrinsics[0] ?? "intrinsics.txt")} is missing: expected the depth camera's intrinsics, ` +
      "4x4 or " +
      `3x3 numbers, or "fx fy cx cy"; write them there, or put ${id}.txt (with fx_depth, fy_depth, mx_depth, ` +
      `my_depth) into scans/${id}`,
  );
}

function openExport(layout: FrameLayout, at: string, folder: string, id: string): FrameSource {
  const { colour, depth, pose } = layout.files(at);
  const { frames, incomplete } = wholeFrames(colour, depth);
  if (frames.length === 0) {
    throw new UserError(
      `${at}: expected frames with a colour and a depth image (${layout.kind}), got ${colour.size} colour and ` +
        `${depth.size} depth images and none of one name; export the frames of this scan again`,
    );
  }
  return {
    kind: layout.kind,
    origin: at,
    frames,
    incomplete,
    layoutDepth: layout.depth,
    intrinsics: exportIntrinsics(layout, at, folder, id),
    pose,
    colour: (frame) => ({ bytes: bytesOf(colour.get(frame)!), origin: colour.get(frame)! }),
    depth: (frame) => depthImage(depth.get(frame)!),
  };
}

function openSens(path: string): FrameSource {
  const sens = SensFile.open(path);
  if (sens.frameCount === 0) throw new UserError(`${path}: has no frame; download the scan's .sens file again`);
  return {
    kind: "sens",
    origin: path,
    frames: Array.from({ length: sens.frameCount }, (_, i) => String(i)),
    incomplete: new Map(),
    layoutDepth: { scale: sens.depthShift },
    intrinsics: intrinsicsOf(sens.depthIntrinsics, path),
    pose: (frame) => usablePose(sens.poses[Number(frame)]!),
    colour: (frame) => ({ bytes: sens.colourJpeg(Number(frame)), origin: `${path}: frame ${frame}` }),
    depth: (frame) => sens.depthMap(Number(frame)),
  };
}

export interface FrameStore {
  readonly kind: FrameSource["kind"];
  readonly path: string;
  /** Undefined for a recording. */
  readonly layout?: FrameLayout;
}

/** Folders of a data folder that may hold a scan's frames. */
const frameFolders = (folder: string, id: string): string[] =>
  [["scans", id], ["posed_images", id], ["scannet_frames_25k", id], ["tasks", "scannet_frames_25k", id], [id]].map(
    (path) => join(folder, ...path),
  );

/**
 * How a scan's frames are stored, without opening them; undefined when there are none. Exports come before the
 * recording: they are read faster; the recording before scannet_frames_25k, which is a hundredth of it.
 */
export function frameStore(folder: string, id: string): FrameStore | undefined {
  const [scan, posed, ...others] = frameFolders(folder, id);
  const at = (path: string): FrameStore | undefined => {
    const layout = frameLayouts.find((l) => l.is(path));
    return layout === undefined ? undefined : { kind: layout.kind, path, layout };
  };
  const sens = join(scan!, `${id}.sens`);
  const recording = existsSync(sens) ? ({ kind: "sens", path: sens } as const) : undefined;
  return at(scan!) ?? at(posed!) ?? recording ?? others.map(at).find((store) => store !== undefined);
}

/** Only the frames that EmbodiedScan's index lists, where the folder has one for this scan. */
function indexed(source: FrameSource, folder: string, id: string): FrameSource {
  const scan = indexedScan(folder, id);
  if (scan === undefined) return source;
  const byNumber = new Map(source.frames.map((name) => [Number(name), name]));
  const listed = scan.frames.map((number) => ({ number, name: byNumber.get(number) }));
  const frames = listed.flatMap(({ name }) => name ?? []);
  const incomplete = new Map(source.incomplete);
  for (const { number, name } of listed)
    if (name === undefined) incomplete.set(String(number), "is listed in embodiedscan.json and not there");
  if (frames.length === 0)
    throw new UserError(
      `${source.origin}: has none of the ${listed.length} frames that embodiedscan.json lists for ${id}; export the ` +
        "frames of this scan again, or remove embodiedscan.json to use the frames that are there",
    );
  return { ...source, frames, incomplete };
}

/** What a scan without known frames is, and what to convert; undefined when nothing is recognised. */
export function captureOf(folder: string, id: string): string | undefined {
  return frameFolders(folder, id)
    .map(foreignCapture)
    .find((hint) => hint !== undefined);
}

/** Captures in foreign forms in a data folder, or the folder itself: what each is, and what to convert. */
export function foreignCaptures(folder: string): string[] {
  const inside = [folder, join(folder, "scans")].flatMap((place) => namesIn(place).map((name) => join(place, name)));
  return [folder, ...inside]
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
    .flatMap((path) => foreignCapture(path) ?? []);
}

/**
 * Opens the frames of a scan of a data folder.
 *
 * @throws UserError when there are none that have both images, or the recording is damaged
 */
export function openFrames(folder: string, id: string): FrameSource {
  const store = frameStore(folder, id);
  if (store === undefined) {
    throw new UserError(
      captureOf(folder, id) ??
        `${join(folder, "scans", id)}: has no frames; put ${id}.sens there, its export ` +
          "(color/ depth/ pose/ intrinsic/, " +
          `posed_images/${id}, scannet_frames_25k/${id}, or frame-<n>.color.jpg …), or frames of 7-Scenes or TUM RGB-D`,
    );
  }
  const source = store.layout === undefined ? openSens(store.path) : openExport(store.layout, store.path, folder, id);
  return indexed(source, folder, id);
}
