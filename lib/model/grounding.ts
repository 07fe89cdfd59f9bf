import type { S2Config } from "../config/schema";
import type { ParameterSpec } from "../core/parameters";
import { tf } from "../engine/tf";
import { spread } from "../nn/constants";
import { linear, linearParameters } from "../nn/linear";
import { layerNorm, layerNormParameters, standardise, unit } from "../nn/norms";
import type { Scope } from "../nn/scope";
import { weightInit } from "./initialise";

export type GroundingHead = "ground_head_obj" | "ground_head_query" | "ground_head";

/** Linear → ReLU → LayerNorm → Linear. */
function mlp(p: Scope, x: tf.Tensor): tf.Tensor {
  return linear(p.at("3"), layerNorm(p.at("2"), linear(p.at("0"), x).relu(), 1e-5));
}

/**
 * One side of the cosine comparison, of length 1.
 *
 * Departs from the paper with `grounding.sharedSkip`: z = norm(S x̂ + MLP(x̂)), x̂ the input normed without weights and
 * S one matrix, the identity at first, that both sides share; so anchors and candidates start out comparable.
 *
 * @param p scope of the whole model
 * @param x float32[..., D]
 */
export function groundingVector(p: Scope, head: GroundingHead, x: tf.Tensor): tf.Tensor {
  if (!p.has("ground_head_skip.weight")) return unit(mlp(p.at(head), x));
  const plain = standardise(x);
  return unit(linear(p.at("ground_head_skip"), plain).add(mlp(p.at(head), plain)));
}

/**
 * Scores of every object for every sentence.
 *
 * @param p scope of the whole model
 * @param objects float32[B, O, D] object features
 * @param queries float32[B, Q, D] hidden states at <ground>
 * @returns "infonce": cosines float32[B, Q, O+1], last column the learned "no object"; "mlp": dot products float32[B,
 *   Q, O]
 */
export function groundingScores(
  p: Scope,
  objects: tf.Tensor3D,
  queries: tf.Tensor3D,
  head: S2Config["grounding"]["head"],
): tf.Tensor3D {
  if (head === "mlp") return tf.matMul(mlp(p.at("ground_head"), queries) as tf.Tensor3D, objects, false, true);
  const [B, , D] = objects.shape;
  const none = spread(p.get("ground_head_zero_target").reshape([1, 1, D]), [B, 1, D]) as tf.Tensor3D;
  const candidates = groundingVector(p, "ground_head_obj", tf.concat([objects, none], 1));
  const wanted = groundingVector(p, "ground_head_query", queries);
  return tf.matMul(wanted as tf.Tensor3D, candidates as tf.Tensor3D, false, true);
}

/**
 * Cosines between the states of anchor nouns and the boxes of the batch, known by position only.
 *
 * @param p scope of the whole model
 * @param states float32[A, D] states of the nouns
 * @param positions float32[B, O, D] φ of the box centres
 * @returns float32[A, B*O]
 */
export function anchorScores(p: Scope, states: tf.Tensor2D, positions: tf.Tensor3D): tf.Tensor2D {
  const [B, O, D] = positions.shape;
  const boxes = groundingVector(p, "ground_head_obj", positions.reshape([B * O, D]));
  const nouns = groundingVector(p, "ground_head_query", states);
  return tf.matMul(nouns as tf.Tensor2D, boxes as tf.Tensor2D, false, true);
}

export function groundingParameters(config: S2Config): ParameterSpec[] {
  const [D, init] = [config.language.hiddenSize, config.language.init];
  const { head, sharedSkip } = config.grounding;
  const heads: GroundingHead[] = head === "mlp" ? ["ground_head"] : ["ground_head_obj", "ground_head_query"];
  const list = heads.flatMap((name) => [
    ...linearParameters({ name: `${name}.0`, in: D, out: D, weightInit: weightInit(init, D, D) }),
    ...layerNormParameters(`${name}.2`, D),
    ...linearParameters({ name: `${name}.3`, in: D, out: D, weightInit: weightInit(init, D, D) }),
  ]);
  if (head === "infonce") list.push({ name: "ground_head_zero_target", shape: [D], init: { kind: "normal", std: 1 } });
  if (sharedSkip) list.push({ name: "ground_head_skip.weight", shape: [D, D], init: { kind: "identity" } });
  return list;
}
