import type { S2Config } from "../config/schema";
import type { ParameterSpec } from "../core/parameters";
import type { Rng } from "../core/rng";
import { attention, fusedGelu, tf } from "../engine/tf";
import { attentionWeights } from "../nn/attention";
import { spread } from "../nn/constants";
import { linear, linearParameters } from "../nn/linear";
import { layerNorm, layerNormParameters } from "../nn/norms";
import type { Scope } from "../nn/scope";
import { weightInit } from "./initialise";

type StructureConfig = S2Config["structure"];

export interface StructureOptions {
  /** Source of dropped paths; absent: none are dropped. */
  readonly rng?: Rng;
  /** Also computes the pseudo class token's row, which the model itself discards. */
  readonly classRow?: boolean;
  /**
   * Receives attention weights: "interView" float32[B, N, H, V, V], "intraView" float32[B, V, H, N+1, N+1] (key 0 is
   * the pseudo class token).
   */
  readonly onAttention?: (name: "interView" | "intraView", weights: tf.Tensor) => void;
}

export interface StructureOutput {
  /** float32[B, V, N, C] */
  readonly tokens: tf.Tensor4D;
  /** float32[B, C], with `classRow` */
  readonly classRow?: tf.Tensor2D;
}

/** True where any part of the structure-enhanced module is on; without any it is the identity and has no parameters. */
export function structureEnabled(config: StructureConfig): boolean {
  return config.interView || config.intraView;
}

/** Drops the residual of whole groups, kept ones divided by the chance of being kept. */
function dropPath(x: tf.Tensor, groups: number, rate: number, rng?: Rng): tf.Tensor {
  if (rng === undefined || rate === 0) return x;
  const keep = Float32Array.from({ length: groups }, () => (rng.next() < rate ? 0 : 1 / (1 - rate)));
  return x
    .reshape([groups, -1])
    .mul(tf.tensor2d(keep, [groups, 1]))
    .reshape(x.shape);
}

/** Self-attention inside groups: x float32[G, L, C], G groups of L tokens. */
function groupAttention(
  p: Scope,
  x_GLC: tf.Tensor,
  heads: number,
  onWeights?: (weights: tf.Tensor) => void,
): tf.Tensor {
  const [G, L, C] = x_GLC.shape as [number, number, number];
  const K = C / heads;
  const options = { scale: K ** -0.5 };
  const parts = tf.split(linear(p.at("qkv"), x_GLC), 3, 2);
  const [q, k, v] = parts.map((t) => t.reshape([G, L, heads, K]).transpose([0, 2, 1, 3])) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  onWeights?.(attentionWeights(q, k, options));
  return linear(p.at("proj"), attention(q, k, v, options).transpose([0, 2, 1, 3]).reshape([G, L, C]));
}

/**
 * Structure-enhanced module: inter-view attention (one patch across the views), intra-view attention (the patches of
 * one view), MLP; each with a residual.
 *
 * With layout "released" the flat token index v·N + n is read as position·V + view, as the authors' code does: the
 * "inter-view" groups are then runs of V neighbouring tokens.
 *
 * @param p scope at `st_attention_block`
 * @param x_BVNC float32[B, V, N, C] vision features
 */
export function structureModule(
  p: Scope,
  x_BVNC: tf.Tensor4D,
  config: StructureConfig,
  options: StructureOptions = {},
): StructureOutput {
  const [B, V, N, C] = x_BVNC.shape;
  const { heads, layerNormEps: eps, dropPath: rate } = config;
  const swap = (x: tf.Tensor, first: number, second: number): tf.Tensor =>
    x.reshape([B, first, second, C]).transpose([0, 2, 1, 3]);
  const paper = config.layout === "paper";
  // [B, N, V, C], groups of the inter-view attention
  const byPatch = (x: tf.Tensor): tf.Tensor => (paper ? swap(x, V, N) : x.reshape([B, N, V, C]));
  const fromPatch = (x: tf.Tensor): tf.Tensor => (paper ? swap(x, N, V) : x);
  // [B, V, N, C], groups of the intra-view attention
  const byView = (x: tf.Tensor): tf.Tensor => (paper ? x : swap(x, N, V));
  const fromView = (x: tf.Tensor): tf.Tensor => (paper ? x : swap(x, V, N));

  let x: tf.Tensor = x_BVNC;
  if (config.interView) {
    const h = byPatch(layerNorm(p.at("temporal_norm1"), x, eps)).reshape([B * N, V, C]);
    const mixed = groupAttention(
      p.at("temporal_attn"),
      h,
      heads,
      options.onAttention && ((w) => options.onAttention!("interView", w.reshape([B, N, heads, V, V]))),
    );
    const dropped = dropPath(mixed, B * N, rate, options.rng);
    x = x.add(linear(p.at("temporal_fc"), fromPatch(dropped.reshape([B, N, V, C])).reshape([B, V, N, C])));
  }

  // the very first patch token, from before the inter-view step, stands in for a class token
  let row = x_BVNC.slice([0, 0, 0, 0], [B, 1, 1, C]);
  if (config.intraView) {
    const classes = spread(row, [B, V, 1, C]);
    const groups = tf.concat([classes, byView(x).reshape([B, V, N, C])], 2).reshape([B * V, N + 1, C]);
    const mixed = groupAttention(
      p.at("attn"),
      layerNorm(p.at("norm1"), groups, eps),
      heads,
      options.onAttention && ((w) => options.onAttention!("intraView", w.reshape([B, V, heads, N + 1, N + 1]))),
    );
    const dropped = dropPath(mixed, B * V, rate, options.rng).reshape([B, V, N + 1, C]);
    if (options.classRow === true)
      row = row.add(dropped.slice([0, 0, 0, 0], [B, V, 1, C]).mean(1, true)) as tf.Tensor4D;
    x = x.add(fromView(dropped.slice([0, 0, 1, 0], [B, V, N, C])).reshape([B, V, N, C]));
  }

  const mlp = (y: tf.Tensor): tf.Tensor =>
    linear(p.at("mlp").at("fc2"), fusedGelu(linear(p.at("mlp").at("fc1"), layerNorm(p.at("norm2"), y, eps)), "exact"));
  const tokens = x.add(dropPath(mlp(x), B, rate, options.rng)) as tf.Tensor4D;
  return options.classRow === true
    ? { tokens, classRow: row.add(mlp(row)).reshape([B, C]) as tf.Tensor2D }
    : { tokens };
}

export function structureParameters(config: S2Config): ParameterSpec[] {
  const { structure } = config;
  if (!structureEnabled(structure)) return [];
  const C = config.vision.hiddenSize;
  const M = Math.round(C * structure.mlpRatio);
  const at = "st_attention_block";
  const { init } = config.language;
  const plain = (name: string, width: number, out: number): ParameterSpec[] =>
    linearParameters({ name: `${at}.${name}`, in: width, out, weightInit: weightInit(init, width, out) });
  const output = (name: string, width: number): ParameterSpec[] =>
    structure.outputInit === "zero"
      ? linearParameters({ name: `${at}.${name}`, in: width, out: C, weightInit: { kind: "zeros" } })
      : plain(name, width, C);
  const list: ParameterSpec[] = [];
  if (structure.interView) {
    list.push(
      ...layerNormParameters(`${at}.temporal_norm1`, C),
      ...plain("temporal_attn.qkv", C, 3 * C),
      ...plain("temporal_attn.proj", C, C),
      ...output("temporal_fc", C),
    );
  }
  if (structure.intraView) {
    list.push(...layerNormParameters(`${at}.norm1`, C), ...plain("attn.qkv", C, 3 * C), ...output("attn.proj", C));
  }
  list.push(...layerNormParameters(`${at}.norm2`, C), ...plain("mlp.fc1", C, M), ...output("mlp.fc2", M));
  return list;
}
