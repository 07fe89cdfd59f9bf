import type { GradSaveFunc, Tensor } from "@tensorflow/tfjs-core";
import { hasKernel, runFused, tf } from "../tf";

/** Added to scores that must get no weight; finite, so that a row without any allowed key stays finite. */
export const MASKED = -1e9;

export interface AttentionForm {
  /** Factor on the scores. */
  readonly scale: number;
  /** Added to the scores; broadcasts to them. A constant: it gets no gradient. Not together with `causal`. */
  readonly bias?: Tensor;
  /** Row r of the queries sees keys up to floor(r · S / T): T/S rows belong to each token. */
  readonly causal?: boolean;
}

/**
 * float32[T, S] MASKED where a row of the queries would see a later key; T/S rows a token. Made on the engine: for long
 * sequences it is large.
 */
export function causalMask(T: number, S: number): Tensor {
  const tokens = tf
    .range(0, T, 1, "int32")
    .floorDiv(tf.scalar(T / S, "int32"))
    .reshape([T, 1]);
  return tf.range(0, S, 1, "int32").greater(tokens).toFloat().mul(MASKED);
}

function plain(q: Tensor, k: Tensor, v: Tensor, { scale, bias, causal }: AttentionForm): Tensor {
  const [T, S] = [q.shape.at(-2)!, k.shape.at(-2)!];
  const added = causal === true ? causalMask(T, S) : bias;
  const scores = tf.matMul(q.mul(scale), k, false, true);
  return tf.matMul(tf.softmax(added === undefined ? scores : scores.add(added)), v);
}

/**
 * softmax(q kᵀ · scale + bias) v (Vaswani et al. 2017, equation 1).
 *
 * On ort-cpu one traced operation forward and one backward; causal attention computes blocks of rows with the keys up
 * to the block's end, about half of all products for long sequences.
 *
 * @param q float32[..., T, K]
 * @param k float32[..., S, K]; T a multiple of S when causal
 * @param v float32[..., S, K]
 * @returns float32[..., T, K]
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, form: AttentionForm): Tensor {
  const { scale, bias, causal } = form;
  if (causal === true && bias !== undefined) throw new Error("attention: causal attention takes no bias");
  const [T, S] = [q.shape.at(-2)!, k.shape.at(-2)!];
  if (causal === true && T % S !== 0)
    throw new Error(
      `attention: causal attention needs the same number of query rows for each key, got ${T} rows for ${S} keys`,
    );
  if (!hasKernel("Attention")) return tf.tidy(() => plain(q, k, v, form));
  const op = tf.customGrad((...given) => {
    const save = given.pop() as GradSaveFunc;
    const [q0, k0, v0] = given as [Tensor, Tensor, Tensor];
    const [out, ...weights] = runFused(
      "Attention",
      { q: q0, k: k0, v: v0, bias },
      { scale, causal: causal === true },
    ) as [Tensor, ...Tensor[]];
    save([q0, k0, v0, out, ...weights]);
    return {
      value: out,
      gradFunc: (dy: Tensor, [qs, ks, vs, o, ...ws]: Tensor[]) =>
        runFused(
          "AttentionGrad",
          { dy, q: qs, k: ks, v: vs, out: o, ...Object.fromEntries(ws.map((w, i) => [`weights${i}`, w])) },
          { scale, causal: causal === true },
        ),
    };
  });
  return op(q, k, v);
}
