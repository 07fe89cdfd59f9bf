import type { GradSaveFunc, Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs-core";
import { hasKernel, runFused, tf } from "../tf";

/**
 * Σ weight · −log softmax(logits)[id], over rows; on ort-cpu one traced operation forward and one backward.
 *
 * @param logits float32[n, W]
 * @param ids int32[n], each in 0..W-1
 * @param weights float32[n]; a mean when they sum to 1
 */
export function crossEntropy(logits: Tensor2D, ids: Tensor1D, weights: Tensor1D): Scalar {
  if (!hasKernel("CrossEntropy")) {
    return tf.tidy(() => {
      const right = tf.oneHot(ids, logits.shape[1]).toFloat();
      return tf.logSumExp(logits, 1).sub(logits.mul(right).sum(1)).mul(weights).sum().asScalar();
    });
  }
  const op = tf.customGrad((x, save) => {
    const [loss, logProbabilities] = runFused("CrossEntropy", { logits: x as Tensor, ids, weights }) as [
      Tensor,
      Tensor,
    ];
    (save as GradSaveFunc)([logProbabilities, ids, weights]);
    return {
      value: loss,
      gradFunc: (dy: Tensor, [p, i, w]: Tensor[]) =>
        runFused("CrossEntropyGrad", { dy, logProbabilities: p, ids: i, weights: w })[0]!,
    };
  });
  return op(logits).asScalar();
}
