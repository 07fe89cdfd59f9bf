import type * as tfTypes from "@tensorflow/tfjs-core";
import { gelu as fusedGelu } from "../engine/ops/gelu";

/** GELU in its exact form, x Φ(x): projector, view attention and reconstruction decoder. */
export function gelu(x: tfTypes.Tensor): tfTypes.Tensor {
  return fusedGelu(x, "exact");
}

/** GELU in its tanh form: SigLIP. */
export function geluTanh(x: tfTypes.Tensor): tfTypes.Tensor {
  return fusedGelu(x, "tanh");
}
