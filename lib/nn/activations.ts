import { fusedGelu, type tf } from "../engine/tf";

/** GELU in its exact form, x Φ(x): projector, view attention and reconstruction decoder. */
export function gelu(x: tf.Tensor): tf.Tensor {
  return fusedGelu(x, "exact");
}

/** GELU in its tanh form: SigLIP. */
export function geluTanh(x: tf.Tensor): tf.Tensor {
  return fusedGelu(x, "tanh");
}
