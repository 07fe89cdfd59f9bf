import { tf } from "../engine/tf";

/**
 * Rows of a matrix. The gradient is a sum by row; engines without that kernel (tfjs wasm) multiply by a one-hot matrix.
 *
 * @param x float32[W, D]
 * @param rows int32[n]
 * @returns float32[n, D]
 */
export function gatherRows(x: tf.Tensor2D, rows: tf.Tensor1D): tf.Tensor2D {
  const op = tf.customGrad((matrix, save) => {
    (save as tf.GradSaveFunc)([rows]);
    return {
      value: tf.gather(matrix as tf.Tensor2D, rows),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => {
        const [count, at] = [x.shape[0], saved as tf.Tensor1D];
        if (tf.getKernel("UnsortedSegmentSum", tf.getBackend()) !== undefined)
          return tf.unsortedSegmentSum(dy, at, count);
        return tf.matMul(tf.oneHot(at, count).toFloat() as tf.Tensor2D, dy as tf.Tensor2D, true, false);
      },
    };
  });
  return op(x) as tf.Tensor2D;
}
