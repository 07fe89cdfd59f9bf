import type { GradSaveFunc, Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import { hasKernel, runFused, tf } from "../tf";

/** The other half of each head, times the sine. */
function crossTerm(x: Tensor, sin: Tensor): Tensor {
  const [first, second] = tf.split(x, 2, -1) as [Tensor, Tensor];
  return tf.concat([second, first], -1).mul(sin);
}

function turn(x: Tensor, cos: Tensor, sin: Tensor, back: boolean): Tensor {
  if (hasKernel("Rotary")) return runFused("Rotary", { x, cos, sin }, { back })[0]!;
  const [straight, cross] = [x.mul(cos), crossTerm(x, sin)];
  return back ? straight.sub(cross) : straight.add(cross);
}

/**
 * Rotary positions (Su et al. 2021) in the half-split form: element i of a head is paired with i + K/2. On ort-cpu one
 * traced operation forward and one backward.
 *
 * @param x [B, L, H, K]
 * @param cos [1 or B, L, 1, K], both halves alike; a constant
 * @param sin like `cos`, negated in the first half
 */
export function rotary(x: Tensor, cos: Tensor4D, sin: Tensor4D): Tensor {
  const op = tf.customGrad((input, save) => {
    (save as GradSaveFunc)([cos, sin]);
    return {
      value: turn(input as Tensor, cos, sin, false),
      // the transpose of a rotation turns back
      gradFunc: (dy: Tensor, [c, s]: Tensor[]) => turn(dy, c!, s!, true),
    };
  });
  return op(x);
}
