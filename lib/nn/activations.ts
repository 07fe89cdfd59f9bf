import type * as tfTypes from "@tensorflow/tfjs-core";
import { gelu as fusedGelu } from "../engine/ops/gelu";
import { tf } from "../engine/tf";

/** GELU in its exact form, x Φ(x): projector, view attention and reconstruction decoder. */
export function gelu(x: tfTypes.Tensor): tfTypes.Tensor {
  return fusedGelu(x, "exact");
}

/** GELU in its tanh form: SigLIP. */
export function geluTanh(x: tfTypes.Tensor): tfTypes.Tensor {
  return fusedGelu(x, "tanh");
}

/** SiLU(gate) · up, the gated unit of Qwen2's MLP. */
export function swiGlu(gate: tfTypes.Tensor, up: tfTypes.Tensor): tfTypes.Tensor {
  const op = tf.customGrad((g, u, save) => {
    const s = (g as tfTypes.Tensor).sigmoid();
    const a = (g as tfTypes.Tensor).mul(s);
    const y = a.mul(u as tfTypes.Tensor);
    (save as tfTypes.GradSaveFunc)([s, a, u as tfTypes.Tensor, y]);
    return {
      value: y,
      // silu' = s + silu (1 - s); times u that is s (u - y) + y
      gradFunc: (dy: tfTypes.Tensor, [sig, silu, other, out]: tfTypes.Tensor[]) => [
        other!.sub(out!).mul(sig!).add(out!).mul(dy),
        dy.mul(silu!),
      ],
    };
  });
  return op(gate, up);
}
