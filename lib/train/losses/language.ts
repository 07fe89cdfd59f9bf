import type * as tfTypes from "@tensorflow/tfjs-core";
import { expectShape } from "../../core/shapes";
import { tf } from "../../engine/tf";

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
  return tf.tidy(() => {
    const op = tf.customGrad((x, save) => {
      const rows = x as tfTypes.Tensor2D;
      const right = tf.oneHot(ids, rows.shape[1]).toFloat();
      const surprise = tf.logSumExp(rows, 1).sub(rows.mul(right).sum(1));
      (save as tfTypes.GradSaveFunc)([rows, right, weights]);
      return {
        value: surprise.mul(weights).sum(),
        gradFunc: (dy: tfTypes.Tensor, [r, y, w]: tfTypes.Tensor[]) =>
          tf.softmax(r!).sub(y!).mul(w!.reshape([-1, 1])).mul(dy),
      };
    });
    return op(logits).asScalar();
  });
}
