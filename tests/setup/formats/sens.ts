import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { f32, u32, u64 } from "./bytes";

export interface SensFrame {
  /** Row-major 4x4 camera-to-world. */
  readonly pose: readonly number[];
  readonly jpeg: Buffer;
  /** uint16[rows, cols] millimetres, packed here; or bytes that stand for a packed image. */
  readonly depth: Uint16Array | Buffer;
}

export interface SensSpec {
  readonly version?: number;
  readonly sensor?: string;
  readonly colour?: readonly [cols: number, rows: number];
  readonly depth?: readonly [cols: number, rows: number];
  readonly colourKind?: number;
  readonly depthKind?: number;
  readonly shift?: number;
  /** fx, fy, cx, cy */
  readonly depthIntrinsics?: readonly [number, number, number, number];
  /** Announced instead of the real number. */
  readonly count?: number | bigint;
  /** Bytes behind the frames: the count of inertial records and the records. */
  readonly tail?: Buffer;
}

const unit = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
const intrinsics = (fx: number, fy: number, cx: number, cy: number): number[] => [
  fx,
  0,
  cx,
  0,
  0,
  fy,
  cy,
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

/** What stands before the frames: version, name, two cameras, compressions, sizes, depth units, number of frames. */
export function sensHeader(spec: SensSpec, frames: number): Buffer {
  const name = Buffer.from(spec.sensor ?? "StructureSensor", "latin1");
  const [cw, ch] = spec.colour ?? [8, 6];
  const [dw, dh] = spec.depth ?? [8, 6];
  return Buffer.concat([
    u32(spec.version ?? 4),
    u64(name.length),
    name,
    f32(...intrinsics(1170, 1170, 647, 483)),
    f32(...unit),
    f32(...intrinsics(...(spec.depthIntrinsics ?? [7, 7, 3.5, 2.5]))),
    f32(...unit),
    u32(spec.colourKind ?? 2),
    u32(spec.depthKind ?? 1),
    u32(cw),
    u32(ch),
    u32(dw),
    u32(dh),
    f32(spec.shift ?? 1000),
    u64(spec.count ?? frames),
  ]);
}

/** A frame's header: pose, two timestamps, two sizes. */
export const sensFrameHeader = (pose: readonly number[], colour: number | bigint, depth: number | bigint): Buffer =>
  Buffer.concat([f32(...pose), u64(1_000_000), u64(1_000_007), u64(colour), u64(depth)]);

/** A whole .sens file of version 4, as ScanNet's SensReader lays it out. */
export function sensFile(frames: readonly SensFrame[], spec: SensSpec = {}): Buffer {
  return Buffer.concat([
    sensHeader(spec, frames.length),
    ...frames.flatMap(({ pose, jpeg, depth }) => {
      const packed = Buffer.isBuffer(depth)
        ? depth
        : deflateSync(Buffer.from(depth.buffer, depth.byteOffset, depth.byteLength));
      return [sensFrameHeader(pose, jpeg.length, packed.length), jpeg, packed];
    }),
    spec.tail ?? u64(0),
  ]);
}

/**
 * A recording of many frames whose images are holes in a sparse file, except for the last one's.
 *
 * @returns size in bytes
 */
export function sparseSens(
  path: string,
  frames: number,
  imageBytes: readonly [colour: number, depth: number],
  last: SensFrame,
  spec: SensSpec,
): number {
  const file = openSync(path, "w");
  let at = writeSync(file, sensHeader(spec, frames));
  for (let i = 0; i < frames - 1; i++) {
    writeSync(file, sensFrameHeader(last.pose, ...imageBytes), 0, 96, at);
    at += 96 + imageBytes[0] + imageBytes[1];
  }
  const packed = Buffer.isBuffer(last.depth) ? last.depth : deflateSync(Buffer.from(last.depth.buffer));
  const end = Buffer.concat([sensFrameHeader(last.pose, last.jpeg.length, packed.length), last.jpeg, packed, u64(0)]);
  writeSync(file, end, 0, end.length, at);
  ftruncateSync(file, at + end.length);
  closeSync(file);
  return at + end.length;
}
