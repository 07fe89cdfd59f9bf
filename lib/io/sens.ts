import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { inflateSync } from "node:zlib";
import { UserError } from "../core/errors";
import type { Grey16 } from "./png16";

interface ImageSize {
  readonly cols: number;
  readonly rows: number;
}

/** Pose, two timestamps and two sizes stand before the images of a frame. */
const FRAME_HEADER = 16 * 4 + 4 * 8;
/** No depth or colour camera of ScanNet comes near; a larger side is a damaged header. */
const LARGEST_SIDE = 8192;
/** What compression may add to a tiny image: headers and tables. */
const SLACK = 1 << 16;

/**
 * A file that is opened for one piece of work and closed whatever happens; Node reads at most 2 GB a call, this far
 * less.
 */
function withFile<T>(
  path: string,
  work: (read: (at: number, bytes: number, what: string) => Buffer, size: number) => T,
): T {
  let file: number | undefined;
  try {
    const opened = (file = openSync(path, "r"));
    const { size } = fstatSync(opened);
    return work((at, bytes, what) => {
      if (at + bytes > size)
        throw new UserError(
          `${path}: ends after ${size} bytes inside ${what}, which needs ${bytes} bytes at ${at}; the download ` +
            "is not complete, continue it or download it again",
        );
      const out = Buffer.alloc(bytes);
      for (let got = 0; got < bytes; ) {
        const n = readSync(opened, out, got, bytes - got, at + got);
        if (n === 0)
          throw new UserError(
            `${path}: became shorter while it was read (${what}); try again when its download has ended`,
          );
        got += n;
      }
      return out;
    }, size);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? (error as Error).message}); download ` +
        "the scan's .sens file again",
    );
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function floats(bytes: Buffer, at: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => bytes.readFloatLE(at + 4 * i));
}

/**
 * The index of a .sens recording, version 4 (ScanNet's SensReader): calibration, poses and where each frame's images
 * lie.
 * Only headers are read when it is opened, so a recording of any size takes about 150 bytes a frame; images are read on
 * demand. The file is closed between reads.
 */
export class SensFile {
  private constructor(
    readonly path: string,
    readonly colour: ImageSize,
    readonly depth: ImageSize,
    /** Depth units a metre, 1000 in ScanNet. */
    readonly depthShift: number,
    /** Row-major 4x4. */
    readonly colourIntrinsics: Float64Array,
    /** Row-major 4x4. */
    readonly depthIntrinsics: Float64Array,
    readonly frameCount: number,
    /** Row-major 4x4 camera-to-world of every frame; not finite where tracking was lost. */
    readonly poses: readonly Float64Array[],
    /** First byte of each frame's colour image, and the sizes of its colour and depth images. */
    readonly places: readonly { readonly at: number; readonly colour: number; readonly depth: number }[],
  ) {}

  /** @throws UserError when the file is missing, no .sens of version 4, of another compression, or cut off */
  static open(path: string): SensFile {
    return withFile(path, (read, size) => {
      const bad = (what: string): UserError => new UserError(`${path}: ${what}; download the scan's .sens file again`);
      const start = read(0, 12, "its header");
      if (start.readUInt32LE(0) !== 4) throw bad(`version is ${start.readUInt32LE(0)}, expected 4`);
      const nameLength = start.readBigUInt64LE(4);
      if (nameLength > 1024n) throw bad(`the sensor's name has ${nameLength} characters, expected at most 1024`);
      const from = 12 + Number(nameLength);
      const head = read(from, 4 * 64 + 7 * 4 + 8, "its header");
      const [colourKind, depthKind] = [head.readInt32LE(256), head.readInt32LE(260)];
      if (colourKind !== 2) throw bad(`colour compression is ${colourKind}, expected 2 (jpeg)`);
      if (depthKind !== 1) throw bad(`depth compression is ${depthKind}, expected 1 (zlib_ushort)`);
      const [cw, ch, dw, dh] = [0, 1, 2, 3].map((i) => head.readUInt32LE(264 + 4 * i)) as [
        number,
        number,
        number,
        number,
      ];
      if ([cw, ch, dw, dh].some((side) => side === 0 || side > LARGEST_SIDE)) {
        throw bad(
          `images are ${cw}x${ch} (colour) and ${dw}x${dh} (depth), expected sides of 1 to ${LARGEST_SIDE} pixels`,
        );
      }
      const shift = head.readFloatLE(280);
      if (!(shift > 0 && Number.isFinite(shift)))
        throw bad(`depth shift is ${shift}, expected the depth units of a metre, such as 1000`);
      const count = head.readBigUInt64LE(284);
      let at = from + head.length;
      if (count * BigInt(FRAME_HEADER) > BigInt(size - at))
        throw bad(`announces ${count} frames, for which its ${size} bytes are too few`);
      const poses: Float64Array[] = [];
      const places: { at: number; colour: number; depth: number }[] = [];
      for (let i = 0; i < Number(count); i++) {
        const header = read(at, FRAME_HEADER, `the header of frame ${i} of ${count}`);
        const [colour, depth] = [header.readBigUInt64LE(80), header.readBigUInt64LE(88)];
        at += FRAME_HEADER;
        if (colour > BigInt(3 * cw * ch + SLACK) || depth > BigInt(2 * dw * dh + SLACK)) {
          throw bad(
            `frame ${i} of ${count} announces ${colour} bytes of colour and ${depth} of depth, more than its ` +
              "images have without compression",
          );
        }
        if (colour + depth > BigInt(size - at)) {
          throw new UserError(
            `${path}: frame ${i} of ${count} announces ${colour} bytes of colour and ${depth} of depth, but the ` +
              `file has ${size - at} left; ` +
              "the download is not complete, continue it or download it again",
          );
        }
        poses.push(floats(header, 0, 16));
        places.push({ at, colour: Number(colour), depth: Number(depth) });
        at += Number(colour) + Number(depth);
      }
      return new SensFile(
        path,
        { cols: cw, rows: ch },
        { cols: dw, rows: dh },
        shift,
        floats(head, 0, 16),
        floats(head, 128, 16),
        Number(count),
        poses,
        places,
      );
    });
  }

  #place(frame: number): SensFile["places"][number] {
    const place = this.places[frame];
    if (place === undefined)
      throw new UserError(`${this.path}: has no frame ${frame}; its frames are 0 to ${this.frameCount - 1}`);
    return place;
  }

  /** The jpeg of a frame, as recorded. @throws UserError when the frame has none */
  colourJpeg(frame: number): Buffer {
    const { at, colour } = this.#place(frame);
    if (colour === 0) throw new UserError(`${this.path}: frame ${frame} has no colour image`);
    return withFile(this.path, (read) => read(at, colour, `the colour image of frame ${frame}`));
  }

  /**
   * uint16[rows, cols] depth of a frame in units of 1 / `depthShift` metres; 0 = not measured.
   * @throws UserError when it does not unpack
   */
  depthMap(frame: number): Grey16 {
    const { at, colour, depth } = this.#place(frame);
    const packed = withFile(this.path, (read) => read(at + colour, depth, `the depth image of frame ${frame}`));
    const { rows, cols } = this.depth;
    const expected = 2 * rows * cols;
    let raw: Buffer;
    try {
      raw = inflateSync(packed, { maxOutputLength: expected });
    } catch (error) {
      throw new UserError(
        `${this.path}: the depth image of frame ${frame} does not unpack (${(error as Error).message}, ${depth} bytes)`,
      );
    }
    if (raw.length !== expected)
      throw new UserError(
        `${this.path}: the depth image of frame ${frame} has ${raw.length} bytes, expected ${expected} for ` +
          `${cols}x${rows}`,
      );
    return { rows, cols, pixels: Uint16Array.from({ length: rows * cols }, (_, i) => raw.readUInt16LE(2 * i)) };
  }
}
