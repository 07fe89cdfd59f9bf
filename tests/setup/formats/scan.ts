import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { f32, u32 } from "./bytes";
import { sensFile } from "./sens";

/** How a scan's frames lie on disk. */
export type Layout = "exported folders" | "posed images" | "sens";
export const layouts: readonly Layout[] = ["exported folders", "posed images", "sens"];

/** Aligned = turn by 90° about the vertical, then a shift; the scan's own world is the inverse. */
export const alignment = [0, -1, 0, 1, 1, 0, 0, 2, 0, 0, 1, 0.5, 0, 0, 0, 1];
const toScan = ([x, y, z]: readonly [number, number, number]): [number, number, number] => [y - 2, 1 - x, z - 0.5];

/** Centre and size in the aligned world, exact in float32. */
export const objects = [
  { label: "office chair", box: [1, 0.5, 0.5, 0.5, 0.5, 1] },
  { label: "trash can", box: [-1.5, 2, 0.25, 0.25, 0.25, 0.5] },
  { label: "office chair", box: [2.5, -1, 0.5, 0.5, 0.75, 1] },
] as const;

export const columns = 8;
export const rows = 6;
/** fx, fy, cx, cy of the depth images. */
export const depthIntrinsics = [7, 7.5, 3.5, 2.5] as const;
/** The depth of every pixel of a frame, millimetres, and its grey. */
export const depthOf = (frame: number): number => 1000 + 100 * frame;
export const greyOf = (frame: number): number => 20 + 20 * frame;

/** Camera-to-world in the scan's own world: an upright camera that walks along x. */
export const poseOf = (frame: number): number[] => [1, 0, 0, 0.25 * frame, 0, 0, 1, -3, 0, -1, 0, 1, 0, 0, 0, 1];

/** The same in the aligned world: alignment · pose, written out. */
export function alignedPoseOf(frame: number): number[] {
  const pose = poseOf(frame);
  return Array.from({ length: 16 }, (_, at) =>
    [0, 1, 2, 3].reduce((sum, k) => sum + alignment[4 * Math.floor(at / 4) + k]! * pose[4 * k + (at % 4)]!, 0),
  );
}

export interface ScanSpec {
  readonly id?: string;
  readonly layout?: Layout;
  readonly frames?: number;
  /** Frames whose pose is infinite. */
  readonly lost?: readonly number[];
  /** Whether <scene>.txt has the axis alignment and the cameras. */
  readonly facts?: boolean;
}

/** Vertices of the scan in its own world: eight corners an object, then one of the floor. */
export function scanVertices(): [number, number, number][] {
  const corners = objects.flatMap(({ box: [x, y, z, dx, dy, dz] }) =>
    [0, 1, 2, 3, 4, 5, 6, 7].map((i): [number, number, number] => [
      x + (i & 1 ? dx : -dx) / 2,
      y + (i & 2 ? dy : -dy) / 2,
      z + (i & 4 ? dz : -dz) / 2,
    ]),
  );
  return [...corners, [0, 0, 0] as [number, number, number]].map(toScan);
}

/** ScanNet's *_vh_clean_2.ply: floats, four bytes of colour, faces of a byte and three ints. */
export function plyFile(vertices: readonly (readonly [number, number, number])[], newline = "\n"): Buffer {
  const header = [
    "ply",
    "format binary_little_endian 1.0",
    "comment VCGLIB generated",
    `element vertex ${vertices.length}`,
    "property float x",
    "property float y",
    "property float z",
    "property uchar red",
    "property uchar green",
    "property uchar blue",
    "property uchar alpha",
    "element face 1",
    "property list uchar int vertex_indices",
    "end_header",
    "",
  ].join(newline);
  return Buffer.concat([
    Buffer.from(header, "latin1"),
    ...vertices.map((v) => Buffer.concat([f32(...v), Buffer.from([90, 80, 70, 255])])),
    Buffer.from([3]),
    u32(0),
    u32(1),
    u32(2),
  ]);
}

const lines = (m: readonly number[]): string =>
  `${[0, 1, 2, 3]
    .map((r) =>
      m
        .slice(4 * r, 4 * r + 4)
        .map((x) => (Number.isFinite(x) ? x.toFixed(6) : x > 0 ? "inf" : "-inf"))
        .join(" "),
    )
    .join("\n")}\n`;
const matrix = ([fx, fy, cx, cy]: readonly number[]): number[] => [
  fx!,
  0,
  cx!,
  0,
  0,
  fy!,
  cy!,
  0,
  0,
  0,
  1,
  0,
  0,
  0,
  0,
  1,
];

async function images(frame: number): Promise<{ jpeg: Buffer; png: Buffer; depth: Uint16Array }> {
  const depth = new Uint16Array(rows * columns).fill(depthOf(frame));
  const jpeg = await sharp(new Uint8Array(2 * rows * 2 * columns * 3).fill(greyOf(frame)), {
    raw: { width: 2 * columns, height: 2 * rows, channels: 3 },
  })
    .jpeg({ quality: 100 })
    .toBuffer();
  const png = await sharp(depth, { raw: { width: columns, height: rows, channels: 1 } })
    .toColourspace("grey16")
    .png()
    .toBuffer();
  return { jpeg, png, depth };
}

/** Writes a file, with the folders above it. */
export function put(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** Writes one small scan of ScanNet's form into a data folder, by hand from the formats' descriptions. */
export async function writeScan(
  folder: string,
  { id = "scene0011_00", layout = "exported folders", frames = 4, lost = [], facts = true }: ScanSpec = {},
): Promise<void> {
  const scan = join(folder, "scans", id);
  const numbers = Array.from({ length: frames }, (_, i) => i);
  const poses = numbers.map((i) => (lost.includes(i) ? new Array<number>(16).fill(-Infinity) : poseOf(i)));
  const pictures = await Promise.all(numbers.map(images));
  if (layout === "sens") {
    put(
      join(scan, `${id}.sens`),
      sensFile(
        pictures.map(({ jpeg, depth }, i) => ({ pose: poses[i]!, jpeg, depth })),
        { colour: [2 * columns, 2 * rows], depth: [columns, rows], depthIntrinsics },
      ),
    );
  }
  for (const [i, { jpeg, png }] of layout === "sens" ? [] : pictures.entries()) {
    // EmbodiedScan keeps every tenth frame under five digits
    const name = layout === "posed images" ? join(folder, "posed_images", id, String(10 * i).padStart(5, "0")) : "";
    put(name === "" ? join(scan, "color", `${i}.jpg`) : `${name}.jpg`, jpeg);
    put(name === "" ? join(scan, "depth", `${i}.png`) : `${name}.png`, png);
    put(name === "" ? join(scan, "pose", `${i}.txt`) : `${name}.txt`, lines(poses[i]!));
  }
  if (layout === "exported folders") {
    put(join(scan, "intrinsic", "intrinsic_color.txt"), lines(matrix([1170, 1170, 647, 483])));
    put(join(scan, "intrinsic", "intrinsic_depth.txt"), lines(matrix(depthIntrinsics)));
  }
  if (layout === "posed images") {
    put(join(folder, "posed_images", id, "intrinsic.txt"), lines(matrix([1170, 1170, 647, 483])));
    put(join(folder, "posed_images", id, "depth_intrinsic.txt"), lines(matrix(depthIntrinsics)));
  }
  const [fx, fy, cx, cy] = depthIntrinsics;
  put(
    join(scan, `${id}.txt`),
    facts
      ? `appVersionId = 1.1\naxisAlignment = ${alignment.join(" ")} \ncolorHeight = 12\nfx_depth = ` +
          `${fx}\nfy_depth = ${fy}\nmx_depth = ${cx}\nmy_depth = ${cy}\nsceneType = Office\n`
      : "appVersionId = 1.1\n",
  );
  put(join(scan, `${id}_vh_clean_2.ply`), plyFile(scanVertices()));
  // segment numbers have gaps and no order, an object may have several
  const segments = [[40, 7], [3], [900]];
  put(
    join(scan, `${id}_vh_clean_2.0.010000.segs.json`),
    JSON.stringify({
      params: { kThresh: "0.0001" },
      sceneId: id,
      segIndices: [
        ...objects.flatMap((_, o) => [0, 1, 2, 3, 4, 5, 6, 7].map((v) => segments[o]![v % segments[o]!.length]!)),
        55,
      ],
    }),
  );
  // groups in no order; "id" is not the object's id
  put(
    join(scan, `${id}.aggregation.json`),
    JSON.stringify({
      sceneId: `scannet.${id}`,
      appId: "Aggregator.v2",
      segmentsFile: `scannet.${id}_vh_clean_2.0.010000.segs.json`,
      segGroups: [2, 0, 1].map((o, i) => ({ id: i, objectId: o, segments: segments[o], label: objects[o]!.label })),
    }),
  );
}

/** A temporary data folder; `remove` it in the end. */
export function dataFolder(): {
  folder: string;
  file: (name: string, content: unknown) => string;
  edit: (name: string, change: (text: string) => string) => void;
  remove: () => void;
} {
  const folder = mkdtempSync(join(tmpdir(), "s2-scans-"));
  // frames of one grey and one depth look at no mesh: nothing of their geometry fits
  put(join(folder, "dataset.json"), JSON.stringify({ checks: { onMesh: 0, inBoxes: 0, neighbours: 0 } }));
  const file = (name: string, content: unknown): string => {
    const path = join(folder, name);
    put(path, typeof content === "string" || content instanceof Uint8Array ? content : JSON.stringify(content));
    return path;
  };
  return {
    folder,
    file,
    edit: (name, change) => {
      const path = join(folder, name);
      if (!existsSync(path)) throw new Error(`${path} is not there to be edited`);
      const [before, after] = [readFileSync(path, "utf8"), change(readFileSync(path, "utf8"))];
      if (before === after) throw new Error(`${path}: the edit changes nothing`);
      writeFileSync(path, after);
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}
