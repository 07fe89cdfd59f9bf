import type { S2Config } from "../config/schema";
import type { Rng } from "../core/rng";
import { tf } from "../engine/tf";
import type { ModelInputs, Targets } from "./inputs";
import { pooledSide } from "./pooling";
import { patchSide } from "./vision";

export interface RandomInputSizes {
  readonly objects: number;
  /** Tokens in front of and behind the image, and of the one sentence. */
  readonly before: number;
  readonly after: number;
  readonly tokens: number;
}

/** Views that the reconstruction branch looks at in a scene. */
function reconstructedViews({ reconstruction: r, lossWeights, data }: S2Config): number {
  if (!r.enabled || lossWeights.recon === 0) return 0;
  return r.viewsPerStep === 0 ? data.frames : Math.min(r.viewsPerStep, data.frames);
}

/** Random points within a few metres, all measured, as the reconstruction loss compares them. */
function randomPointmaps(config: S2Config, rng: Rng): Pick<Targets, "localPoints" | "globalPoints" | "validPoints"> {
  const v = reconstructedViews(config);
  if (v === 0) return {};
  const { reconstruction: r, vision } = config;
  const side = patchSide(vision) * r.patchSize;
  const points = (): tf.Tensor5D => {
    const numbers = Float32Array.from({ length: v * side * side * 3 }, () => rng.uniform(-3, 3));
    return tf.tensor5d(numbers, [1, v, side, side, 3]);
  };
  return {
    ...(r.local ? { localPoints: points() } : {}),
    ...(r.global ? { globalPoints: points() } : {}),
    validPoints: tf.ones([1, v, side, side]),
  };
}

/**
 * A random right answer, random supervised words and random points for `randomInputs` of one sentence; no landmarks.
 */
export function randomTargets(config: S2Config, { text, groundRows }: ModelInputs, rng: Rng, objects: number): Targets {
  const positives = new Float32Array(objects + 1);
  positives[rng.int(objects)] = 1;
  // the words of the answer in front of <ground>
  const count = Math.min(8, text.shape[2] - 1);
  const ground = groundRows.dataSync()[0]!;
  return {
    positives: tf.tensor3d(positives, [1, 1, objects + 1]),
    sentenceMask: tf.ones([1, 1]),
    labelRows: tf.tensor1d(
      Array.from({ length: count }, (_, i) => ground - count + i),
      "int32",
    ),
    labelIds: tf.tensor1d(
      Array.from({ length: count }, () => rng.int(config.language.vocabSize)),
      "int32",
    ),
    labelWeights: tf.fill([count], 1 / count),
    ...randomPointmaps(config, rng),
  };
}

/**
 * One scene of random pixels, boxes and words with a configuration's shapes: what measures time and memory needs no
 * data.
 */
export function randomInputs(config: S2Config, rng: Rng, sizes: RandomInputSizes): ModelInputs {
  const { imageSize } = config.vision;
  const V = config.data.frames;
  const side = patchSide(config.vision);
  const N = side ** 2;
  const M = pooledSide(side, config.projector.pooling, config.projector.poolStride) ** 2;
  const O = sizes.objects;
  const placed = config.positions.coordinatesAt === "patches" ? N : M;
  const numbers = (shape: number[], next: () => number): tf.Tensor =>
    tf.tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, next), shape);
  const ids = (n: number): number[] => Array.from({ length: n }, () => rng.int(config.language.vocabSize));
  const source = config.objects.features.startsWith("patch27") ? V * M : V * N;
  const members = new Float32Array(O * source);
  for (let o = 0; o < O; o++) for (let i = 0; i < 4; i++) members[o * source + rng.int(source)]! += 0.25;
  const voxel = (): number => rng.int(100);
  const seen = reconstructedViews(config);
  const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  const prefix = sizes.before + V * (M + Math.round(Math.sqrt(M))) + sizes.after;
  return {
    pixels: numbers([1, V, imageSize, imageSize, 3], () => rng.uniform(-1, 1)) as tf.Tensor5D,
    patchVoxels: numbers([1, V, placed, 3], voxel) as tf.Tensor4D,
    patchKnown: tf.ones([1, V, placed]),
    rays: numbers([1, V, M, 3], () => rng.uniform(-1, 1)) as tf.Tensor4D,
    objectPatches: tf.tensor3d(members, [1, O, source]),
    objectVoxels: numbers([1, O, 3], voxel) as tf.Tensor3D,
    objectMask: tf.ones([1, O]),
    before: ids(sizes.before),
    after: ids(sizes.after),
    text: tf.tensor3d(ids(sizes.tokens), [1, 1, sizes.tokens], "int32"),
    groundRows: tf.tensor1d([prefix + sizes.tokens - 1], "int32"),
    ...(seen === 0
      ? {}
      : {
          reconRows: tf.tensor2d(range(seen), [1, seen], "int32"),
          reconImageIds: tf.tensor2d(range(seen), [1, seen], "int32"),
        }),
  };
}
