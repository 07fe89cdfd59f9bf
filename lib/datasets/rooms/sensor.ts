import { Rng } from "../../core/rng";
import type { RoomsConfig } from "./config";
import type { Picture } from "./render";

const tableBits = 16;
let table: Float32Array | undefined;

/** Standard normal numbers drawn once; a frame reads them from a random place. */
function normals(): Float32Array {
  if (table === undefined) {
    const rng = new Rng(0, "rooms/sensor-noise");
    table = Float32Array.from({ length: 1 << tableBits }, () => rng.normal());
  }
  return table;
}

/** What the camera writes: 8-bit colour and 16-bit depth in millimetres, 0 = no measurement. */
export interface Exposure {
  /** uint8[size, size, 3] */
  readonly colour: Uint8Array;
  /** uint16[size, size] */
  readonly depth: Uint16Array;
}

/** Adds vignetting, colour noise, depth noise proportional to depth, and holes as blobs and single pixels. */
export function expose(picture: Picture, size: number, config: RoomsConfig, rng: Rng): Exposure {
  const noise = normals();
  const mask = noise.length - 1;
  const pixels = size * size;
  const colour = new Uint8Array(3 * pixels);
  const depth = new Uint16Array(pixels);
  let c = rng.int(noise.length);
  let z = rng.int(noise.length);
  // odd steps walk the whole table
  const stepC = 2 * rng.int(500) + 1;
  const stepZ = 2 * rng.int(500) + 1;
  const middle = (size - 1) / 2;
  for (let v = 0, i = 0; v < size; v++) {
    const down = (v - middle) * (v - middle);
    for (let u = 0; u < size; u++, i++) {
      const across = (u - middle) * (u - middle);
      const dim = 1 - 0.15 * ((across + down) / (2 * middle * middle));
      for (let k = 3 * i; k < 3 * i + 3; k++) {
        c = (c + stepC) & mask;
        const value = picture.colour[k]! * dim + config.colourNoise * noise[c]!;
        colour[k] = value < 0 ? 0 : value > 255 ? 255 : value + 0.5;
      }
      z = (z + stepZ) & mask;
      depth[i] = Math.min(
        65535,
        Math.max(1, Math.round(1000 * picture.depth[i]! * (1 + config.depthNoise * noise[z]!))),
      );
    }
  }
  if (config.holeShare !== undefined) {
    // blobs overlap: they are laid until enough is missing
    while (depth.reduce((n, d) => n + (d === 0 ? 1 : 0), 0) < config.holeShare * pixels) blob(depth, size, rng);
    return { colour, depth };
  }
  const dots = Math.round(config.holePixels * pixels);
  for (let i = 0; i < dots; i++) depth[rng.int(pixels)] = 0;
  let left = config.holeBlobs * pixels;
  while (left > 0) left -= blob(depth, size, rng) + 1;
  return { colour, depth };
}

/** Takes the depth of an ellipse away. @returns its pixels, also those without depth before */
function blob(depth: Uint16Array, size: number, rng: Rng): number {
  const [a, b] = [rng.uniform(0.015, 0.09) * size, rng.uniform(0.015, 0.09) * size];
  const [x, y] = [rng.uniform(0, size), rng.uniform(0, size)];
  let count = 0;
  for (let v = Math.max(0, Math.ceil(y - b)); v <= Math.min(size - 1, y + b); v++) {
    const half = a * Math.sqrt(Math.max(0, 1 - ((v - y) / b) ** 2));
    for (let u = Math.max(0, Math.ceil(x - half)); u <= Math.min(size - 1, x + half); u++) {
      depth[v * size + u] = 0;
      count++;
    }
  }
  return count;
}
