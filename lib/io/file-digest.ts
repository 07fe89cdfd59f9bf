import { createHash } from "node:crypto";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { UserError } from "../core/errors";
import { SensFile } from "./sens";

/** Files up to this size are hashed whole: any image, pose, mesh or annotation. */
const WHOLE = 1 << 26;
/** Of a larger file: this many blocks, evenly spaced, the first and the last among them. */
const BLOCKS = 1024;
const BLOCK = 1 << 12;
/** Of a recording's images: the last bytes, in which a depth image has its own checksum (zlib's Adler-32). */
const TAIL = 64;
/** Every this many frames the tail of the colour image counts too. */
const COLOUR_EVERY = 8;

function sampled(path: string, blocks: Iterable<readonly [at: number, bytes: number]>): Uint8Array {
  const hash = createHash("sha256");
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(BLOCK);
  try {
    for (const [at, bytes] of blocks) hash.update(buffer.subarray(0, readSync(file, buffer, 0, bytes, at)));
  } finally {
    closeSync(file);
  }
  return hash.digest();
}

/**
 * A .sens recording: calibration, every pose, the size of every image, the tail of every depth image and some colour
 * ones.
 */
function recordingDigest(path: string): Uint8Array {
  const sens = SensFile.open(path);
  const hash = createHash("sha256");
  hash.update(Float64Array.of(sens.depthShift, ...sens.colourIntrinsics, ...sens.depthIntrinsics));
  for (const pose of sens.poses) hash.update(pose);
  hash.update(Float64Array.from(sens.places.flatMap(({ colour, depth }) => [colour, depth])));
  const tails = function* (): Generator<readonly [number, number]> {
    for (const [i, { at, colour, depth }] of sens.places.entries()) {
      if (i % COLOUR_EVERY === 0) yield tailOf(at, colour);
      yield tailOf(at + colour, depth);
    }
  };
  return hash.update(sampled(path, tails())).digest();
}

const tailOf = (at: number, bytes: number): readonly [number, number] => [
  at + Math.max(0, bytes - TAIL),
  Math.min(TAIL, bytes),
];

function wholeFile(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UserError(`${path}: cannot be read (${(error as NodeJS.ErrnoException).code}); look at its permissions`);
  }
}

/**
 * What stands for a file in a fingerprint: its content up to 64 MB; beyond that 32 bytes made of its size and 1,024
 * blocks of 4 kB; of a .sens recording made of everything but the pixels, and of the checksum of every depth image.
 */
export function contentOf(path: string, size: number): Uint8Array {
  if (size <= WHOLE) return wholeFile(path);
  if (path.endsWith(".sens")) {
    try {
      return recordingDigest(path);
    } catch (error) {
      // a damaged one is refused where it is read, and hashed like any other file here
      if (!(error instanceof UserError)) throw error;
    }
  }
  const step = (size - BLOCK) / (BLOCKS - 1);
  const blocks = Array.from({ length: BLOCKS }, (_, i) => [Math.floor(i * step), BLOCK] as const);
  return createHash("sha256").update(`${size}`).update(sampled(path, blocks)).digest();
}
