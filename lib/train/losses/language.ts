import { expectShape } from "../../core/shapes";
import { crossEntropy, type tf } from "../../engine/tf";

/**
 * L_lang: cross-entropy at the supervised tokens only, Σ weight · -log p(id).
 *
 * @param logits float32[n, W] at the rows whose next token is supervised
 * @param ids int32[n] the tokens that come next
 * @param weights float32[n]; a mean when they sum to 1
 * @returns scalar; 0 without any weight
 */
export function languageLoss(logits: tf.Tensor2D, ids: tf.Tensor1D, weights: tf.Tensor1D): tf.Scalar {
  const sizes = expectShape("languageLoss", "logits", logits.shape, "n W");
  expectShape("languageLoss", "ids", ids.shape, "n", { n: sizes.n! });
  expectShape("languageLoss", "weights", weights.shape, "n", { n: sizes.n! });
  return crossEntropy(logits, ids, weights);
}
