import type { S2Config } from "../config/schema";
import type { Init, ParameterSpec } from "../core/parameters";
import { type AttentionForm, attention, MASKED, swiGlu, tf } from "../engine/tf";
import {
  attendSharedPrefix,
  attendSharedPrefixOpenly,
  attentionWeights,
  causalBias,
  type SharedPrefix,
} from "../nn/attention";
import { gatherRows } from "../nn/gather";
import { linear, linearParameters } from "../nn/linear";
import { rmsNorm } from "../nn/norms";
import { type RotaryTable, rotaryRows, rotaryTable, rotaryTableAt, rotate } from "../nn/rope";
import type { Scope } from "../nn/scope";
import { weightInit } from "./initialise";

type LanguageConfig = S2Config["language"];

/**
 * Which tokens a pass runs on, and how their rows see each other: `prefix | sentence 0 | … | sentence Q-1`. With `past`
 * the pass goes on from stored keys and values: it has no prefix, and one token a sentence.
 */
export interface SequenceLayout {
  /** Tokens that every row may see, causally among themselves. */
  readonly prefix: number;
  readonly sentences: number;
  /** Tokens a sentence. */
  readonly tokens: number;
  /**
   * B rows of 0/1, of P or of P + Q*T tokens: those that nothing may attend to (left padding, holes); all are kept
   * where it does not reach. Positions are counted over the tokens that are kept, as Hugging Face's generation does for
   * Qwen2.
   */
  readonly mask?: readonly (readonly number[])[];
  /** B rows of positions in place of the counted ones. */
  readonly positions?: readonly (readonly number[])[];
  readonly past?: PastTokens;
}

/** Keys and values of one layer; keys are rotated already. */
export interface LayerCache {
  /** float32[B, kvHeads, P, K] */
  readonly prefixKeys: tf.Tensor;
  readonly prefixValues: tf.Tensor;
  /** float32[B, kvHeads, Q, T, K]; after a continuation T is the room of `PastTokens`. */
  readonly ownKeys: tf.Tensor;
  readonly ownValues: tf.Tensor;
}

/**
 * What a continuation goes on from. Every sentence has room for T tokens; those that it does not have yet are masked.
 */
export interface PastTokens {
  readonly layers: readonly LayerCache[];
  /** float32[T] 1 at the place where this pass puts each sentence's token. */
  readonly place: tf.Tensor1D;
  /** float32[B, Q, T] 1 for the sentence's tokens, this pass's among them. */
  readonly kept: tf.Tensor3D;
}

export interface LanguageWants {
  /** Residual streams to return: the state before layer k (k = layers: after the last, before the final norm). */
  readonly states?: readonly number[];
  /**
   * Receives the attention weights of each layer: of the prefix float32[B, heads, P, P], of the sentences
   * float32[B, heads, Q, T, P+T].
   */
  readonly onAttention?: (layer: number, part: "prefix" | "sentences", weights: tf.Tensor) => void;
  /** Layers whose weights are worth their cost; all unless given. With a list, only the sentences' weights are made. */
  readonly attentionLayers?: "all" | readonly number[];
  /** Receives each layer's keys and values, from which a continuation can go on. */
  readonly onCache?: (layer: number, cache: LayerCache) => void;
}

export interface LanguageOutput {
  /** float32[B*L, D] after the final norm; made when asked for, inside the scope of the pass. */
  readonly hidden: tf.Tensor2D;
  /**
   * Some rows of `hidden`, int32[n] → float32[n, D]. Behind its attention the last layer treats each row by itself, so
   * that only these rows pay for its MLP.
   */
  readonly hiddenAt: (rows: tf.Tensor1D) => tf.Tensor2D;
  /** The requested residual streams, float32[B*L, D], by layer. */
  readonly states: ReadonlyMap<number, tf.Tensor2D>;
}

/** What all layers of one pass share. */
interface Pass {
  readonly config: LanguageConfig;
  readonly layout: SequenceLayout;
  readonly B: number;
  readonly visibility: Visibility;
  readonly wants: LanguageWants;
}

/** Positions of a pass's rows and what each may see. */
interface Visibility {
  readonly table: RotaryTable;
  readonly prefix: AttentionForm;
  /** float32[B, 1, 1, 1, P] */
  readonly prefixBias?: tf.Tensor | undefined;
  readonly sentences: AttentionForm;
}

/** The layer is one of those whose attention weights are asked for by number. */
const returnsWeights = ({ onAttention, attentionLayers }: LanguageWants, layer: number): boolean =>
  onAttention !== undefined && Array.isArray(attentionLayers) && attentionLayers.includes(layer);

const bias = (kept: number | undefined): number => (kept === 0 ? MASKED : 0);

/** Causal among all tokens, and not to those that a mask leaves out: float32[B, kvHeads, P*G, P]. */
function maskedPrefix(mask: readonly (readonly number[])[], P: number, kvHeads: number, G: number): tf.Tensor {
  const rows = mask.map((row) => {
    const values = new Float32Array(P * P);
    for (let i = 0; i < P; i++) for (let j = 0; j < P; j++) values[i * P + j] = j > i ? MASKED : bias(row[j]);
    return tf
      .tensor(values, [1, 1, P, 1, P])
      .tile([1, kvHeads, 1, G, 1])
      .reshape([1, kvHeads, P * G, P]);
  });
  return tf.concat(rows, 0);
}

/** Positions counted over the tokens that a mask keeps, every sentence's on from the prefix; 1 where it keeps none. */
function countedPositions(row: readonly number[], { prefix: P, sentences: Q, tokens: T }: SequenceLayout): number[] {
  let seen = 0;
  const count = (kept: number | undefined): number => (kept === 0 ? 1 : seen++);
  const positions = Array.from({ length: P }, (_, i) => count(row[i]));
  const start = seen;
  for (let q = 0; q < Q; q++) {
    seen = start;
    for (let t = 0; t < T; t++) positions.push(count(row[P + q * T + t]));
  }
  return positions;
}

/** A whole pass, whose tokens are known beforehand. */
function wholeVisibility(config: LanguageConfig, layout: SequenceLayout): Visibility {
  const { prefix: P, sentences: Q, tokens: T, mask, positions } = layout;
  const [K, G] = [config.hiddenSize / config.heads, config.heads / config.kvHeads];
  const scale = K ** -0.5;
  const at = positions ?? mask?.map((row) => countedPositions(row, layout));
  const table = at === undefined ? rotaryTable(P, Q, T, K, config.ropeTheta) : rotaryTableAt(at, K, config.ropeTheta);
  if (mask === undefined)
    return { table, prefix: { scale, causal: true }, sentences: { scale, bias: causalBias(T, G) } };
  const B = mask.length;
  const seen = Float32Array.from(
    mask.flatMap((row) => row.slice(0, P)),
    bias,
  );
  const own = new Float32Array(B * Q * T);
  mask.forEach((row, b) => row.slice(P).forEach((kept, i) => (own[b * Q * T + i] = bias(kept))));
  return {
    table,
    prefix: { scale, bias: maskedPrefix(mask, P, config.kvHeads, G) },
    prefixBias: tf.tensor(seen, [B, 1, 1, 1, P]),
    sentences: { scale, bias: tf.tensor(own, [B, 1, Q, 1, T]).add(causalBias(T, G)) },
  };
}

/** A continuation: each sentence's token sees the prefix and its own tokens, which it is the last of. */
function pastVisibility(config: LanguageConfig, layout: SequenceLayout, { layers, kept }: PastTokens): Visibility {
  const [B, Q, T] = kept.shape;
  const P = layers[0]!.prefixKeys.shape[2]!;
  const K = config.hiddenSize / config.heads;
  const scale = K ** -0.5;
  const before = layout.mask?.map((row) => row.slice(0, P).filter((x) => x !== 0).length);
  const start = before === undefined ? tf.scalar(P - 1) : tf.tensor2d(before.map((count) => [count - 1]));
  const own = kept.sub(1).mul(-MASKED);
  return {
    table: rotaryRows(kept.sum(2).add(start) as tf.Tensor2D, P + T, K, config.ropeTheta),
    // there are no prefix rows
    prefix: { scale },
    prefixBias:
      layout.mask === undefined
        ? undefined
        : tf.tensor(
            Float32Array.from(
              layout.mask.flatMap((row) => row.slice(0, P)),
              bias,
            ),
            [B, 1, 1, 1, P],
          ),
    sentences: { scale, bias: own.reshape([B, 1, Q, 1, T]) },
  };
}

/** Rows of the prefix and rows of the sentences, where the layout has them. */
function cutRows(x: tf.Tensor, { prefix: P, sentences: Q, tokens: T }: SequenceLayout): (tf.Tensor | undefined)[] {
  if (P === 0) return [undefined, x];
  return Q === 0 ? [x, undefined] : tf.split(x, [P, Q * T], 1);
}

/** A continuation's keys or values beside the stored ones, at this pass's place. */
const stored = (past: tf.Tensor, own: tf.Tensor, { place }: PastTokens): tf.Tensor =>
  past.add(own.mul(place.reshape([1, 1, 1, place.size, 1])));

/**
 * Grouped-query attention. The G query heads of a key head are extra rows of their token, so keys are never repeated.
 *
 * @param h_RD float32[B*L, D] normed rows
 * @returns float32[B*L, heads*K]
 */
function selfAttention(p: Scope, h_RD: tf.Tensor2D, pass: Pass, layer: number): tf.Tensor {
  const { config, layout, B, wants, visibility } = pass;
  const { prefix: P, sentences: Q, tokens: T, past } = layout;
  const L = P + Q * T;
  const [H, G] = [config.kvHeads, config.heads / config.kvHeads];
  const K = config.hiddenSize / config.heads;
  const q = rotate(linear(p.at("q_proj"), h_RD).reshape([B, L, config.heads, K]), visibility.table);
  const k = rotate(linear(p.at("k_proj"), h_RD).reshape([B, L, H, K]), visibility.table);
  const v = linear(p.at("v_proj"), h_RD).reshape([B, L, H, K]);
  const [q_prefix, q_text] = cutRows(q, layout);
  const [k_prefix, k_text] = cutRows(k, layout);
  const [v_prefix, v_text] = cutRows(v, layout);
  const before = past?.layers[layer];
  const [kp, vp] = [
    before?.prefixKeys ?? k_prefix!.transpose([0, 2, 1, 3]),
    before?.prefixValues ?? v_prefix!.transpose([0, 2, 1, 3]),
  ];
  const all = wants.onAttention !== undefined && (wants.attentionLayers ?? "all") === "all";
  const out: tf.Tensor[] = [];
  if (q_prefix !== undefined) {
    const qp = q_prefix
      .reshape([B, P, H, G * K])
      .transpose([0, 2, 1, 3])
      .reshape([B, H, P * G, K]);
    if (all)
      wants.onAttention!(
        layer,
        "prefix",
        attentionWeights(qp, kp, visibility.prefix)
          .reshape([B, H, P, G, P])
          .transpose([0, 1, 3, 2, 4])
          .reshape([B, config.heads, P, P]),
      );
    out.push(
      attention(qp, kp, vp, visibility.prefix)
        .reshape([B, H, P, G * K])
        .transpose([0, 2, 1, 3])
        .reshape([B, P, config.heads * K]),
    );
  }
  if (q_text !== undefined) {
    const own = (x: tf.Tensor): tf.Tensor => x.reshape([B, Q, T, H, K]).transpose([0, 3, 1, 2, 4]);
    const [ko, vo] = [own(k_text!), own(v_text!)];
    const parts: SharedPrefix = {
      queries: q_text
        .reshape([B, Q, T, H, G * K])
        .transpose([0, 3, 1, 2, 4])
        .reshape([B, H, Q, T * G, K]),
      prefixKeys: kp,
      prefixValues: vp,
      ownKeys: before === undefined ? ko : stored(before.ownKeys, ko, past!),
      ownValues: before === undefined ? vo : stored(before.ownValues, vo, past!),
      prefixBias: visibility.prefixBias,
    };
    wants.onCache?.(layer, parts);
    const { mixed, weights } =
      all || returnsWeights(wants, layer)
        ? attendSharedPrefixOpenly(parts, visibility.sentences)
        : { mixed: attendSharedPrefix(parts, visibility.sentences), weights: undefined };
    const S = weights?.shape.at(-1);
    if (weights !== undefined)
      wants.onAttention!(
        layer,
        "sentences",
        weights.reshape([B, H, Q, T, G, S!]).transpose([0, 1, 4, 2, 3, 5]).reshape([B, config.heads, Q, T, S!]),
      );
    out.push(
      mixed
        .reshape([B, H, Q, T, G * K])
        .transpose([0, 2, 3, 1, 4])
        .reshape([B, Q * T, config.heads * K]),
    );
  }
  return (out.length === 1 ? out[0]! : tf.concat(out, 1)).reshape([B * L, config.heads * K]);
}

/** What a layer's attention gives: float32[B*L, heads*K]. */
function mixRows(p: Scope, x_RD: tf.Tensor2D, pass: Pass, layer: number): tf.Tensor2D {
  const h = rmsNorm(p.at("input_layernorm"), x_RD, pass.config.rmsNormEps) as tf.Tensor2D;
  return selfAttention(p.at("self_attn"), h, pass, layer) as tf.Tensor2D;
}

/** The rest of a layer, each row by itself. */
function finishRows(p: Scope, x_RD: tf.Tensor2D, mixed: tf.Tensor2D, eps: number): tf.Tensor2D {
  const y = x_RD.add(linear(p.at("self_attn").at("o_proj"), mixed));
  const h = rmsNorm(p.at("post_attention_layernorm"), y, eps);
  const mlp = p.at("mlp");
  return y.add(linear(mlp.at("down_proj"), swiGlu(linear(mlp.at("gate_proj"), h), linear(mlp.at("up_proj"), h))));
}

/**
 * Qwen2's decoder. Linear layers run on all rows at once; attention follows `layout`: prefix rows see the prefix
 * causally, a sentence's rows see the whole prefix and causally their own sentence. A continuation runs the same layers
 * on its new rows alone.
 *
 * @param p scope at `model`
 * @param x float32[B, L, D] embedded tokens, L = prefix + sentences * tokens
 */
export function languageModel(
  p: Scope,
  x: tf.Tensor3D,
  config: LanguageConfig,
  layout: SequenceLayout,
  wants: LanguageWants = {},
): LanguageOutput {
  const [B, L, D] = x.shape;
  const { prefix, sentences, tokens } = layout;
  if (L !== prefix + sentences * tokens) {
    throw new Error(`languageModel: ${L} tokens, but the layout has ${prefix} + ${sentences} x ${tokens}`);
  }
  const { past } = layout;
  if (past !== undefined && (prefix !== 0 || tokens !== 1 || past.layers.length !== config.layers))
    throw new Error(
      `languageModel: goes on from ${config.layers} layers' keys by one token a sentence, without a prefix`,
    );
  const visibility = past === undefined ? wholeVisibility(config, layout) : pastVisibility(config, layout, past);
  const pass: Pass = { config, layout, B, wants, visibility };
  const states = new Map<number, tf.Tensor2D>();
  let rows = x.reshape([B * L, D]) as tf.Tensor2D;
  const eps = config.rmsNormEps;
  const last = p.at(`layers.${config.layers - 1}`);
  let mixed = rows;
  for (let layer = 0; layer < config.layers; layer++) {
    if (wants.states?.includes(layer) === true) states.set(layer, rows);
    const at = p.at(`layers.${layer}`);
    const mix = (x: tf.Tensor2D): tf.Tensor2D => mixRows(at, x, pass, layer);
    const whole = (x: tf.Tensor2D): tf.Tensor2D => finishRows(at, x, mix(x), eps);
    // returned attention weights must stay in the pass: such a layer is not recomputed
    const run = (part: typeof mix): tf.Tensor2D =>
      returnsWeights(wants, layer) ? at.part(() => part(rows)) : at.part(part, rows);
    if (layer === config.layers - 1) mixed = run(mix);
    else rows = run(whole);
  }
  const normed = (x_RD: tf.Tensor2D): tf.Tensor2D => rmsNorm(p.at("norm"), x_RD, eps) as tf.Tensor2D;
  if (wants.states?.includes(config.layers) === true) {
    const end = last.part((x, m) => finishRows(last, x, m, eps), rows, mixed);
    states.set(config.layers, end);
    const hidden = normed(end);
    return { hidden, hiddenAt: (at) => gatherRows(hidden, at), states };
  }
  return {
    get hidden() {
      return normed(last.part((x, m) => finishRows(last, x, m, eps), rows, mixed));
    },
    hiddenAt: (at) =>
      normed(
        last.part(
          (x, m) => finishRows(last, x, m, eps),
          gatherRows(rows, at) as tf.Tensor2D,
          gatherRows(mixed, at) as tf.Tensor2D,
        ),
      ),
    states,
  };
}

export function languageParameters(config: S2Config): ParameterSpec[] {
  const { vocabSize, hiddenSize: D, intermediateSize: M, layers, heads, kvHeads, init, copyValues } = config.language;
  const kvWidth = (D / heads) * kvHeads;
  const loraRank = config.lora.language ? config.lora.rank : undefined;
  const list: ParameterSpec[] = [
    {
      name: "model.embed_tokens.weight",
      shape: [vocabSize, D],
      init: { kind: "normal", std: init === "xavier" ? 1 : 0.02 },
    },
    { name: "model.norm.weight", shape: [D], init: { kind: "ones" } },
    { name: "lm_head.weight", shape: [vocabSize, D], init: weightInit(init, D, vocabSize) },
  ];
  for (let layer = 0; layer < layers; layer++) {
    const at = `model.layers.${layer}`;
    const add = (name: string, width: number, out: number, bias: boolean, gain = 1, start?: Init): void => {
      list.push(
        ...linearParameters({
          name: `${at}.${name}`,
          in: width,
          out,
          bias,
          weightInit: start ?? weightInit(init, width, out, gain),
          loraRank,
        }),
      );
    };
    const copied: Init | undefined = copyValues ? { kind: "identity", scale: 0.7 } : undefined;
    list.push({ name: `${at}.input_layernorm.weight`, shape: [D], init: { kind: "ones" } });
    add("self_attn.q_proj", D, D, true);
    add("self_attn.k_proj", D, kvWidth, true);
    add("self_attn.v_proj", D, kvWidth, true, 1, copied);
    add("self_attn.o_proj", D, D, false, 0.7, copied);
    list.push({ name: `${at}.post_attention_layernorm.weight`, shape: [D], init: { kind: "ones" } });
    add("mlp.gate_proj", D, M, false);
    add("mlp.up_proj", D, M, false);
    add("mlp.down_proj", M, D, false, 0.7);
  }
  return list;
}
