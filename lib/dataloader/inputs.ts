import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { tf } from "../engine/tf";
import type { Box } from "../geometry/box";
import { objectPatches } from "../geometry/patches";
import { turnPoints } from "../geometry/rigid";
import { voxelsOf } from "../geometry/voxels";
import type { ModelInputs } from "../model/inputs";
import type { EncodedSentence, SharedPrompt } from "../model/prompt";
import { countsInside } from "./box-noise";
import { boxMembership, writeBoxes } from "./box-tokens";
import { spoilPositions } from "./poor-geometry";
import type { PreparedScene, ProposalSource, SceneCache } from "./prepared-scenes";
import { placesOf } from "./record";

/** A sentence as far as the model reads it: its tokens, and where <ground> stands among them. */
export type SentenceTokens = Pick<EncodedSentence, "ids" | "ground">;

/** One scene of a batch: which views (positions in the pool), which sentences, turned by how many quarters. */
export interface InputScene {
  readonly scene: PreparedScene;
  readonly views: readonly number[];
  readonly sentences: readonly SentenceTokens[];
  readonly turns: number;
  /** Offered in place of the scene's own: as many, in their order (box-noise.ts). */
  readonly boxes?: readonly Box[];
}

/** The most that the inputs of a run hold. All are their sizes too, save the tokens: see `tokenWidth`. */
export interface InputSizes {
  /** Sentences a scene. */
  readonly sentences: number;
  /** Tokens a sentence. */
  readonly tokens: number;
  readonly objects: number;
}

/** Sizes that fit every sentence and scene given. @param perScene sentences of each scene of a batch */
export function inputSizes(
  sentences: Iterable<SentenceTokens>,
  scenes: Iterable<PreparedScene>,
  perScene: number,
  source: ProposalSource,
): InputSizes {
  let tokens = 0,
    objects = 0;
  for (const { ids } of sentences) tokens = Math.max(tokens, ids.length);
  for (const scene of scenes) objects = Math.max(objects, scene.boxes(source).length);
  return { sentences: perScene, tokens, objects };
}

/** Narrowest step between the widths of batches, tokens. */
const narrowest = 16;

/**
 * Tokens that each sentence of a batch gets, when its longest has `longest` and the run's longest `most`: a quarter of
 * the most, half, three quarters or all. Lengths then make four programs at most, and few short sentences are padded to
 * a rare long one.
 */
export function tokenWidth(longest: number, most: number): number {
  const step = Math.max(narrowest, Math.ceil(most / 4));
  return Math.min(most, Math.ceil(longest / step) * step);
}

/** Where a batch's tokens lie in the language model's sequences (see `ModelInputs`). */
export interface SequenceLayout {
  /** Tokens in front of the sentences: the prompt, and rows of pooled tokens each closed by a newline token. */
  readonly P: number;
  /** Tokens of each sentence. */
  readonly T: number;
  /** Tokens of a scene. */
  readonly L: number;
}

export function sequenceLayout(
  scenes: readonly Pick<InputScene, "sentences" | "views">[],
  cache: SceneCache,
  sizes: InputSizes,
  prompt: SharedPrompt,
): SequenceLayout {
  const { pooledSide } = cache.dims;
  const longest = Math.max(1, ...scenes.flatMap((s) => s.sentences.map(({ ids }) => ids.length)));
  const T = tokenWidth(longest, sizes.tokens);
  const P = prompt.before.length + prompt.after.length + scenes[0]!.views.length * pooledSide * (pooledSide + 1);
  return { P, T, L: P + sizes.sentences * T };
}

const towerValue = Float32Array.from({ length: 256 }, (_, level) => level / 127.5 - 1);

/**
 * Colours 0..255 as the tower reads them: mean 0.5 and deviation 0.5 a channel (SigLIP). Written to `out` from `at` on.
 */
export function normalisePixels(colour: Uint8Array, out: Float32Array, at: number): void {
  for (let i = 0; i < colour.length; i++, at++) out[at] = towerValue[colour[i]!]!;
}

/** uint8[O, V*N] which patches of the views belong to each candidate box. */
export function membership(
  { scene, views, boxes }: Pick<InputScene, "scene" | "views" | "boxes">,
  cache: SceneCache,
  config: S2Config,
  source: ProposalSource,
): Uint8Array {
  if (config.data.boxes !== undefined) return boxMembership(scene, views.length, cache.dims, source);
  const counts =
    boxes === undefined ? scene.patchCounts(source, views) : countsInside(scene, views, boxes, cache, config);
  return objectPatches(counts, scene.boxes(source).length, cache.dims.patchPixels, config.objects);
}

/** Takes an object's patches away but for those of the view that has most. @param own uint8[V*N] */
function keepFullestView(own: Uint8Array, V: number): void {
  const N = own.length / V;
  const counts = Array.from({ length: V }, (_, v) => own.subarray(v * N, (v + 1) * N).reduce((n, m) => n + m, 0));
  const best = counts.indexOf(Math.max(...counts));
  own.fill(0, 0, best * N).fill(0, (best + 1) * N);
}

/**
 * What the model reads of some scenes and sentences; the caller frees the tensors (`disposeTensors`).
 *
 * @throws UserError when a scene offers no proposal, something does not fit the sizes, or objects are read from a grid
 * that is not prepared
 */
export function makeInputs(
  scenes: readonly InputScene[],
  cache: SceneCache,
  sizes: InputSizes,
  prompt: SharedPrompt,
  config: S2Config,
  source: ProposalSource = "gt",
): ModelInputs {
  if (config.objects.features.startsWith("patch27")) {
    throw new UserError(
      `objects.features=${config.objects.features}: prepared scenes know which patches, not which pooled cells lie ` +
        "in a box; use patch14-pe or patch14",
    );
  }
  const { positions } = config;
  const { N, C, M, image } = cache.dims;
  const B = scenes.length,
    V = scenes[0]!.views.length;
  const { sentences: Q, objects: O } = sizes;
  const { P, T, L } = sequenceLayout(scenes, cache, sizes, prompt);
  const seesPixels = cache.dims.pixels === true;
  const places = placesOf(cache.dims);
  const seen = new Float32Array(B * V * (seesPixels ? image ** 2 * 3 : N * C));
  const xyz = new Float32Array(B * V * places * 3);
  const known = new Float32Array(B * V * places);
  const rays = new Float32Array(B * V * M * 3);
  const patches = new Float32Array(B * O * V * N);
  const centres = new Float32Array(B * O * 3);
  const objectMask = new Float32Array(B * O);
  const text = new Int32Array(B * Q * T);
  const ground = new Int32Array(B * Q);

  scenes.forEach((item, b) => {
    const { scene } = item;
    const boxes = item.boxes ?? scene.boxes(source);
    if (boxes.length === 0)
      throw new UserError(`scene ${scene.id}: no ${source} proposals; the model has nothing to choose from`);
    if (boxes.length > O)
      throw new UserError(`scene ${scene.id}: ${boxes.length} proposals do not fit the batch's ${O}`);
    const { record } = scene;
    if (config.data.boxes !== undefined)
      writeBoxes(item, cache.dims, config, source, {
        features: seen.subarray(b * V * N * C),
        xyz: xyz.subarray(b * V * N * 3),
        known: known.subarray(b * V * N),
      });
    else
      item.views.forEach((view, v) => {
        const at = b * V + v;
        if (seesPixels) normalisePixels(record.pixels(view), seen, at * image ** 2 * 3);
        else if (!config.data.blind) seen.set(record.features(view), at * N * C);
        xyz.set(record.patchXyz(view), at * places * 3);
        known.set(record.patchKnown(view), at * places);
        spoilPositions(
          xyz.subarray(at * places * 3, (at + 1) * places * 3),
          known.subarray(at * places, (at + 1) * places),
          positions,
          scene.id,
          view,
        );
        rays.set(record.rays(view), at * M * 3);
      });
    const members = membership(item, cache, config, source);
    boxes.forEach((box, o) => {
      const own = members.subarray(o * V * N, (o + 1) * V * N);
      if (config.objects.oneView === true) keepFullestView(own, V);
      const count = own.reduce((n, m) => n + m, 0);
      const row = (b * O + o) * V * N;
      own.forEach((m, i) => {
        if (m === 1) patches[row + i] = 1 / count;
      });
      centres.set(box.slice(0, 3), (b * O + o) * 3);
      objectMask[b * O + o] = 1;
    });
    turnPoints(xyz.subarray(b * V * places * 3, (b + 1) * V * places * 3), item.turns);
    turnPoints(rays.subarray(b * V * M * 3, (b + 1) * V * M * 3), item.turns);
    turnPoints(centres.subarray(b * O * 3, (b + 1) * O * 3), item.turns);
    for (let q = 0; q < Q; q++) {
      const sentence = item.sentences[q];
      // a padding sentence points at its own first token
      ground[b * Q + q] = b * L + P + q * T + (sentence?.ground ?? 0);
      if (sentence === undefined) continue;
      if (sentence.ids.length > T)
        throw new UserError(`scene ${scene.id}: a sentence has ${sentence.ids.length} tokens, the batch holds ${T}`);
      text.set(sentence.ids, (b * Q + q) * T);
    }
  });
  return {
    ...(seesPixels
      ? { pixels: tf.tensor5d(seen, [B, V, image, image, 3]) }
      : { features: tf.tensor4d(seen, [B, V, N, C]) }),
    patchVoxels: tf.tensor4d(voxelsOf(xyz, positions), [B, V, places, 3]),
    patchKnown: tf.tensor3d(known, [B, V, places]),
    rays: tf.tensor4d(rays, [B, V, M, 3]),
    objectPatches: tf.tensor3d(patches, [B, O, V * N]),
    objectVoxels: tf.tensor3d(voxelsOf(centres, positions), [B, O, 3]),
    objectMask: tf.tensor2d(objectMask, [B, O]),
    before: prompt.before,
    after: prompt.after,
    text: tf.tensor3d(text, [B, Q, T], "int32"),
    groundRows: tf.tensor1d(ground, "int32"),
  };
}
