import { Rng } from "../../lib/core/rng";
import { tf } from "../../lib/engine/tf";
import { Scope } from "../../lib/nn/scope";
import { expectTensorClose, numericGrad } from "../setup/tensors";

export function random(shape: number[], seed = 1): tf.Tensor {
  const rng = new Rng(seed);
  return tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
    shape,
  );
}

export const scopeOf = (tensors: Record<string, tf.Tensor>, scale = 1): Scope =>
  new Scope(new Map(Object.entries(tensors)), { scale });

/** The gradient of sum(f · weights) against central differences of step 1e-2: float32 leaves about 1e-3 of noise. */
export function checkGradient(f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): void {
  const weights = random(f(x).shape, 9);
  const scalar = (y: tf.Tensor): tf.Tensor => f(y).mul(weights).sum();
  expectTensorClose(tf.grad(scalar)(x), numericGrad(scalar, x), { rtol: 5e-3, atol: 5e-3 });
}
