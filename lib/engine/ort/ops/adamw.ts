import type { Scalar, Tensor } from "@tensorflow/tfjs-core";
import { hasKernel, runFused, tf } from "../tf";

/** Numbers of one AdamW step, as tensors so that another value is no other program. */
export interface AdamWScalars {
  readonly lr: Scalar;
  readonly beta1: Scalar;
  readonly beta2: Scalar;
  readonly eps: Scalar;
  /** Decoupled decay; absent for parameters that do not decay. */
  readonly weightDecay?: Scalar;
  /** 1 − beta1^t at step t = 1, 2, … */
  readonly correction1: Scalar;
  /** 1 − beta2^t */
  readonly correction2: Scalar;
  /** Factor on the gradient, for clipping; 1 when absent. */
  readonly gradScale?: Scalar;
}

/**
 * One step of AdamW (Loshchilov and Hutter 2019, algorithm 2) for one parameter of any shape.
 *
 *   m' = β₁ m + (1 − β₁) g        v' = β₂ v + (1 − β₂) g²
 *   θ' = θ (1 − lr λ) − (lr / c₁) m' / (√(v' / c₂) + ε)
 *
 * A pure function; the caller assigns the results. On ort-cpu it is one traced operation.
 */
export function adamw(
  param: Tensor,
  grad: Tensor,
  m: Tensor,
  v: Tensor,
  scalars: AdamWScalars,
): [param: Tensor, m: Tensor, v: Tensor] {
  if (hasKernel("AdamW")) return runFused("AdamW", { param, grad, m, v, ...scalars }) as [Tensor, Tensor, Tensor];
  const { lr, beta1, beta2, eps, weightDecay, correction1, correction2, gradScale } = scalars;
  return tf.tidy(() => {
    const g = gradScale === undefined ? grad : grad.mul(gradScale);
    const m2 = m.mul(beta1).add(g.mul(tf.sub(1, beta1)));
    const v2 = v.mul(beta2).add(g.square().mul(tf.sub(1, beta2)));
    const step = m2.mul(lr.div(correction1)).div(v2.div(correction2).sqrt().add(eps));
    const kept = weightDecay === undefined ? param : param.mul(tf.sub(1, lr.mul(weightDecay)));
    return [kept.sub(step), m2, v2];
  });
}

/** Σ x² over everything, for norms; it has no gradient. On ort-cpu one traced operation that keeps no squares. */
export function sumSquares(x: Tensor): Scalar {
  if (!hasKernel("SumSquares")) return tf.tidy(() => x.square().sum().asScalar());
  // a reduction over no axes would leave the number as it is
  return runFused("SumSquares", { x: x.rank === 0 ? x.reshape([1]) : x })[0]!.asScalar();
}
