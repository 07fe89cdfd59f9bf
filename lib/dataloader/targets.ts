import type { S2Config } from "../config/schema";
import { tf } from "../engine/tf";
import type { Targets } from "../model/inputs";
import type { EncodedSentence, SharedPrompt } from "../model/prompt";
import { type InputScene, type InputSizes, membership, sequenceLayout } from "./inputs";
import type { SceneCache } from "./prepared-scenes";

/** A sentence with its answer, and the positions of the right boxes among the scene's objects; none: "no object". */
export type AnsweredSentence = EncodedSentence & { readonly positives: readonly number[] };

/** A scene of a training batch. */
export interface TargetScene extends InputScene {
  readonly sentences: readonly AnsweredSentence[];
}

/** The most that the targets of a run hold, a sentence. */
export interface TargetSizes extends InputSizes {
  /** Supervised tokens. */
  readonly labels: number;
  /** Anchor nouns; 0 leaves the anchor losses out. */
  readonly anchors: number;
}

/** Sizes that fit the answers of every sentence given. */
export function targetSizes(
  sentences: Iterable<EncodedSentence>,
  inputs: InputSizes,
  prompt: SharedPrompt,
): TargetSizes {
  let labels = 0,
    anchors = 0;
  for (const s of sentences) {
    labels = Math.max(labels, s.supervised.length + prompt.supervised.length);
    anchors = Math.max(anchors, s.anchors.length);
  }
  return { ...inputs, labels, anchors };
}

/**
 * Marks the prefix tokens that show an object: pooled tokens with at least one of its patches.
 *
 * @param members uint8[V*N] the object's patches
 * @param out float32[P]
 */
function markShown(members: Uint8Array, out: Float32Array, prompt: SharedPrompt, cache: SceneCache): void {
  const { side, pooledSide, N } = cache.dims;
  members.forEach((member, i) => {
    if (member !== 1) return;
    const view = Math.floor(i / N),
      row = Math.floor((i % N) / side),
      col = i % side;
    const y = Math.min(pooledSide - 1, Math.floor((row * pooledSide) / side)),
      x = Math.min(pooledSide - 1, Math.floor((col * pooledSide) / side));
    // each pooled row is closed by a newline token
    out[prompt.before.length + (view * pooledSide + y) * (pooledSide + 1) + x] = 1;
  });
}

/**
 * What the losses over sentences compare with, for scenes whose inputs have the same sizes and ground-truth boxes; the
 * caller frees the tensors.
 */
export function makeTargets(
  scenes: readonly TargetScene[],
  cache: SceneCache,
  sizes: TargetSizes,
  prompt: SharedPrompt,
  config: S2Config,
): Targets {
  const { N } = cache.dims;
  const B = scenes.length,
    V = scenes[0]!.views.length;
  const { sentences: Q, objects: O } = sizes;
  const { P, T, L } = sequenceLayout(scenes, cache, sizes, prompt);
  const positives = new Float32Array(B * Q * (O + 1));
  const sentenceMask = new Float32Array(B * Q);
  const labelRows = new Int32Array(B * Q * sizes.labels);
  const labelIds = new Int32Array(B * Q * sizes.labels);
  const labelWeights = new Float32Array(B * Q * sizes.labels);
  const A = B * Q * sizes.anchors;
  const anchorTextRows = new Int32Array(A),
    anchorTokens = new Float32Array(A * P);
  const anchorRows = new Int32Array(A),
    anchorScenes = new Int32Array(A),
    anchorObjects = new Int32Array(A),
    anchorWeights = new Float32Array(A);
  const total = scenes.reduce((n, s) => n + s.sentences.length, 0);
  let label = 0,
    anchor = 0;

  scenes.forEach((item, b) => {
    // an anchor is shown where its true box is
    const { scene, views } = item;
    const members = A === 0 ? undefined : membership({ scene, views }, cache, config, "gt");
    item.sentences.forEach((sentence, q) => {
      const row = b * L + P + q * T;
      const right = sentence.positives.length === 0 ? [O] : sentence.positives;
      for (const o of right) positives[(b * Q + q) * (O + 1) + o] = 1;
      sentenceMask[b * Q + q] = 1;
      const weight = 1 / (total * Math.max(1, sentence.supervised.length + prompt.supervised.length));
      const supervise = (from: number, id: number): void => {
        labelRows[label] = from;
        labelIds[label] = id;
        labelWeights[label++] = weight;
      };
      for (const at of sentence.supervised) supervise(at === 0 ? b * L + P - 1 : row + at - 1, sentence.ids[at]!);
      for (const { part, at } of prompt.supervised) {
        const position = part === "before" ? at : P - prompt.after.length + at;
        supervise(b * L + position - 1, (part === "before" ? prompt.before : prompt.after)[at]!);
      }
      if (members === undefined) return;
      for (const { at, object } of sentence.anchors) {
        anchorRows[anchor] = row + at;
        anchorTextRows[anchor] = (b * Q + q) * T + at;
        const own = members.subarray(object * V * N, (object + 1) * V * N);
        markShown(own, anchorTokens.subarray(anchor * P, (anchor + 1) * P), prompt, cache);
        anchorScenes[anchor] = b;
        anchorObjects[anchor] = b * O + object;
        anchorWeights[anchor++] = 1;
      }
    });
  });
  return {
    positives: tf.tensor3d(positives, [B, Q, O + 1]),
    sentenceMask: tf.tensor2d(sentenceMask, [B, Q]),
    labelRows: tf.tensor1d(labelRows, "int32"),
    labelIds: tf.tensor1d(labelIds, "int32"),
    labelWeights: tf.tensor1d(labelWeights),
    ...(A === 0
      ? {}
      : {
          anchorRows: tf.tensor1d(anchorRows, "int32"),
          anchorScenes: tf.tensor1d(anchorScenes, "int32"),
          anchorObjects: tf.tensor1d(anchorObjects, "int32"),
          anchorWeights: tf.tensor1d(anchorWeights),
          anchorTextRows: tf.tensor1d(anchorTextRows, "int32"),
          anchorTokens: tf.tensor2d(anchorTokens, [A, P]),
        }),
  };
}
