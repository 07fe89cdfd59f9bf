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
import { type RotaryTable, rotaryTable, rotaryTableAt, rotate } from "../nn/rope";
import type { Scope } from "../nn/scope";
import { weightInit } from "./initialise";

type LanguageConfig = S2Config["language"];

/** How the rows of a sequence see each other: `prefix | sentence 0 | … | sentence Q-1`. */
export interface SequenceLayout {
  /** Tokens that every row may see, causally among themselves. */
  readonly prefix: number;
  readonly sentences: number;
  /** Tokens a sentence. */
  readonly tokens: number;
  /** B rows of 0/1: prefix tokens that nothing may attend to. Only without sentences. */
  readonly mask?: readonly (readonly number[])[];
  /** Position of each token of each of the B sequences; 0, 1, 2, … when absent. Only without sentences. */
  readonly positions?: readonly (readonly number[])[];
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
  readonly table: RotaryTable;
  readonly prefixForm: AttentionForm;
  readonly wants: LanguageWants;
}

/** The layer is one of those whose weights are asked for by number. */
const handsOut = ({ onAttention, attentionLayers }: LanguageWants, layer: number): boolean =>
  onAttention !== undefined && Array.isArray(attentionLayers) && attentionLayers.includes(layer);

/** How the prefix sees itself: causally, and not the tokens that a mask leaves out. */
function prefixForm(
  { prefix: P, mask }: SequenceLayout,
  scale: number,
  kvHeads: number,
  groups: number,
): AttentionForm {
  if (mask === undefined) return { scale, causal: true };
  const rows = mask.map((row) => {
    const bias = new Float32Array(P * P);
    for (let i = 0; i < P; i++) for (let j = 0; j < P; j++) bias[i * P + j] = j > i || row[j] === 0 ? MASKED : 0;
    return tf
      .tensor(bias, [1, 1, P, 1, P])
      .tile([1, kvHeads, 1, groups, 1])
      .reshape([1, kvHeads, P * groups, P]);
  });
  return { scale, bias: tf.concat(rows, 0) };
}

/**
 * Grouped-query attention. The G query heads of a key head are extra rows of their token, so keys are never repeated.
 *
 * @param h_RD float32[B*L, D] normed rows
 * @returns float32[B*L, heads*K]
 */
function selfAttention(p: Scope, h_RD: tf.Tensor2D, pass: Pass, layer: number): tf.Tensor {
  const { config, layout, B, wants } = pass;
  const { prefix: P, sentences: Q, tokens: T } = layout;
  const L = P + Q * T;
  const [H, G] = [config.kvHeads, config.heads / config.kvHeads];
  const K = config.hiddenSize / config.heads;
  const q = rotate(linear(p.at("q_proj"), h_RD).reshape([B, L, config.heads, K]), pass.table);
  const k = rotate(linear(p.at("k_proj"), h_RD).reshape([B, L, H, K]), pass.table);
  const v = linear(p.at("v_proj"), h_RD).reshape([B, L, H, K]);
  const cut = (x: tf.Tensor): tf.Tensor[] => (Q === 0 ? [x] : tf.split(x, [P, Q * T], 1));
  const [q_prefix, q_text] = cut(q);
  const [k_prefix, k_text] = cut(k);
  const [v_prefix, v_text] = cut(v);
  const qp = q_prefix!
    .reshape([B, P, H, G * K])
    .transpose([0, 2, 1, 3])
    .reshape([B, H, P * G, K]);
  const [kp, vp] = [k_prefix!.transpose([0, 2, 1, 3]), v_prefix!.transpose([0, 2, 1, 3])];
  const all = wants.onAttention !== undefined && (wants.attentionLayers ?? "all") === "all";
  if (all)
    wants.onAttention!(
      layer,
      "prefix",
      attentionWeights(qp, kp, pass.prefixForm)
        .reshape([B, H, P, G, P])
        .transpose([0, 1, 3, 2, 4])
        .reshape([B, config.heads, P, P]),
    );
  const out_prefix = attention(qp, kp, vp, pass.prefixForm)
    .reshape([B, H, P, G * K])
    .transpose([0, 2, 1, 3])
    .reshape([B, P, config.heads * K]);
  if (Q === 0) return out_prefix.reshape([B * P, config.heads * K]);

  const parts: SharedPrefix = {
    queries: q_text!
      .reshape([B, Q, T, H, G * K])
      .transpose([0, 3, 1, 2, 4])
      .reshape([B, H, Q, T * G, K]),
    prefixKeys: kp,
    prefixValues: vp,
    ownKeys: k_text!.reshape([B, Q, T, H, K]).transpose([0, 3, 1, 2, 4]),
    ownValues: v_text!.reshape([B, Q, T, H, K]).transpose([0, 3, 1, 2, 4]),
  };
  const textForm = { scale: pass.prefixForm.scale, bias: causalBias(T, G) };
  const { mixed, weights } =
    all || handsOut(wants, layer)
      ? attendSharedPrefixOpenly(parts, textForm)
      : { mixed: attendSharedPrefix(parts, textForm), weights: undefined };
  if (weights !== undefined)
    wants.onAttention!(
      layer,
      "sentences",
      weights
        .reshape([B, H, Q, T, G, P + T])
        .transpose([0, 1, 4, 2, 3, 5])
        .reshape([B, config.heads, Q, T, P + T]),
    );
  const out_text = mixed
    .reshape([B, H, Q, T, G * K])
    .transpose([0, 2, 3, 1, 4])
    .reshape([B, Q * T, config.heads * K]);
  return tf.concat([out_prefix, out_text], 1).reshape([B * L, config.heads * K]);
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
 * causally, a sentence's rows see the whole prefix and causally their own sentence.
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
  if (sentences > 0 && (layout.mask !== undefined || layout.positions !== undefined)) {
    throw new Error("languageModel: masks and explicit positions only work without sentences");
  }
  const K = config.hiddenSize / config.heads;
  const pass: Pass = {
    config,
    layout,
    B,
    wants,
    table:
      layout.positions === undefined
        ? rotaryTable(prefix, sentences, tokens, K, config.ropeTheta)
        : rotaryTableAt(layout.positions, K, config.ropeTheta),
    prefixForm: prefixForm(layout, K ** -0.5, config.kvHeads, config.heads / config.kvHeads),
  };
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
    // weights that are handed out must stay in the pass: such a layer is no part that runs twice
    const run = (part: typeof mix): tf.Tensor2D =>
      handsOut(wants, layer) ? at.part(() => part(rows)) : at.part(part, rows);
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
