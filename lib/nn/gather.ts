import type * as tfTypes from "@tensorflow/tfjs-core";
import { tf } from "../engine/tf";

/**
 * Rows of a matrix. The gradient is a sum by row; engines without that kernel (tfjs wasm) multiply by a one-hot matrix.
 *
 * @param x float32[W, D]
 * @param rows int32[n]
 * @returns float32[n, D]
 */
export function gatherRows(x: tfTypes.Tensor2D, rows: tfTypes.Tensor1D): tfTypes.Tensor2D {
  const op = tf.customGrad((matrix, save) => {
    (save as tfTypes.GradSaveFunc)([rows]);
    return {
      value: tf.gather(matrix as tfTypes.Tensor2D, rows),
      gradFunc: (dy: tfTypes.Tensor, [saved]: tfTypes.Tensor[]) => {
        const [count, at] = [x.shape[0], saved as tfTypes.Tensor1D];
        if (tf.getKernel("UnsortedSegmentSum", tf.getBackend()) !== undefined) return tf.unsortedSegmentSum(dy, at, count);
        return tf.matMul(tf.oneHot(at, count).toFloat() as tfTypes.Tensor2D, dy as tfTypes.Tensor2D, true, false);
      },
    };
  });
  return op(x) as tfTypes.Tensor2D;
}
