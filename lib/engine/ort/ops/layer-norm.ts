import type { GradSaveFunc, Tensor } from "@tensorflow/tfjs-core";
import { hasKernel, runFused, tf } from "../tf";

function plain(x: Tensor, gamma: Tensor | undefined, beta: Tensor | undefined, eps: number): Tensor {
  return tf.tidy(() => {
    const centred = x.sub(x.mean(-1, true));
    const hat = centred.mul(centred.square().mean(-1, true).add(eps).rsqrt());
    const scaled = gamma === undefined ? hat : hat.mul(gamma);
    return beta === undefined ? scaled : scaled.add(beta);
  });
}

/**
 * LayerNorm over the last axis (Ba et al. 2016): (x − mean) / √(variance + eps) · gamma + beta.
 *
 * On ort-cpu one traced operation forward and one backward.
 *
 * @param x [..., D]
 * @param gamma [D], or undefined for 1
 * @param beta [D]; needs a gamma
 */
export function layerNorm(x: Tensor, gamma: Tensor | undefined, beta: Tensor | undefined, eps: number): Tensor {
  if (!hasKernel("LayerNorm") || (beta === undefined) !== (gamma === undefined)) return plain(x, gamma, beta, eps);
  const op = tf.customGrad((...args) => {
    const save = args.pop() as GradSaveFunc;
    const [input, weight, shift] = args as Tensor[];
    const [y, mean, inverse] = runFused("LayerNorm", { x: input, gamma: weight, beta: shift }, { eps }) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    save([input!, mean, inverse, ...(weight === undefined ? [] : [weight])]);
    const gradFunc = (dy: Tensor, [s, m, r, w]: Tensor[]): Tensor[] =>
      runFused("LayerNormGrad", { dy, x: s, mean: m, inverse: r, gamma: w });
    return { value: y, gradFunc };
  });
  return gamma === undefined ? op(x) : op(x, gamma, beta!);
}
