import type { GradSaveFunc, Tensor } from "@tensorflow/tfjs-core";
import { tf } from "../tf";
import { hasKernel, runFused } from "./fused";

/** SiLU(gate) · up, the gated unit of Qwen2's MLP (Shazeer 2020), of any shape; on ort-cpu one recorded operation forward and one backward. */
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
