import type { S2Config } from "../config/schema";
import { ShapeError, UserError } from "../core/errors";
import type { Rng } from "../core/rng";
import { expectShape } from "../core/shapes";
import { tf } from "../engine/tf";
import { constant, spread } from "../nn/constants";
import { gatherRows } from "../nn/gather";
import { linear } from "../nn/linear";
import { type ParameterSource, Scope } from "../nn/scope";
import { groundingScores } from "./grounding";
import type { ModelInputs } from "./inputs";
import {
  type LanguageOutput,
  type LanguageWants,
  languageModel,
  type PastTokens,
  type SequenceLayout,
} from "./language";
import { boxPositions, objectFeatures } from "./objects";
import { poolTokens } from "./pooling";
import { phi, psi } from "./positions";
import { projector } from "./projector";
import { type Reconstruction, reconstruct } from "./reconstruction";
import { structureEnabled, structureModule } from "./structure";
import { visionPrefix, visionTower } from "./vision";

export interface ForwardOptions {
  /** Drops paths and adapter inputs at random; needs `rng` where the config has such rates. */
  readonly training?: boolean;
  readonly rng?: Rng;
  /** What to keep for maps and probes besides the outputs; "all" adds attention weights, which cost memory and time. */
  readonly intermediates?: "encodings" | "all";
  /** Receives each layer's keys and values, from which `forwardNext` can go on. */
  readonly onCache?: LanguageWants["onCache"];
}

export interface Outputs {
  /** "infonce": cosines float32[B, Q, O+1], last column "no object"; "mlp": dot products float32[B, Q, O]. */
  readonly scores: tf.Tensor3D;
  /** float32[B*L, D] states after the final norm; made when asked for, inside the scope of the pass. */
  readonly hidden: tf.Tensor2D;
  /** float32[B*L, D] residual stream after decoder layer `grounding.anchorLayer`. */
  readonly anchorStates: tf.Tensor2D;
  /**
   * float32[B*Q*T, P+T] attention of each sentence token in the layer before `anchorStates`, mean of its heads; on
   * request.
   */
  readonly sentenceAttention?: tf.Tensor2D;
  /** float32[B, O, D] φ of the box centres, what anchors are compared with. */
  readonly boxPositions: tf.Tensor3D;
  /** float32[B, O, D] */
  readonly objects: tf.Tensor3D;
  /** lm_head at the given rows of `hidden`: int32[n] → float32[n, W]. */
  readonly logitsAt: (rows: tf.Tensor1D) => tf.Tensor2D;
  /** Pointmaps of the views that `inputs.reconRows` names. */
  readonly reconstruction?: Reconstruction;
  /** float32[B, V, N, D] projected tokens before any position encoding, for probes. */
  readonly visual: tf.Tensor4D;
  /**
   * By name. With `intermediates`: "positions.phi", "positions.psi", "patches" (visual tokens as objects see them),
   * "embeddings" (what the language model reads). With "all" also attention weights: "structure.interView",
   * "structure.intraView", "language.3.prefix", "language.3.sentences", ….
   */
  readonly intermediates: ReadonlyMap<string, tf.Tensor>;
}

/** The parameter scope of one forward pass. */
export function modelScope(
  parameters: ParameterSource,
  config: S2Config,
  options: Pick<ForwardOptions, "training" | "rng"> = {},
): Scope {
  const { alpha, rank, dropout } = config.lora;
  const drops = options.training === true && dropout > 0 && options.rng !== undefined;
  return new Scope(parameters, {
    scale: alpha / rank,
    ...(drops ? { dropout: { rate: dropout, rng: options.rng!.fork("adapter-dropout") } } : {}),
  });
}

/** What the scene alone gives, before any sentence is read. */
export interface EncodedScene {
  /** float32[B, I, D] image tokens with a newline after each pooled row. */
  readonly image: tf.Tensor3D;
  readonly objects: tf.Tensor3D;
  readonly boxPositions: tf.Tensor3D;
  readonly visual: tf.Tensor4D;
}

interface Keeper {
  encoding(name: string, value: tf.Tensor): void;
  /** Absent when attention weights are not wanted. */
  readonly attention?: (name: string, weights: tf.Tensor) => void;
}

function towerFeatures(p: Scope, pixels: tf.Tensor5D, config: S2Config): tf.Tensor4D {
  const [B, V, Y, X, C] = pixels.shape;
  const views = pixels.reshape([B * V, Y, X, C]) as tf.Tensor4D;
  const flat = p.part(() => visionTower(p.at(visionPrefix), views, config.vision));
  return flat.reshape([B, V, flat.shape[1], flat.shape[2]]);
}

/** What the vision tower, with its adapters, sees in views: float32[B, V, S, S, 3] → float32[B, V, N, C]. */
export function visionFeatures(parameters: ParameterSource, pixels: tf.Tensor5D, config: S2Config): tf.Tensor4D {
  return towerFeatures(modelScope(parameters, config), pixels, config);
}

/** One newline vector behind each row of the pooled grid: float32[B*V, m*m, D] → float32[B, V*m*(m+1), D]. */
function addNewlines(p: Scope, pooled: tf.Tensor3D, B: number): tf.Tensor3D {
  const [n, M, D] = pooled.shape;
  const m = Math.round(Math.sqrt(M));
  const newline = spread(p.get("model.image_newline").reshape([1, 1, D]), [n * m, 1, D]);
  return tf.concat([pooled.reshape([n * m, m, D]), newline], 1).reshape([B, (n / B) * m * (m + 1), D]);
}

/**
 * Views and boxes → image tokens and object features (paper, figure 2: vision tower, structure-enhanced module,
 * projector, φ, pooling, ψ).
 */
export function encodeScene(
  p: Scope,
  inputs: ModelInputs,
  config: S2Config,
  rng?: Rng,
  keep: Keeper = { encoding: () => {} },
): EncodedScene {
  if (inputs.features === undefined && inputs.pixels === undefined)
    throw new Error("forward: inputs need pixels or features");
  const features = inputs.features ?? towerFeatures(p, inputs.pixels!, config);
  const [B, V, N] = features.shape;
  const D = config.language.hiddenSize;
  expectShape("forward", "features", features.shape, "B V N C", { C: config.vision.hiddenSize });
  const { positions, objects: objectConfig } = config;

  let seen = features;
  if (structureEnabled(config.structure)) {
    const at = p.at("st_attention_block");
    seen = at.part(
      (x) =>
        structureModule(at, x, config.structure, {
          rng: rng?.fork("drop-path"),
          ...(keep.attention === undefined
            ? {}
            : { onAttention: (name, weights) => keep.attention!(`structure.${name}`, weights) }),
        }).tokens,
      features,
    );
  }
  const onto = p.at("model.mm_projector");
  const visual = onto.part(
    (x) => projector(onto, x, config.projector.outputNorm).reshape([B, V, N, D]) as tf.Tensor4D,
    seen,
  );

  const placed = (x: tf.Tensor, count: number): tf.Tensor => {
    if (!positions.coordinates) return x;
    expectShape("forward", "patchVoxels", inputs.patchVoxels.shape, "B V N 3", { B, V, N: count });
    const plain = phi(inputs.patchVoxels, D).mul(inputs.patchKnown.reshape([B, V, count, 1]));
    const { coordinateScale: scale } = positions;
    const encoding = scale === undefined ? plain : plain.mul(scale);
    keep.encoding("positions.phi", encoding);
    return x.add(encoding.reshape(x.shape));
  };
  const early = positions.coordinatesAt === "patches";
  const patches = (early ? placed(visual, N) : visual).reshape([B * V, N, D]) as tf.Tensor3D;
  keep.encoding("patches", patches);
  const plain = poolTokens(patches, config.projector.pooling, config.projector.poolStride);
  const M = plain.shape[1];
  let pooled: tf.Tensor = early ? plain : placed(plain, M);
  if (positions.rays) {
    expectShape("forward", "rays", inputs.rays.shape, "B V M 3", { B, V, M });
    const encoding = psi(p.at("mlp_pe"), inputs.rays).mul(positions.rayScale);
    keep.encoding("positions.psi", encoding);
    pooled = pooled.add(encoding.reshape([B * V, M, D]));
  }

  const coarse = objectConfig.features.startsWith("patch27");
  const source = coarse ? plain.reshape([B, V * M, D]) : patches.reshape([B, V * N, D]);
  const boxes = boxPositions(inputs.objectVoxels, D);
  const means = objectFeatures(source as tf.Tensor3D, inputs.objectPatches);
  const withCentre = objectConfig.features.endsWith("-pe") && positions.boxCentres;
  return {
    image: addNewlines(p, pooled as tf.Tensor3D, B),
    objects: withCentre ? means.add(boxes) : means,
    boxPositions: boxes,
    visual,
  };
}

/** The sequence `before | image | after | sentences` and how its rows see each other. */
function sequence(
  p: Scope,
  inputs: ModelInputs,
  image: tf.Tensor3D,
  { window }: S2Config["language"],
): { x: tf.Tensor3D; layout: SequenceLayout } {
  const [B, I, D] = image.shape;
  const { before, after, text } = inputs;
  const [, Q, T] = text.shape;
  const tokens = before.length + I + after.length + T;
  if (tokens > window)
    throw new UserError(
      `prompt, views and sentence have ${tokens} tokens, the language model's window is ${window} ` +
        "(language.window); use fewer views (data.frames) or leave out sentences this long",
    );
  if (text.shape[0] !== B) throw new ShapeError("forward", "text", `B=${B}, Q, T`, text.shape);
  const frame = [before, after].flatMap((ids) => Array.from({ length: B }, () => ids).flat());
  const fixed = constant(`ids/${frame.join(",")}`, () => tf.tensor1d(frame, "int32"));
  // one gather for all words: its gradient is as large as the vocabulary
  const ids = frame.length === 0 ? text.reshape([-1]) : tf.concat([fixed, text.reshape([-1])]);
  const words = gatherRows(p.get("model.embed_tokens.weight") as tf.Tensor2D, ids as tf.Tensor1D);
  const pieces = [before.length, after.length, Q * T].map((length) => ({ length }));
  const present = pieces.filter(({ length }) => length > 0);
  // tfjs' split has no gradient when there is one piece
  const split =
    present.length === 1
      ? [words]
      : tf.split(
          words,
          present.map(({ length }) => B * length),
          0,
        );
  const [head, tail, own] = pieces.map((piece) => {
    const at = present.indexOf(piece);
    return at < 0 ? [] : [split[at]!.reshape([B, piece.length, D])];
  }) as [tf.Tensor[], tf.Tensor[], tf.Tensor[]];
  const parts = [...head, image, ...tail, ...own];
  return {
    x: tf.concat(parts, 1) as tf.Tensor3D,
    layout: { prefix: before.length + I + after.length, sentences: Q, tokens: T },
  };
}

/** The reconstruction branch on the views that the inputs name. */
function reconstructViews(
  p: Scope,
  visual: tf.Tensor4D,
  rows: tf.Tensor2D,
  ids: tf.Tensor2D,
  config: S2Config,
): Reconstruction {
  const [B, V, N, D] = visual.shape;
  const [S, v] = rows.shape;
  const chosen = gatherRows(visual.reshape([B * V, N * D]), rows.reshape([-1]));
  return reconstruct(p, chosen.reshape([S, v, N, D]), ids, config.reconstruction);
}

/**
 * What the language model's states say: scores of the proposals at one row of each sentence, the next word at any row.
 */
function readOut(
  p: Scope,
  objects: tf.Tensor3D,
  language: LanguageOutput,
  [B, Q]: readonly [number, number],
  groundRows: tf.Tensor1D,
  config: S2Config,
): Pick<Outputs, "scores" | "logitsAt"> {
  const D = config.language.hiddenSize;
  const queries = language.hiddenAt(groundRows).reshape([B, Q, D]) as tf.Tensor3D;
  const head = p.at("lm_head");
  return {
    scores: p.part(() => groundingScores(p, objects, queries, config.grounding.head)),
    logitsAt: (rows) => head.part((x) => linear(head, x) as tf.Tensor2D, language.hiddenAt(rows)),
  };
}

/**
 * The whole model: views, boxes and sentences → scores of every proposal for every sentence.
 *
 * @param parameters by checkpoint name, as `describeModel` lists them; one that frees its parts keeps no intermediates
 */
export function forward(
  parameters: ParameterSource,
  inputs: ModelInputs,
  config: S2Config,
  options: ForwardOptions = {},
): Outputs {
  const rng = options.training === true ? options.rng : undefined;
  const p = modelScope(parameters, config, options);
  const intermediates = new Map<string, tf.Tensor>();
  const keep: Keeper = {
    encoding: (name, value) => {
      if (options.intermediates !== undefined) intermediates.set(name, value);
    },
    ...(options.intermediates === "all"
      ? { attention: (name: string, weights: tf.Tensor) => void intermediates.set(name, weights) }
      : {}),
  };
  if (parameters.part !== undefined && options.intermediates !== undefined)
    throw new Error("forward: parameters that are freed part by part leave no intermediates");
  const scene = p.part(() => encodeScene(p, inputs, config, rng, keep));
  const { x, layout } = p.part(() => sequence(p, inputs, scene.image, config.language));
  keep.encoding("embeddings", x);
  const anchorLayer = Math.min(config.grounding.anchorLayer, config.language.layers);
  const watched = options.training === true && config.lossWeights.anchorAttention > 0 ? anchorLayer - 1 : undefined;
  let sentenceAttention: tf.Tensor2D | undefined;
  const onAttention: LanguageWants["onAttention"] = (layer, part, weights) => {
    keep.attention?.(`language.${layer}.${part}`, weights);
    if (layer === watched && part === "sentences") {
      sentenceAttention = weights.mean(1).reshape([-1, weights.shape[weights.rank - 1]!]) as tf.Tensor2D;
    }
  };
  const language: LanguageOutput = languageModel(p.at("model"), x, config.language, layout, {
    states: [anchorLayer],
    onAttention,
    onCache: options.onCache,
    attentionLayers: keep.attention !== undefined ? "all" : watched === undefined ? [] : [watched],
  });
  const [B, Q] = inputs.text.shape;
  const { reconRows, reconImageIds } = inputs;
  const branch = config.reconstruction.enabled && reconRows !== undefined && reconImageIds !== undefined;
  return {
    ...readOut(p, scene.objects, language, [B, Q], inputs.groundRows, config),
    get hidden() {
      return language.hidden;
    },
    anchorStates: language.states.get(anchorLayer)!,
    ...(sentenceAttention === undefined ? {} : { sentenceAttention }),
    boxPositions: scene.boxPositions,
    objects: scene.objects,
    ...(branch
      ? { reconstruction: p.part(() => reconstructViews(p, scene.visual, reconRows, reconImageIds, config)) }
      : {}),
    visual: scene.visual,
    intermediates,
  };
}

/** What `forwardNext` goes on from: the language model's keys and values, and the scene's proposals. */
export interface ScenePast extends PastTokens {
  /** float32[B, O, D], as `Outputs.objects`. */
  readonly objects: tf.Tensor3D;
}

/**
 * Goes on from a pass whose keys and values were kept, by one token of each sentence: one row of the language model a
 * sentence, the scene is not looked at again.
 *
 * @param ids int32[B, Q]
 * @returns as `forward`, for the new tokens; `rows` are all of them, b*Q + q
 */
export function forwardNext(
  parameters: ParameterSource,
  ids: tf.Tensor2D,
  past: ScenePast,
  config: S2Config,
  options: Pick<ForwardOptions, "onCache"> = {},
): Pick<Outputs, "scores" | "logitsAt"> & { readonly rows: tf.Tensor1D } {
  const p = modelScope(parameters, config);
  const [B, Q] = ids.shape;
  const words = p.part(() => {
    const table = p.get("model.embed_tokens.weight") as tf.Tensor2D;
    return gatherRows(table, ids.reshape([B * Q])).reshape([B, Q, config.language.hiddenSize]) as tf.Tensor3D;
  });
  const layout = { prefix: 0, sentences: Q, tokens: 1, past };
  const language = languageModel(p.at("model"), words, config.language, layout, options);
  const rows = constant(`rows/${B * Q}`, () =>
    tf.tensor1d(
      Int32Array.from({ length: B * Q }, (_, i) => i),
      "int32",
    ),
  );
  return { rows, ...readOut(p, past.objects, language, [B, Q], rows, config) };
}
