import type { GradSaveFunc, Tensor } from "@tensorflow/tfjs-core";
import { hasKernel, runFused, tf } from "../tf";

/** x Φ(x), or its approximation by tanh. */
export type GeluForm = "exact" | "tanh";

function plain(x: Tensor, form: GeluForm): Tensor {
  return tf.tidy(() => {
    if (form === "exact") return x.mul(x.mul(Math.SQRT1_2).erf().add(1)).mul(0.5);
    const c = Math.sqrt(2 / Math.PI);
    return x
      .mul(
        x
          .mul(
            x
              .square()
              .mul(0.044715 * c)
              .add(c),
          )
          .tanh()
          .add(1),
      )
      .mul(0.5);
  });
}

/** GELU (Hendrycks and Gimpel 2016) of any shape; on ort-cpu one traced operation forward and one backward. */
export function gelu(x: Tensor, form: GeluForm): Tensor {
  if (!hasKernel("Gelu")) return plain(x, form);
  const op = tf.customGrad((input, save) => {
    const v = input as Tensor;
    (save as GradSaveFunc)([v]);
    return {
      value: runFused("Gelu", { x: v }, { form })[0]!,
      gradFunc: (dy: Tensor, [s]: Tensor[]) => runFused("GeluGrad", { dy, x: s }, { form })[0]!,
    };
  });
  return op(x);
}

/**
 * SiLU(gate) · up, the gated unit of Qwen2's MLP (Shazeer 2020), of any shape; on ort-cpu one traced operation
 * forward and one backward.
 */
export function swiGlu(gate: Tensor, up: Tensor): Tensor {
  if (!hasKernel("SwiGlu")) return tf.tidy(() => gate.mul(gate.sigmoid()).mul(up));
  const op = tf.customGrad((g, u, save) => {
    const [y, silu] = runFused("SwiGlu", { gate: g as Tensor, up: u as Tensor }) as [Tensor, Tensor];
    (save as GradSaveFunc)([g as Tensor, u as Tensor, y, silu]);
    return {
      value: y,
      gradFunc: (dy: Tensor, [g0, u0, out, s]: Tensor[]) =>
        runFused("SwiGluGrad", { dy, gate: g0, up: u0, y: out, silu: s }),
    };
  });
  return op(gate, up);
}
