import type * as tfTypes from "@tensorflow/tfjs-core";
import { expectShape } from "../../core/shapes";
import { crossEntropy } from "../../engine/ops/cross-entropy";

/**
 * L_lang: cross-entropy at the supervised tokens only, Σ weight · -log p(id).
 *
 * @param logits float32[n, W] at the rows whose next token is supervised
 * @param ids int32[n] the tokens that come next
 * @param weights float32[n]; a mean when they sum to 1
 * @returns scalar; 0 without any weight
 */
export function languageLoss(logits: tfTypes.Tensor2D, ids: tfTypes.Tensor1D, weights: tfTypes.Tensor1D): tfTypes.Scalar {
  const sizes = expectShape("languageLoss", "logits", logits.shape, "n W");
  expectShape("languageLoss", "ids", ids.shape, "n", { n: sizes.n! });
  expectShape("languageLoss", "weights", weights.shape, "n", { n: sizes.n! });
  return crossEntropy(logits, ids, weights);
}
