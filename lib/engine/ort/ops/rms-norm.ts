import type { GradSaveFunc, Tensor } from "@tensorflow/tfjs-core";
import { hasKernel, runFused, tf } from "../tf";

/**
 * RMSNorm over the last axis (Zhang and Sennrich 2019): x / √(mean x² + eps) · gamma.
 *
 * On ort-cpu one traced operation forward and one backward.
 *
 * @param x [..., D]
 * @param gamma [D], or undefined for 1
 */
export function rmsNorm(x: Tensor, gamma: Tensor | undefined, eps: number): Tensor {
  if (!hasKernel("RmsNorm")) {
    return tf.tidy(() => {
      const hat = x.mul(x.square().mean(-1, true).add(eps).rsqrt());
      return gamma === undefined ? hat : hat.mul(gamma);
    });
  }
  const op = tf.customGrad((...args) => {
    const save = args.pop() as GradSaveFunc;
    const [input, weight] = args as Tensor[];
    const [y, inverse] = runFused("RmsNorm", { x: input, gamma: weight }, { eps }) as [Tensor, Tensor];
    save([input!, inverse, ...(weight === undefined ? [] : [weight])]);
    const gradFunc = (dy: Tensor, [s, r, w]: Tensor[]): Tensor[] =>
      runFused("RmsNormGrad", { dy, x: s, inverse: r, gamma: w });
    return { value: y, gradFunc };
  });
  return gamma === undefined ? op(x) : op(x, gamma);
}
