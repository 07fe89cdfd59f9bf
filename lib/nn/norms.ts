import type { ParameterSpec } from "../core/parameters";
import { fusedLayerNorm, fusedRmsNorm, type tf } from "../engine/tf";
import type { Scope } from "./scope";

/** LayerNorm over the last axis without weights. */
export function standardise(x: tf.Tensor, eps = 1e-5): tf.Tensor {
  return fusedLayerNorm(x, undefined, undefined, eps);
}

/** LayerNorm over the last axis, with `weight` and `bias` of the scope. */
export function layerNorm(p: Scope, x: tf.Tensor, eps: number): tf.Tensor {
  return fusedLayerNorm(x, p.get("weight"), p.get("bias"), eps);
}

/** x / rms(x) * weight over the last axis. */
export function rmsNorm(p: Scope, x: tf.Tensor, eps: number): tf.Tensor {
  return fusedRmsNorm(x, p.get("weight"), eps);
}

/** x / ‖x‖ over the last axis; the floor sits inside the root, so that a zero row has a finite gradient. */
export function unit(x: tf.Tensor): tf.Tensor {
  return x.mul(x.square().sum(-1, true).add(1e-12).rsqrt());
}

export function layerNormParameters(name: string, width: number): ParameterSpec[] {
  return [
    { name: `${name}.weight`, shape: [width], init: { kind: "ones" } },
    { name: `${name}.bias`, shape: [width], init: { kind: "zeros" } },
  ];
}
