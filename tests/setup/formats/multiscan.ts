import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import sharp from "sharp";
import { f64, u16, u32 } from "./bytes";
import { put } from "./scan";

/** Written by hand from MultiScan's documentation (docs/read-the-docs/dataset); shares nothing with the reader. */
export const scanId = "scene_00021_00";
export const depthSize = [6, 8] as const;
export const colourSize = [12, 16] as const;
/** fx, fy, cx, cy of the colour image of frame i. */
export const colourCamera = (i: number): [number, number, number, number] => [14 + i, 15 + i, 7, 5];

/** A half of a number that has one exactly: powers of two and their sums of up to eleven bits. */
export function half(x: number): Buffer {
  if (x === 0) return u16(0);
  const exponent = Math.floor(Math.log2(Math.abs(x)));
  return u16((x < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | Math.round((Math.abs(x) / 2 ** exponent - 1) * 1024));
}

/** Metres of every pixel of frame i; exact in half precision and as millimetres. */
export const metresOf = (i: number): number => 1 + 0.25 * i;

/** The aligned world is the cameras' turned by +90° about x (y up becomes z up), then shifted. */
export const shift = [0.5, -1, 2] as const;
/** Aligned to cameras': (X, Y, Z) → (X - sx, Z - sz, -(Y - sy)); column-major. */
export const coordinateTransform = [1, 0, 0, 0, 0, 0, -1, 0, 0, 1, 0, 0, -shift[0], -shift[2], shift[1], 1];

/**
 * ARKit's camera of frame i at (i, 1.5, 0) in the cameras' world, without a turn: x right, y up, looking along -z;
 * column-major.
 */
export const transformOf = (i: number): number[] => [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, i, 1.5, 0, 1];

export interface MultiscanSpec {
  readonly frames?: number;
  readonly unit?: "m" | "mm";
  /** Bytes that stand for the packed depth. */
  readonly depth?: Buffer;
  readonly lines?: readonly string[];
  readonly objects?: unknown;
}

/** MultiScan's mesh: double coordinates and normals, object and part of each face. */
export function meshFile(vertices: readonly (readonly [number, number, number])[]): Buffer {
  const header = [
    "ply",
    "format binary_little_endian 1.0",
    "comment VCGLIB generated",
    `element vertex ${vertices.length}`,
    ...["x", "y", "z", "nx", "ny", "nz"].map((name) => `property double ${name}`),
    ...["red", "green", "blue", "alpha"].map((name) => `property uchar ${name}`),
    "element face 1",
    "property list uchar int vertex_indices",
    "property ushort objectId",
    "property ushort partId",
    "end_header",
    "",
  ].join("\n");
  return Buffer.concat([
    Buffer.from(header, "latin1"),
    ...vertices.map((v) => Buffer.concat([f64(...v, 0, 0, 1), Buffer.from([1, 2, 3, 255])])),
    Buffer.from([3]),
    u32(0),
    u32(1),
    u32(2),
    u16(1),
    u16(1),
  ]);
}

/** The depth film: every frame's pixels, deflated without a header. */
export function depthFilm(frames: number, unit: "m" | "mm"): Buffer {
  const pixels = depthSize[0] * depthSize[1];
  return deflateRawSync(
    Buffer.concat(
      Array.from({ length: frames }, (_, i) => {
        const one = unit === "m" ? half(metresOf(i)) : u16(Math.round(metresOf(i) * 1000));
        return Buffer.concat(Array.from({ length: pixels }, () => one));
      }),
    ),
  );
}

/** One line of the cameras' file. */
export const cameraLine = (i: number): string => {
  const [fx, fy, cx, cy] = colourCamera(i);
  return JSON.stringify({
    timestamp: i,
    intrinsics: [fx, 0, 0, 0, fy, 0, cx, cy, 1],
    transform: transformOf(i),
    euler_angles: [0, 0, 0],
    quaternion: [1, 0, 0, 0],
    exposure_duration: 1,
  });
};

/** One scan below a data folder; of its film every second frame was taken out. */
export async function writeMultiscan(
  folder: string,
  { frames = 6, unit = "m", depth, lines, objects }: MultiscanSpec = {},
  id = scanId,
): Promise<string> {
  const scan = join(folder, id);
  const stream = (file_extension: string, resolution: readonly number[] | undefined, encoding: string): object => ({
    frequency: 60,
    number_of_frames: frames,
    id: file_extension,
    file_extension,
    type: "x",
    encoding,
    ...(resolution === undefined ? {} : { resolution }),
  });
  put(
    join(scan, `${id}.json`),
    JSON.stringify({
      scene: { type: "Kitchen", description: "x" },
      depth_unit: unit,
      number_of_files: 5,
      depth_confidence_avaliable: true,
      streams: [
        stream("mp4", colourSize, "h264"),
        stream("depth.zlib", depthSize, unit === "m" ? "float16_zlib" : "uint16_zlib"),
        stream("confidence.zlib", undefined, "uint8_zlib"),
        stream("jsonl", undefined, "jsonl"),
      ],
    }),
  );
  put(join(scan, `${id}.jsonl`), `${(lines ?? Array.from({ length: frames }, (_, i) => cameraLine(i))).join("\n")}\n`);
  put(join(scan, `${id}.depth.zlib`), depth ?? depthFilm(frames, unit));
  for (let i = 0; i < frames; i += 2) {
    put(
      join(scan, "color", `${i}.jpg`),
      await sharp(new Uint8Array(colourSize[0] * colourSize[1] * 3).fill(50 + 20 * i), {
        raw: { width: colourSize[1], height: colourSize[0], channels: 3 },
      })
        .jpeg({ quality: 100 })
        .toBuffer(),
    );
  }
  put(
    join(scan, `${id}.align.json`),
    JSON.stringify({ version: "multiscan@0.0.1", coordinate_transform: coordinateTransform }),
  );
  const h = Math.SQRT1_2;
  put(
    join(scan, `${id}.annotations.json`),
    JSON.stringify({
      version: "multiscan@0.0.1",
      scanId: id,
      parts: [],
      objects: objects ?? [
        // turned by 45° about z: an edge of 2 and one of 1 give (2 + 1) · √½ along x and y
        {
          objectId: 2,
          label: "wall_cabinet.1",
          mobilityType: "fixed",
          partIds: [1],
          obb: {
            centroid: [1, 2, 1],
            axesLengths: [2, 0.5, 1],
            normalizedAxes: [h, h, 0, 0, 0, 1, h, -h, 0],
            front: [h, -h, 0],
            up: [0, 0, 1],
          },
        },
        {
          objectId: 1,
          label: "bag.12",
          mobilityType: "movable",
          partIds: [2],
          obb: { centroid: [0, 3, 0.25], axesLengths: [0.5, 0.5, 0.25], normalizedAxes: [1, 0, 0, 0, 0, 1, 0, -1, 0] },
        },
      ],
    }),
  );
  put(
    join(scan, `${id}.ply`),
    meshFile([
      [0, 0, 0],
      [1, 0, 0],
      [0, 1, 0.5],
    ]),
  );
  return scan;
}
