import type { Scalar, Tensor } from "@tensorflow/tfjs-core";
import { tf } from "../tf";
import { hasKernel, runFused } from "./fused";

/** Σ x² over everything, for norms; it has no gradient. On ort-cpu one recorded operation that keeps no squares. */
export function sumSquares(x: Tensor): Scalar {
  if (!hasKernel("SumSquares")) return tf.tidy(() => x.square().sum().asScalar());
  // a reduction over no axes would leave the number as it is
  return runFused("SumSquares", { x: x.rank === 0 ? x.reshape([1]) : x })[0]!.asScalar();
}
