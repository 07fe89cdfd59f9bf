import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import { hasKernel, runFused, tf } from "../tf";

/** Zeros around the image so that a filter of an odd side keeps its size at stride 1. */
export const halo = (side: number): number => (side - 1) / 2;

/**
 * Convolution with (side - 1) / 2 pixels of zeros around. Images are planes, which is how ONNX Runtime works: a chain
 * of convolutions moves no axes, and what belongs to a channel applies to long rows.
 *
 * @param x [n, C, Y, X]
 * @param filter [D, C, side, side], an odd side
 * @param bias [D]
 * @returns [n, D, Y / stride, X / stride], rounded up
 */
export function planeConv(x: Tensor4D, filter: Tensor4D, bias: Tensor | undefined, stride = 1): Tensor4D {
  if (hasKernel("PlaneConv")) return runFused("PlaneConv", { x, filter, bias }, { stride })[0] as Tensor4D;
  return tf.tidy(() => {
    const y = tf.conv2d(
      x.transpose([0, 2, 3, 1]) as Tensor4D,
      filter.transpose([2, 3, 1, 0]) as Tensor4D,
      stride,
      halo(filter.shape[2]),
    );
    return (bias === undefined ? y : y.add(bias)).transpose([0, 3, 1, 2]) as Tensor4D;
  });
}
