import type { S2Config } from "../../config/schema";
import { tf } from "../../engine/tf";
import { anchorScores } from "../../model/grounding";
import type { ModelInputs, Targets } from "../../model/inputs";
import { modelScope, type Outputs } from "../../model/s2mllm";
import { gatherRows } from "../../nn/gather";
import type { ParameterSource } from "../../nn/scope";
import { anchorAttentionLoss, anchorLoss, groundingBce, groundingLoss } from "./ground";
import { languageLoss } from "./language";
import { reconstructionLoss } from "./pointmap";

/** The parts of the loss, unweighted; a part that is off or has no targets is absent. */
export interface LossParts {
  readonly ground: tf.Scalar;
  readonly language?: tf.Scalar;
  readonly recon?: tf.Scalar;
  readonly anchor?: tf.Scalar;
  readonly anchorAttention?: tf.Scalar;
}

/** Every part of the loss that the config weighs above 0. */
export function lossParts(
  parameters: ParameterSource,
  outputs: Outputs,
  inputs: ModelInputs,
  targets: Targets,
  config: S2Config,
): LossParts {
  const { lossWeights: weights, grounding, reconstruction } = config;
  const { positives, sentenceMask, anchorRows, anchorScenes, anchorObjects, anchorWeights } = targets;
  const ground =
    grounding.head === "mlp"
      ? groundingBce(outputs.scores, positives, inputs.objectMask, sentenceMask)
      : groundingLoss(outputs.scores, positives, inputs.objectMask, sentenceMask, grounding.temperature);
  const parts: { -readonly [K in keyof LossParts]: LossParts[K] } = { ground };
  if (weights.language > 0) {
    parts.language = languageLoss(outputs.logitsAt(targets.labelRows), targets.labelIds, targets.labelWeights);
  }
  if (weights.recon > 0 && outputs.reconstruction !== undefined) {
    if (targets.validPoints === undefined)
      throw new Error("lossParts: pointmaps are predicted, but targets.validPoints is missing");
    parts.recon = reconstructionLoss(
      outputs.reconstruction,
      {
        valid: targets.validPoints,
        ...(targets.globalPoints === undefined ? {} : { global: targets.globalPoints }),
        ...(targets.localPoints === undefined ? {} : { local: targets.localPoints }),
      },
      reconstruction.alpha,
    );
  }
  if (weights.anchor > 0 && anchorRows !== undefined) {
    const scores = anchorScores(
      modelScope(parameters, config),
      gatherRows(outputs.anchorStates, anchorRows),
      outputs.boxPositions,
    );
    parts.anchor = anchorLoss(
      scores,
      inputs.objectMask,
      anchorScenes!,
      anchorObjects!,
      anchorWeights!,
      grounding.temperature,
    );
  }
  if (weights.anchorAttention > 0 && outputs.sentenceAttention !== undefined && targets.anchorTextRows !== undefined) {
    const rows = gatherRows(outputs.sentenceAttention, targets.anchorTextRows);
    parts.anchorAttention = anchorAttentionLoss(rows, targets.anchorTokens!, anchorWeights!);
  }
  return parts;
}

/** L = λ_g L_ground + λ_l L_lang + λ_r L_recon (+ anchor grounding, which is not in the paper). */
export function totalLoss(
  parts: LossParts,
  weights: S2Config["lossWeights"],
  { reconBegun }: Pick<Targets, "reconBegun"> = {},
): tf.Scalar {
  return tf.tidy(() => {
    let total: tf.Tensor = parts.ground.mul(weights.ground);
    for (const name of ["language", "recon", "anchor", "anchorAttention"] as const) {
      const part = parts[name];
      if (part === undefined) continue;
      const weighted = part.mul(weights[name]);
      total = total.add(name === "recon" && reconBegun !== undefined ? weighted.mul(reconBegun) : weighted);
    }
    return total.asScalar();
  });
}
