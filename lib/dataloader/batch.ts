import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { Rng } from "../core/rng";
import { tf } from "../engine/tf";
import { objectPatches } from "../geometry/patches";
import { turnPoints } from "../geometry/rigid";
import { voxelsOf } from "../geometry/voxels";
import type { ModelInputs, Targets } from "../model/inputs";
import type { EncodedSentence, SharedPrompt } from "../model/prompt";
import { normalisePixels } from "./pixels";
import { type Pointmaps, pointmapsOf } from "./pointmaps";
import { type PreparedScene, type ProposalSource, placesOf, type SceneCache } from "./scene-cache";

/** One scene of a batch: which views, which sentences (with their right answers), how it is turned. */
export interface BatchScene {
  readonly scene: PreparedScene;
  readonly views: readonly number[];
  readonly sentences: readonly { readonly encoded: EncodedSentence; readonly positives: readonly number[] }[];
  readonly turns: number;
  readonly draw: number;
}

/** The most that a batch of a run holds. All are its sizes too, save the tokens: see `tokenWidth`. */
export interface BatchSizes {
  readonly sentences: number;
  /** Tokens a sentence. */
  readonly tokens: number;
  readonly objects: number;
  /** Supervised tokens a sentence, at most. */
  readonly labels: number;
  /** Anchor nouns a sentence, at most; 0 leaves the anchor loss out. */
  readonly anchors: number;
}

export interface Batch {
  readonly inputs: ModelInputs;
  readonly targets: Targets;
  dispose(): void;
}

/** Sizes that fit every sentence and scene given. */
export function batchSizes(
  sentences: Iterable<EncodedSentence>,
  scenes: Iterable<PreparedScene>,
  perScene: number,
  source: ProposalSource,
  prompt: SharedPrompt,
): BatchSizes {
  let tokens = 0,
    labels = 0,
    anchors = 0,
    objects = 0;
  for (const s of sentences) {
    tokens = Math.max(tokens, s.ids.length);
    labels = Math.max(labels, s.supervised.length + prompt.supervised.length);
    anchors = Math.max(anchors, s.anchors.length);
  }
  for (const scene of scenes) objects = Math.max(objects, scene.boxes(source).length);
  return { sentences: perScene, tokens, objects, labels, anchors };
}

/** Narrowest step between the widths of batches, tokens. */
const narrowest = 16;

/**
 * Tokens that each sentence of a batch gets, when its longest has `longest` and the run's longest `most`: a quarter of the most,
 * half, three quarters or all. Lengths then make four programs at most, and few short sentences are padded to a rare long one.
 */
export function tokenWidth(longest: number, most: number): number {
  const step = Math.max(narrowest, Math.ceil(most / 4));
  return Math.min(most, Math.ceil(longest / step) * step);
}

/** Tokens in front of the sentences: prompt, and rows of pooled tokens each closed by a newline token. */
export function prefixLength(prompt: SharedPrompt, views: number, pooledSide: number): number {
  return prompt.before.length + prompt.after.length + views * pooledSide * (pooledSide + 1);
}

/**
 * Builds the tensors of one batch.
 *
 * @throws UserError when a scene offers no proposal, a sentence does not fit the sizes, or objects are read from a grid that is not prepared
 */
export function makeBatch(
  scenes: readonly BatchScene[],
  cache: SceneCache,
  sizes: BatchSizes,
  prompt: SharedPrompt,
  config: S2Config,
  source: ProposalSource = "gt",
): Batch {
  const { positions, reconstruction: recon } = config;
  const B = scenes.length,
    V = scenes[0]!.views.length,
    { N, C, M, pooledSide } = cache.dims;
  const { sentences: Q, objects: O } = sizes;
  const longest = Math.max(1, ...scenes.flatMap((s) => s.sentences.map(({ encoded }) => encoded.ids.length)));
  const T = tokenWidth(longest, sizes.tokens);
  const P = prefixLength(prompt, V, pooledSide);
  const L = P + Q * T;
  if (config.objects.features.startsWith("patch27")) {
    throw new UserError(
      `objects.features=${config.objects.features}: prepared scenes know which patches, not which pooled cells lie in a box; use patch14-pe or patch14`,
    );
  }

  const { image } = cache.dims;
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
    const { scene } = item;
    const boxes = scene.boxes(source);
    if (boxes.length === 0)
      throw new UserError(`scene ${scene.id}: no ${source} proposals; the model has nothing to choose from`);
    if (boxes.length > O)
      throw new UserError(`scene ${scene.id}: ${boxes.length} proposals do not fit the batch's ${O}`);
    item.views.forEach((view, v) => {
      const at = b * V + v;
      if (seesPixels) normalisePixels(scene.pixels(view), seen, at * image ** 2 * 3);
      else if (!config.data.blind) seen.set(scene.features(view), at * N * C);
      xyz.set(scene.patchXyz(view), at * places * 3);
      known.set(scene.patchKnown(view), at * places);
      rays.set(scene.rays(view), at * M * 3);
    });
    const members = objectPatches(
      scene.patchCounts(source, item.views),
      boxes.length,
      cache.dims.patchPixels,
      config.objects,
    );
    boxes.forEach((box, o) => {
      const own = members.subarray(o * V * N, (o + 1) * V * N);
      const count = own.reduce((n, m) => n + m, 0);
      const row = (b * O + o) * V * N;
      if (count > 0)
        own.forEach((m, i) => {
          if (m === 1) patches[row + i] = 1 / count;
        });
      centres.set(box.slice(0, 3), (b * O + o) * 3);
      objectMask[b * O + o] = 1;
    });
    turnPoints(xyz.subarray(b * V * places * 3, (b + 1) * V * places * 3), item.turns);
    turnPoints(rays.subarray(b * V * M * 3, (b + 1) * V * M * 3), item.turns);
    turnPoints(centres.subarray(b * O * 3, (b + 1) * O * 3), item.turns);

    item.sentences.forEach(({ encoded, positives: right }, q) => {
      const row = b * L + P + q * T;
      if (encoded.ids.length > T)
        throw new UserError(`scene ${scene.id}: a sentence has ${encoded.ids.length} tokens, the batch holds ${T}`);
      text.set(encoded.ids, (b * Q + q) * T);
      ground[b * Q + q] = row + encoded.ground;
      sentenceMask[b * Q + q] = 1;
      for (const o of right.length === 0 ? [O] : right) positives[(b * Q + q) * (O + 1) + o] = 1;
      const weight = 1 / (total * Math.max(1, encoded.supervised.length + prompt.supervised.length));
      const supervise = (from: number, id: number): void => {
        labelRows[label] = from;
        labelIds[label] = id;
        labelWeights[label++] = weight;
      };
      for (const at of encoded.supervised) supervise(at === 0 ? b * L + P - 1 : row + at - 1, encoded.ids[at]!);
      for (const { part, at } of prompt.supervised) {
        const position = part === "before" ? at : P - prompt.after.length + at;
        supervise(b * L + position - 1, (part === "before" ? prompt.before : prompt.after)[at]!);
      }
      if (sizes.anchors > 0) {
        for (const { at, object } of encoded.anchors) {
          anchorRows[anchor] = row + at;
          anchorTextRows[anchor] = (b * Q + q) * T + at;
          showing(
            members.subarray(object * V * N, (object + 1) * V * N),
            anchorTokens.subarray(anchor * P, (anchor + 1) * P),
            prompt,
            cache,
            V,
          );
          anchorScenes[anchor] = b;
          anchorObjects[anchor] = b * O + object;
          anchorWeights[anchor++] = 1;
        }
      }
    });
    // padding sentences point at their own first token; their weights are 0
    for (let q = item.sentences.length; q < Q; q++) ground[b * Q + q] = b * L + P + q * T;
  });

  const points = recon.enabled && config.lossWeights.recon > 0 ? pointmapsOf(scenes, cache, config) : undefined;
  for (const { scene } of scenes) scene.release();
  const tensors: tf.Tensor[] = [];
  const keep = <X extends tf.Tensor>(t: X): X => (tensors.push(t), t);
  const inputs: ModelInputs = {
    ...(seesPixels
      ? { pixels: keep(tf.tensor5d(seen, [B, V, image, image, 3])) }
      : { features: keep(tf.tensor4d(seen, [B, V, N, C])) }),
    patchVoxels: keep(tf.tensor4d(voxelsOf(xyz, positions), [B, V, places, 3])),
    patchKnown: keep(tf.tensor3d(known, [B, V, places])),
    rays: keep(tf.tensor4d(rays, [B, V, M, 3])),
    objectPatches: keep(tf.tensor3d(patches, [B, O, V * N])),
    objectVoxels: keep(tf.tensor3d(voxelsOf(centres, positions), [B, O, 3])),
    objectMask: keep(tf.tensor2d(objectMask, [B, O])),
    before: prompt.before,
    after: prompt.after,
    text: keep(tf.tensor3d(text, [B, Q, T], "int32")),
    groundRows: keep(tf.tensor1d(ground, "int32")),
    ...(points === undefined
      ? {}
      : reconstructionInputs(
          points,
          V,
          scenes.map((s) => s.draw),
          config,
          keep,
        )),
  };
  const targets: Targets = {
    positives: keep(tf.tensor3d(positives, [B, Q, O + 1])),
    sentenceMask: keep(tf.tensor2d(sentenceMask, [B, Q])),
    labelRows: keep(tf.tensor1d(labelRows, "int32")),
    labelIds: keep(tf.tensor1d(labelIds, "int32")),
    labelWeights: keep(tf.tensor1d(labelWeights)),
    ...(A === 0
      ? {}
      : {
          anchorRows: keep(tf.tensor1d(anchorRows, "int32")),
          anchorScenes: keep(tf.tensor1d(anchorScenes, "int32")),
          anchorObjects: keep(tf.tensor1d(anchorObjects, "int32")),
          anchorWeights: keep(tf.tensor1d(anchorWeights)),
          anchorTextRows: keep(tf.tensor1d(anchorTextRows, "int32")),
          anchorTokens: keep(tf.tensor2d(anchorTokens, [A, P])),
        }),
    ...(points === undefined
      ? {}
      : {
          localPoints: keep(tf.tensor5d(points.local, points.shape)),
          globalPoints: keep(tf.tensor5d(points.global, points.shape)),
          validPoints: keep(tf.tensor4d(points.valid, points.shape.slice(0, 4) as [number, number, number, number])),
        }),
  };
  return { inputs, targets, dispose: () => tf.dispose(tensors) };
}

/** Rows of the views that the reconstruction branch reads, and their rows of the image-index table. */
function reconstructionInputs(
  points: Pointmaps,
  V: number,
  draws: readonly number[],
  config: S2Config,
  keep: <X extends tf.Tensor>(t: X) => X,
): Pick<ModelInputs, "reconRows" | "reconImageIds"> {
  const [S, v] = points.shape;
  const rows = new Int32Array(S * v),
    ids = new Int32Array(S * v);
  points.scenes.forEach((b, s) => {
    const order =
      config.reconstruction.imageIds === "ordered" ? undefined : new Rng(Math.floor(draws[b]! * 2 ** 32), "image-ids");
    // the first view always has row 0; Fast3R draws distinct rows of its 1000-row table for the others
    const others = order === undefined ? undefined : order.shuffle(Array.from({ length: 999 }, (_, i) => i + 1));
    for (let i = 0; i < v; i++) {
      rows[s * v + i] = b * V + points.firstViews[s]! + i;
      ids[s * v + i] = i === 0 ? 0 : (others?.[i - 1] ?? i);
    }
  });
  return {
    reconRows: keep(tf.tensor2d(rows, [S, v], "int32")),
    reconImageIds: keep(tf.tensor2d(ids, [S, v], "int32")),
  };
}

/** Marks the prefix tokens that show an object: pooled tokens with at least one of its patches. */
function showing(members: Uint8Array, out: Float32Array, prompt: SharedPrompt, cache: SceneCache, V: number): void {
  const { side, pooledSide, N } = cache.dims;
  for (let i = 0; i < V * N; i++) {
    if (members[i] !== 1) continue;
    const view = Math.floor(i / N),
      row = Math.floor((i % N) / side),
      col = i % side;
    const y = Math.min(pooledSide - 1, Math.floor((row * pooledSide) / side)),
      x = Math.min(pooledSide - 1, Math.floor((col * pooledSide) / side));
    // each pooled row is closed by a newline token
    out[prompt.before.length + (view * pooledSide + y) * (pooledSide + 1) + x] = 1;
  }
}
