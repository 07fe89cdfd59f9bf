import { type AttentionForm, MASKED, tf } from "../engine/tf";
import { constant } from "./constants";

/** @param q queries times the scale: they are fewer numbers than the scores */
function scores(q: tf.Tensor, k: tf.Tensor, bias: tf.Tensor | undefined): tf.Tensor {
  const s = tf.matMul(q, k, false, true);
  return bias === undefined ? s : s.add(bias);
}

/** The weights that `attention` uses, for maps; float32[..., T, S]. */
export function attentionWeights(q: tf.Tensor, k: tf.Tensor, { scale, bias, causal }: AttentionForm): tf.Tensor {
  return tf.softmax(
    scores(q.mul(scale), k, causal === true ? causalBias(k.shape.at(-2)!, q.shape.at(-2)! / k.shape.at(-2)!) : bias),
  );
}

export interface SharedPrefix {
  /** float32[B, H, Q, R, K]: H key heads, R rows a sentence (tokens times the group's query heads). */
  readonly queries: tf.Tensor;
  /** float32[B, H, P, K] */
  readonly prefixKeys: tf.Tensor;
  readonly prefixValues: tf.Tensor;
  /** float32[B, H, Q, T, K] */
  readonly ownKeys: tf.Tensor;
  readonly ownValues: tf.Tensor;
  /** float32[B, 1, 1, 1, P] added to the scores of the prefix; a constant. */
  readonly prefixBias?: tf.Tensor | undefined;
}

/** wᵀ x through the transpose of the narrower operand, which engines turn sooner: float32[B, H, P, K]. */
const acrossRows = (w: tf.Tensor, x: tf.Tensor): tf.Tensor => tf.matMul(x, w, true, false).transpose([0, 1, 3, 2]);

/** @param parts queries times the scale */
function jointWeights(parts: SharedPrefix, bias: tf.Tensor | undefined): tf.Tensor {
  const { queries, prefixKeys, ownKeys, prefixBias } = parts;
  const [B, H, Q, R] = queries.shape as [number, number, number, number];
  const K = queries.shape[4]!;
  const P = prefixKeys.shape[2]!;
  const cross = tf.matMul(queries.reshape([B, H, Q * R, K]), prefixKeys, false, true).reshape([B, H, Q, R, P]);
  const toPrefix = prefixBias === undefined ? cross : cross.add(prefixBias);
  return tf.softmax(tf.concat([toPrefix, scores(queries, ownKeys, bias)], 4));
}

/**
 * Attention of sentences that share a prefix: each row sees the whole prefix and, as `bias` allows, its own sentence;
 * one softmax over both. Equal to attention over Q separate sequences.
 *
 * @param options bias float32[R, T], or of a shape that broadcasts to [B, H, Q, R, T], is added to the sentence's own
 *   scores
 * @returns float32[B, H, Q, R, K]
 */
export function attendSharedPrefix(parts: SharedPrefix, options: AttentionForm): tf.Tensor {
  const { queries, prefixKeys, prefixValues, ownKeys, ownValues, prefixBias } = parts;
  const [B, H, Q, R, K] = queries.shape as [number, number, number, number, number];
  const P = prefixKeys.shape[2]!;
  const T = ownKeys.shape[3]!;
  const flat = [B, H, Q * R, K];
  const op = tf.customGrad((q0, kp0, vp0, ko0, vo0, save) => {
    const [q, kp, vp, ko, vo] = [q0, kp0, vp0, ko0, vo0] as tf.Tensor[];
    const scaled = q!.mul(options.scale);
    const weights = jointWeights(
      { queries: scaled, prefixKeys: kp!, prefixValues: vp!, ownKeys: ko!, ownValues: vo!, prefixBias },
      options.bias,
    );
    const [ap, ao] = tf.split(weights, [P, T], 4) as [tf.Tensor, tf.Tensor];
    const ap_flat = ap.reshape([B, H, Q * R, P]);
    const out = tf.matMul(ap_flat, vp!).reshape(queries.shape).add(tf.matMul(ao, vo!));
    (save as tf.GradSaveFunc)([scaled, kp!, vp!, ko!, vo!, ap_flat, ao, out]);
    return {
      value: out,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [qs, kps, vps, kos, vos, aps, aos, o] = saved as [
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
        ];
        const d = dy.mul(o).sum(-1, true);
        const dy_flat = dy.reshape(flat);
        const q_flat = qs.reshape(flat);
        const dsp = tf
          .matMul(dy_flat, vps, false, true)
          .sub(d.reshape([B, H, Q * R, 1]))
          .mul(aps);
        const dso = tf.matMul(dy, vos, false, true).sub(d).mul(aos);
        const dq = tf.matMul(dsp, kps).reshape(qs.shape).add(tf.matMul(dso, kos));
        return [
          dq.mul(options.scale),
          acrossRows(dsp, q_flat),
          acrossRows(aps, dy_flat),
          tf.matMul(dso, qs, true, false),
          tf.matMul(aos, dy, true, false),
        ];
      },
    };
  });
  return op(queries, prefixKeys, prefixValues, ownKeys, ownValues);
}

/** `attendSharedPrefix` that also gives its weights, float32[B, H, Q, R, P+T], through which gradients flow too. */
export function attendSharedPrefixOpenly(
  parts: SharedPrefix,
  options: AttentionForm,
): { readonly mixed: tf.Tensor; readonly weights: tf.Tensor } {
  const { queries, prefixValues, ownValues } = parts;
  const [B, H, Q, R] = queries.shape as [number, number, number, number, number];
  const [P, T] = [prefixValues.shape[2]!, ownValues.shape[3]!];
  const weights = jointWeights({ ...parts, queries: queries.mul(options.scale) }, options.bias);
  const [prefix, own] = tf.split(weights, [P, T], 4) as [tf.Tensor, tf.Tensor];
  const mixed = tf
    .matMul(prefix.reshape([B, H, Q * R, P]), prefixValues)
    .reshape(queries.shape)
    .add(tf.matMul(own, ownValues));
  return { mixed, weights };
}

/** float32[T*G, T] MASKED where a later token would be seen; G rows a token, one a query head of a group. */
export function causalBias(T: number, groups = 1): tf.Tensor2D {
  return constant(`causal/${groups}/${T}`, () => {
    const bias = new Float32Array(T * groups * T);
    for (let row = 0; row < T * groups; row++) bias.fill(MASKED, row * T + Math.floor(row / groups) + 1, (row + 1) * T);
    return tf.tensor2d(bias, [T * groups, T]);
  });
}
