import { presets } from "../../lib/config/presets";
import { merge, parseConfig } from "../../lib/config/resolve";
import type { S2Config } from "../../lib/config/schema";
import { Rng } from "../../lib/core/rng";
import { tf } from "../../lib/engine/tf";
import type { ModelInputs, Targets } from "../../lib/model/inputs";

/** The nano preset shrunk until a test takes milliseconds. */
export function tinyConfig(change: Record<string, unknown> = {}): S2Config {
  const small = {
    preset: "tiny",
    vision: { imageSize: 16, patchSize: 4, hiddenSize: 12, intermediateSize: 16, layers: 2, heads: 3 },
    language: {
      vocabSize: 23,
      hiddenSize: 16,
      intermediateSize: 20,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      copyValues: false,
      ropeTheta: 100,
      init: "xavier",
    },
    structure: { heads: 3, outputInit: "normal" },
    positions: { rayHidden: 6 },
    reconstruction: {
      encoderSize: 8,
      hiddenSize: 8,
      heads: 2,
      depth: 4,
      layerDims: [4, 4, 4, 4],
      featureDim: 4,
      lastDim: 3,
      patchSize: 2,
    },
    lora: { fullLayers: 2 },
  };
  const base = merge(presets.nano as Record<string, unknown>, small);
  return parseConfig(merge(base, change), "test");
}

export interface TinyBatch {
  readonly inputs: ModelInputs;
  readonly targets: Targets;
}

/** A random batch that fits `tinyConfig`: B scenes, 2 views of 4x4 patches, O boxes, Q sentences of T tokens. */
export function tinyBatch(seed: number, { B = 2, Q = 3, T = 4, O = 3 } = {}): TinyBatch {
  const rng = new Rng(seed, "batch");
  const [V, N, M, C, side] = [2, 16, 4, 12, 8];
  const normal = (shape: number[]): tf.Tensor =>
    tf.tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
      shape,
    );
  const ids = (n: number): number[] => Array.from({ length: n }, () => rng.int(23));
  const weights = new Float32Array(B * O * V * N);
  for (let o = 0; o < B * O; o++) for (let i = 0; i < 4; i++) weights[o * V * N + rng.int(V * N)]! += 0.25;
  const before = [1, 2];
  const after = [3];
  const P = before.length + V * 2 * 3 + after.length;
  const L = P + Q * T;
  const rows = (offset: number): number[] =>
    Array.from({ length: B * Q }, (_, i) => Math.floor(i / Q) * L + P + (i % Q) * T + offset);
  const positives = new Float32Array(B * Q * (O + 1));
  for (let i = 0; i < B * Q; i++) positives[i * (O + 1) + rng.int(O)] = 1;
  const points = (): tf.Tensor5D => normal([1, 2, side, side, 3]) as tf.Tensor5D;
  const voxels = (shape: number[]): tf.Tensor => normal(shape).mul(10).add(100).round();
  return {
    inputs: {
      features: normal([B, V, N, C]) as tf.Tensor4D,
      patchVoxels: voxels([B, V, N, 3]) as tf.Tensor4D,
      patchKnown: tf.ones([B, V, N]),
      rays: normal([B, V, M, 3]) as tf.Tensor4D,
      objectPatches: tf.tensor3d(weights, [B, O, V * N]),
      objectVoxels: voxels([B, O, 3]) as tf.Tensor3D,
      objectMask: tf.ones([B, O]),
      before,
      after,
      text: tf.tensor3d(ids(B * Q * T), [B, Q, T], "int32"),
      groundRows: tf.tensor1d(rows(T - 1), "int32"),
      reconRows: tf.tensor2d([0, 1], [1, 2], "int32"),
      reconImageIds: tf.tensor2d([0, 1], [1, 2], "int32"),
    },
    targets: {
      positives: tf.tensor3d(positives, [B, Q, O + 1]),
      sentenceMask: tf.ones([B, Q]),
      labelRows: tf.tensor1d(rows(T - 2), "int32"),
      labelIds: tf.tensor1d(ids(B * Q), "int32"),
      labelWeights: tf.fill([B * Q], 1 / (B * Q)),
      anchorRows: tf.tensor1d(rows(1), "int32"),
      anchorScenes: tf.tensor1d(
        Array.from({ length: B * Q }, (_, i) => Math.floor(i / Q)),
        "int32",
      ),
      anchorObjects: tf.tensor1d(
        Array.from({ length: B * Q }, (_, i) => Math.floor(i / Q) * O + (i % O)),
        "int32",
      ),
      anchorWeights: tf.ones([B * Q]),
      localPoints: points(),
      globalPoints: points(),
      validPoints: tf.ones([1, 2, side, side]),
    },
  };
}
