import type { S2Config } from "../config/schema";
import type { ParameterSpec } from "../core/parameters";
import { attention, fusedGelu, tf } from "../engine/tf";
import { constant } from "../nn/constants";
import { linear, linearParameters } from "../nn/linear";
import { layerNorm, layerNormParameters } from "../nn/norms";
import type { Scope } from "../nn/scope";
import { dptHead, dptParameters, type Pointmap } from "./dpt";
import { weightInit } from "./initialise";

type ReconstructionConfig = S2Config["reconstruction"];

/** The projection P from the language model's width to the decoder's. */
export const projectionName = "encoder_to_decoder_proj";
/** Frozen Fast3R decoder and heads. */
export const fast3rPrefix = "fast3r";

/** Rows of the image-index table: 1000 views can be told apart. */
const TABLE_ROWS = 1000;

/**
 * Image-index embeddings, sines then cosines of id · 10000^(-k/(D/2)), k below floor(D/2); a spare channel is zero.
 *
 * @param ids int32[S, V] row of the table of each view: 0 for the first; Fast3R draws the others at random
 * @returns float32[S, V, D]
 */
export function imageEmbeddings(ids: tf.Tensor2D, D: number): tf.Tensor3D {
  const half = Math.floor(D / 2);
  const table = constant(`image-index/${D}`, () => {
    const values = new Float32Array(TABLE_ROWS * D);
    for (let id = 0; id < TABLE_ROWS; id++) {
      for (let k = 0; k < half; k++) {
        const angle = id * 10000 ** (-k / (D / 2));
        values[id * D + k] = Math.sin(angle);
        values[id * D + half + k] = Math.cos(angle);
      }
    }
    return tf.tensor2d(values, [TABLE_ROWS, D]);
  });
  return tf.gather(table, ids.reshape([-1]) as tf.Tensor1D).reshape([...ids.shape, D]);
}

function decoderBlock(p: Scope, x_SLD: tf.Tensor3D, heads: number, scale: number): tf.Tensor3D {
  const [S, L, D] = x_SLD.shape;
  const K = D / heads;
  const parts = tf.split(linear(p.at("attn").at("qkv"), layerNorm(p.at("norm1"), x_SLD, 1e-5)), 3, 2);
  const [q, k, v] = parts.map((t) => t.reshape([S, L, heads, K]).transpose([0, 2, 1, 3])) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  const mixed = attention(q, k, v, { scale }).transpose([0, 2, 1, 3]).reshape([S, L, D]);
  const y = x_SLD.add(linear(p.at("attn").at("proj"), mixed));
  const mlp = p.at("mlp");
  return y.add(linear(mlp.at("fc2"), fusedGelu(linear(mlp.at("fc1"), layerNorm(p.at("norm2"), y, 1e-5)), "exact")));
}

/**
 * Fast3R's fusion decoder: all tokens of all views attend to each other; views differ by their image-index embedding.
 *
 * @param p scope at `fast3r.decoder`
 * @param x float32[S, V, N, E] encoder tokens
 * @param ids int32[S, V] image-index row of each view
 * @returns depth + 1 tensors float32[S, V*N, …]: the encoder tokens, then each block's output, the last one normed
 */
export function fusionDecoder(
  p: Scope,
  x: tf.Tensor4D,
  ids: tf.Tensor2D,
  config: Pick<ReconstructionConfig, "depth" | "heads" | "hiddenSize" | "scoreBias">,
): tf.Tensor3D[] {
  const [S, V, N, E] = x.shape;
  const D = config.hiddenSize;
  const embedded = linear(p.at("decoder_embed"), x).add(imageEmbeddings(ids, D).reshape([S, V, 1, D]));
  let state = embedded.reshape([S, V * N, D]) as tf.Tensor3D;
  const outputs = [x.reshape([S, V * N, E]) as tf.Tensor3D];
  // at inference on many views Fast3R sharpens its scores as if trained on 20 views and tested on 137
  const scale = (D / config.heads) ** -0.5 * (config.scoreBias ? Math.sqrt(Math.log(137) / Math.log(20)) : 1);
  for (let block = 0; block < config.depth; block++) {
    const at = p.at(`dec_blocks.${block}`);
    state = at.part((x) => decoderBlock(at, x, config.heads, scale), state);
    outputs.push(state);
  }
  outputs[config.depth] = layerNorm(p.at("dec_norm"), state, 1e-6) as tf.Tensor3D;
  return outputs;
}

/** Points and confidences of some views of some scenes; a part that is switched off is absent. */
export interface Reconstruction {
  /** In the camera frame of each scene's first view. */
  readonly global?: Pointmap;
  /** In each view's own camera frame. */
  readonly local?: Pointmap;
}

/**
 * X = D(P(E(I))): the reconstruction branch, for training only. P trains; decoder and heads are frozen.
 *
 * @param p scope of the whole model
 * @param tokens float32[S, V, N, D] projected visual tokens, before any position encoding
 */
export function reconstruct(
  p: Scope,
  tokens: tf.Tensor4D,
  ids: tf.Tensor2D,
  config: ReconstructionConfig,
): Reconstruction {
  const projected = linear(p.at(projectionName), tokens) as tf.Tensor4D;
  return decodePointmaps(p.at(fast3rPrefix), projected, ids, config);
}

/**
 * The frozen part of the branch: Fast3R's decoder and heads on encoder tokens.
 *
 * @param p scope at `fast3r`
 * @param encoded float32[S, V, N, E]
 * @param ids int32[S, V] image-index row of each view
 */
export function decodePointmaps(
  p: Scope,
  encoded: tf.Tensor4D,
  ids: tf.Tensor2D,
  config: ReconstructionConfig,
): Reconstruction {
  const [S, V, N] = encoded.shape;
  const side = Math.round(Math.sqrt(N));
  const states = fusionDecoder(p.at("decoder"), encoded, ids, config);
  const head = (name: string): Pointmap =>
    dptHead(p.at(name).at("dpt"), states, {
      scenes: S,
      views: V,
      rows: side,
      columns: side,
      patchSize: config.patchSize,
    });
  return {
    ...(config.global ? { global: head("downstream_head") } : {}),
    ...(config.local ? { local: head("downstream_head_local") } : {}),
  };
}

export function reconstructionParameters(config: S2Config): ParameterSpec[] {
  const { reconstruction: r, language, lora } = config;
  if (!r.enabled) return [];
  const { init } = language;
  const D = r.hiddenSize;
  const M = Math.round(D * r.mlpRatio);
  const at = `${fast3rPrefix}.decoder`;
  const plain = (name: string, width: number, out: number): ParameterSpec[] =>
    linearParameters({ name: `${at}.${name}`, in: width, out, weightInit: weightInit(init, width, out) });
  const list: ParameterSpec[] = [
    ...linearParameters({
      name: projectionName,
      in: language.hiddenSize,
      out: r.encoderSize,
      weightInit: weightInit(init, language.hiddenSize, r.encoderSize),
      loraRank: lora.language ? lora.rank : undefined,
    }),
    ...plain("decoder_embed", r.encoderSize, D),
  ];
  for (let block = 0; block < r.depth; block++) {
    const name = `dec_blocks.${block}`;
    list.push(
      ...layerNormParameters(`${at}.${name}.norm1`, D),
      ...plain(`${name}.attn.qkv`, D, 3 * D),
      ...plain(`${name}.attn.proj`, D, D),
      ...layerNormParameters(`${at}.${name}.norm2`, D),
      ...plain(`${name}.mlp.fc1`, D, M),
      ...plain(`${name}.mlp.fc2`, M, D),
    );
  }
  list.push(...layerNormParameters(`${at}.dec_norm`, D));
  if (r.global) list.push(...dptParameters(`${fast3rPrefix}.downstream_head.dpt`, r, init));
  if (r.local) list.push(...dptParameters(`${fast3rPrefix}.downstream_head_local.dpt`, r, init));
  return list;
}
