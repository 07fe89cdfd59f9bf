import type * as tfTypes from "@tensorflow/tfjs-core";
import { tf } from "../engine/tf";

/** GELU in its exact form, x Φ(x): projector, view attention and reconstruction decoder. */
export function gelu(x: tfTypes.Tensor): tfTypes.Tensor {
  const op = tf.customGrad((input, save) => {
    const v = input as tfTypes.Tensor;
    const cdf = v.mul(Math.SQRT1_2).erf().add(1).mul(0.5);
    (save as tfTypes.GradSaveFunc)([v, cdf]);
    return {
      value: v.mul(cdf),
      gradFunc: (dy: tfTypes.Tensor, [s, c]: tfTypes.Tensor[]) =>
        dy.mul(s!.square().mul(-0.5).exp().mul(s!).mul(1 / Math.sqrt(2 * Math.PI)).add(c!)),
    };
  });
  return op(x);
}

/** GELU in its tanh form: SigLIP. */
export function geluTanh(x: tfTypes.Tensor): tfTypes.Tensor {
  const c = Math.sqrt(2 / Math.PI);
  const op = tf.customGrad((input, save) => {
    const v = input as tfTypes.Tensor;
    const t = v.mul(v.square().mul(0.044715 * c).add(c)).tanh();
    (save as tfTypes.GradSaveFunc)([v, t]);
    return {
      value: v.mul(t.add(1)).mul(0.5),
      gradFunc: (dy: tfTypes.Tensor, [s, h]: tfTypes.Tensor[]) => {
        const slope = s!.square().mul(3 * 0.044715 * c).add(c);
        const inner = h!.square().sub(1).mul(slope).mul(s!);
        return dy.mul(h!.add(1).sub(inner)).mul(0.5);
      },
    };
  });
  return op(x);
}

/** SiLU(gate) · up, the gated unit of Qwen2's MLP. */
export function swiGlu(gate: tfTypes.Tensor, up: tfTypes.Tensor): tfTypes.Tensor {
  const op = tf.customGrad((g, u, save) => {
    const s = (g as tfTypes.Tensor).sigmoid();
    const a = (g as tfTypes.Tensor).mul(s);
    (save as tfTypes.GradSaveFunc)([s, a, u as tfTypes.Tensor]);
    return {
      value: a.mul(u as tfTypes.Tensor),
      // silu' = s + silu (1 - s)
      gradFunc: (dy: tfTypes.Tensor, [sig, silu, other]: tfTypes.Tensor[]) => [
        dy.mul(other!).mul(sig!.add(silu!).sub(silu!.mul(sig!))),
        dy.mul(silu!),
      ],
    };
  });
  return op(gate, up);
}
