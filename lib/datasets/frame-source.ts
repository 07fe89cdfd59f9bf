import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../core/errors";
import type { Intrinsics } from "../geometry/camera";
import { decodePng16, type Grey16 } from "../io/png16";
import { SensFile } from "../io/sens";
import { indexedScan } from "./embodiedscan";
import { readText } from "./json-file";
import { intrinsicsOf, numbersIn, readPose, scanFact, usablePose } from "./matrix-text";

/** Where a scan's frames come from: a .sens recording or one of its exports, or another set's files. */
export interface FrameSource {
  readonly kind: "sens" | "exported folders" | "posed images" | "ARKitScenes" | "MultiScan";
  /** The file or folder. */
  readonly origin: string;
  /** Names, in order of their numbers. */
  readonly frames: readonly string[];
  /** Of the depth images, pixels; of the first one where each has its own. */
  readonly intrinsics: Intrinsics;
  /** Of one frame, where they differ. */
  intrinsicsOf?(frame: string): Intrinsics;
  /** Depth units a metre. */
  readonly depthShift: number;
  /** Row-major 4x4 camera-to-world in the scan's own world; undefined where tracking was lost. */
  pose(frame: string): Float64Array | undefined;
  /** The colour image as a file, jpeg or png, and its name for messages. @throws UserError when it cannot be read */
  colour(frame: string): { readonly bytes: Uint8Array; readonly origin: string };
  /** @throws UserError when it cannot be read or decoded */
  depth(frame: string): Grey16 | Promise<Grey16>;
  /** Gives back what is held open, where something is. */
  close?(): void;
}

interface ExportLayout {
  readonly kind: FrameSource["kind"];
  readonly folder: string;
  readonly file: (frame: string, kind: "colour" | "depth" | "pose") => string;
  readonly colourFolder: string;
  readonly depthFolder: string;
  readonly intrinsics: string;
}

/** SensReader's own export: color/12.jpg, depth/12.png, pose/12.txt, intrinsic/. */
function exportedFolders(folder: string): ExportLayout {
  const sub = { colour: ["color", "jpg"], depth: ["depth", "png"], pose: ["pose", "txt"] } as const;
  return {
    kind: "exported folders",
    folder,
    file: (frame, kind) => join(folder, sub[kind][0], `${frame}.${sub[kind][1]}`),
    colourFolder: join(folder, "color"),
    depthFolder: join(folder, "depth"),
    intrinsics: join(folder, "intrinsic", "intrinsic_depth.txt"),
  };
}

/** EmbodiedScan's and Video-3D-LLM's export: 00012.jpg, 00012.png, 00012.txt side by side. */
function posedImages(folder: string): ExportLayout {
  const suffix = { colour: "jpg", depth: "png", pose: "txt" } as const;
  return {
    kind: "posed images",
    folder,
    file: (frame, kind) => join(folder, `${frame}.${suffix[kind]}`),
    colourFolder: folder,
    depthFolder: folder,
    intrinsics: join(folder, "depth_intrinsic.txt"),
  };
}

function framesIn(folder: string, suffix: string): string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(folder)
    .flatMap((name) => (/^\d+\./.test(name) && name.endsWith(suffix) ? [name.slice(0, -suffix.length)] : []))
    .sort((a, b) => Number(a) - Number(b));
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

/**
 * Depth intrinsics of an export: its own file, else <scene>.txt, else EmbodiedScan's index. The colour camera's are
 * others.
 */
function exportIntrinsics(layout: ExportLayout, folder: string, id: string): Intrinsics {
  const { intrinsics: own } = layout;
  if (existsSync(own)) return intrinsicsOf(numbersIn(readFileSync(own, "utf8")), own);
  const facts = join(folder, "scans", id, `${id}.txt`);
  if (existsSync(facts)) {
    const text = readFileSync(facts, "utf8");
    const [fx, fy, cx, cy] = ["fx_depth", "fy_depth", "mx_depth", "my_depth"].map((key) =>
      Number(scanFact(text, key) ?? NaN),
    ) as [number, number, number, number];
    if ([fx, fy, cx, cy].every(Number.isFinite)) return { fx, fy, cx, cy };
  }
  const indexed = indexedScan(folder, id)?.depthIntrinsics;
  if (indexed !== undefined) return intrinsicsOf(indexed, `${join(folder, "embodiedscan.json")}: ${id}: depth_cam2img`);
  return intrinsicsOf(
    numbersIn(
      readText(
        own,
        "the depth camera's intrinsics, 4x4 numbers",
        `export the scan again, or put ${id}.txt (with fx_depth, fy_depth, mx_depth, my_depth) into scans/${id}`,
      ),
    ),
    own,
  );
}

function openExport(layout: ExportLayout, folder: string, id: string): FrameSource {
  const colourFrames = framesIn(layout.colourFolder, ".jpg");
  const depthFrames = framesIn(layout.depthFolder, ".png");
  const [inColour, inDepth] = [new Set(colourFrames), new Set(depthFrames)];
  const odd = colourFrames.find((f) => !inDepth.has(f)) ?? depthFrames.find((f) => !inColour.has(f));
  if (colourFrames.length === 0 || odd !== undefined) {
    throw new UserError(
      `${layout.folder}: expected as many colour as depth frames, got ${colourFrames.length} colour and ` +
        `${depthFrames.length} depth` +
        `${odd === undefined ? "" : ` (frame ${odd} has one only)`}; export the frames of this scan again`,
    );
  }
  return {
    kind: layout.kind,
    origin: layout.folder,
    frames: colourFrames,
    depthShift: 1000,
    intrinsics: exportIntrinsics(layout, folder, id),
    pose: (frame) => readPose(layout.file(frame, "pose")),
    colour: (frame) => {
      const file = layout.file(frame, "colour");
      return { bytes: bytesOf(file), origin: file };
    },
    depth: (frame) => {
      const file = layout.file(frame, "depth");
      return decodePng16(bytesOf(file), file);
    },
  };
}

function openSens(path: string): FrameSource {
  const sens = SensFile.open(path);
  if (sens.frameCount === 0) throw new UserError(`${path}: has no frame; download the scan's .sens file again`);
  return {
    kind: "sens",
    origin: path,
    frames: Array.from({ length: sens.frameCount }, (_, i) => String(i)),
    depthShift: sens.depthShift,
    intrinsics: intrinsicsOf(sens.depthIntrinsics, path),
    pose: (frame) => usablePose(sens.poses[Number(frame)]!),
    colour: (frame) => ({ bytes: sens.colourJpeg(Number(frame)), origin: `${path}: frame ${frame}` }),
    depth: (frame) => sens.depthMap(Number(frame)),
  };
}

/**
 * How a scan's frames are stored, without opening them; undefined when there are none. Exports come before the
 * recording: they are read faster.
 */
export function frameStore(
  folder: string,
  id: string,
): { readonly kind: FrameSource["kind"]; readonly path: string } | undefined {
  const scan = join(folder, "scans", id);
  if (existsSync(join(scan, "color"))) return { kind: "exported folders", path: scan };
  const posed = join(folder, "posed_images", id);
  if (existsSync(posed)) return { kind: "posed images", path: posed };
  if (framesIn(scan, ".jpg").length > 0) return { kind: "posed images", path: scan };
  const sens = join(scan, `${id}.sens`);
  return existsSync(sens) ? { kind: "sens", path: sens } : undefined;
}

/** Only the frames that EmbodiedScan's index lists, where the folder has one for this scan. */
function indexed(source: FrameSource, folder: string, id: string): FrameSource {
  const scan = indexedScan(folder, id);
  if (scan === undefined) return source;
  const byNumber = new Map(source.frames.map((name) => [Number(name), name]));
  const frames = scan.frames.map((number) => {
    const name = byNumber.get(number);
    if (name === undefined)
      throw new UserError(
        `${source.origin}: has no frame ${number}, which embodiedscan.json lists for ${id}; export the frames ` +
          "of this scan again, or remove embodiedscan.json to use the frames that are there",
      );
    return name;
  });
  return { ...source, frames };
}

/**
 * Opens the frames of a scan of a data folder.
 *
 * @throws UserError when there are none, colour and depth differ in number, or the recording is damaged
 */
export function openFrames(folder: string, id: string): FrameSource {
  const store = frameStore(folder, id);
  const scan = join(folder, "scans", id);
  if (store === undefined) {
    throw new UserError(
      `${scan}: expected as many colour as depth frames, got 0 colour and 0 depth; put ${id}.sens there, or its ` +
        `export (color/ depth/ pose/ intrinsic/, or posed_images/${id})`,
    );
  }
  if (store.kind === "sens") return indexed(openSens(store.path), folder, id);
  return indexed(
    openExport(store.kind === "exported folders" ? exportedFolders(store.path) : posedImages(store.path), folder, id),
    folder,
    id,
  );
}
