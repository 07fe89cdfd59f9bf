import { expectShape } from "../../core/shapes";
import { MASKED, tf } from "../../engine/tf";
import { constant } from "../../nn/constants";

/** Σ w·x / max(Σ w, floor): 0 when nothing counts. */
function weightedMean(x: tf.Tensor, weights: tf.Tensor): tf.Scalar {
  return x.mul(weights).sum().div(weights.sum().maximum(1e-8)).asScalar();
}

/** -log(Σ positives e^s / Σ candidates e^s) of each row, both sums taken over the last axis. */
function negativeLogShare(logits: tf.Tensor, positives: tf.Tensor, candidates: tf.Tensor): tf.Tensor {
  const out = candidates.sub(1).mul(-MASKED);
  const all = logits.add(out);
  const right = all.add(positives.sub(1).mul(-MASKED));
  return tf.logSumExp(all, -1).sub(tf.logSumExp(right, -1));
}

/**
 * L_ground = InfoNCE over the proposals and "no object": -log(Σ₊ e^(s/τ) / Σ e^(s/τ)), mean over the sentences.
 *
 * @param scores float32[B, Q, O+1] cosines, last column "no object"
 * @param positives float32[B, Q, O+1] 1 for a right answer; a row without any means "no object"
 * @param objectMask float32[B, O] 1 for a proposal, 0 for padding
 * @param sentenceMask float32[B, Q] 1 for a sentence, 0 for padding
 * @returns scalar; 0 when there is no sentence
 */
export function groundingLoss(
  scores: tf.Tensor3D,
  positives: tf.Tensor3D,
  objectMask: tf.Tensor2D,
  sentenceMask: tf.Tensor2D,
  temperature: number,
): tf.Scalar {
  const sizes = expectShape("groundingLoss", "scores", scores.shape, "B Q J");
  expectShape("groundingLoss", "positives", positives.shape, "B Q J", sizes);
  expectShape("groundingLoss", "objectMask", objectMask.shape, "B O", { B: sizes.B!, O: sizes.J! - 1 });
  expectShape("groundingLoss", "sentenceMask", sentenceMask.shape, "B Q", sizes);
  return tf.tidy(() => {
    const [B, , J] = scores.shape;
    const none = constant(`ground/none/${J}`, () => tf.tensor3d(new Float32Array(J).fill(1, J - 1), [1, 1, J]));
    const empty = tf.sub(1, positives.max(-1, true));
    const right = positives.add(empty.mul(none));
    const candidates = objectMask
      .pad(
        [
          [0, 0],
          [0, 1],
        ],
        1,
      )
      .reshape([B, 1, J]);
    return weightedMean(negativeLogShare(scores.div(temperature), right, candidates), sentenceMask);
  });
}

/**
 * The "mlp" head's loss: binary cross-entropy on dot products, right answers weighted by (N - P) / P, mean over the
 * objects and then over the sentences.
 *
 * @param scores float32[B, Q, O]
 * @param positives float32[B, Q, O] or [B, Q, O+1]; a "no object" column is ignored
 */
export function groundingBce(
  scores: tf.Tensor3D,
  positives: tf.Tensor3D,
  objectMask: tf.Tensor2D,
  sentenceMask: tf.Tensor2D,
): tf.Scalar {
  const sizes = expectShape("groundingBce", "scores", scores.shape, "B Q O");
  const { B, Q, O } = sizes as { B: number; Q: number; O: number };
  const right = positives.shape[2] === O + 1 ? positives.slice([0, 0, 0], [B, Q, O]) : positives;
  expectShape("groundingBce", "positives", right.shape, "B Q O", sizes);
  expectShape("groundingBce", "objectMask", objectMask.shape, "B O", sizes);
  expectShape("groundingBce", "sentenceMask", sentenceMask.shape, "B Q", sizes);
  return tf.tidy(() => {
    const mask = objectMask.reshape([B, 1, O]);
    const count = mask.sum(-1, true);
    const hits = right.sum(-1, true);
    const weight = tf.add(1, right.mul(count.sub(hits).div(hits.maximum(1)).sub(1)));
    // log(1 + e^s) - y s, in the form that does not overflow
    const entropy = scores.relu().sub(scores.mul(right)).add(scores.abs().neg().exp().add(1).log());
    const each = entropy
      .mul(weight)
      .mul(mask)
      .sum(-1)
      .div(count.squeeze([2]).maximum(1));
    return weightedMean(each, sentenceMask);
  });
}

/**
 * Anchor grounding (not in the paper, training only): the state of each anchor noun must pick the anchor's box among
 * the boxes of its scene, known by position only.
 *
 * @param scores float32[A, B*O] cosines, from `anchorScores`
 * @param objectMask float32[B, O]
 * @param scenes int32[A] scene of the noun
 * @param objects int32[A] the anchor's box, as scene * O + box
 * @param weights float32[A] 0 for padding
 */
export function anchorLoss(
  scores: tf.Tensor2D,
  objectMask: tf.Tensor2D,
  scenes: tf.Tensor1D,
  objects: tf.Tensor1D,
  weights: tf.Tensor1D,
  temperature: number,
): tf.Scalar {
  const { B, O } = expectShape("anchorLoss", "objectMask", objectMask.shape, "B O") as { B: number; O: number };
  const sizes = expectShape("anchorLoss", "scores", scores.shape, "A J", { J: B * O });
  for (const [name, tensor] of Object.entries({ scenes, objects, weights })) {
    expectShape("anchorLoss", name, tensor.shape, "A", { A: sizes.A! });
  }
  return tf.tidy(() => {
    const own = constant(`anchor/${B}/${O}`, () => {
      const table = new Float32Array(B * B * O);
      for (let b = 0; b < B; b++) table.fill(1, (b * B + b) * O, (b * B + b + 1) * O);
      return tf.tensor2d(table, [B, B * O]);
    });
    const candidates = tf.gather(own, scenes).mul(objectMask.reshape([1, B * O]));
    const right = tf.oneHot(objects, B * O).toFloat();
    return weightedMean(negativeLogShare(scores.div(temperature), right, candidates), weights);
  });
}

/**
 * Anchor attention (not in the paper, training only): an anchor noun's attention should fall on the image tokens that
 * show the anchor, -ln of the share that does.
 *
 * @param attention float32[A, P+T] the nouns' attention over prefix and own sentence; rows sum to 1
 * @param tokens float32[A, P] 1 where a prefix token shows the anchor; a row without any counts as padding
 * @param weights float32[A] 0 for padding
 */
export function anchorAttentionLoss(attention: tf.Tensor2D, tokens: tf.Tensor2D, weights: tf.Tensor1D): tf.Scalar {
  const { A, P } = expectShape("anchorAttentionLoss", "tokens", tokens.shape, "A P") as { A: number; P: number };
  expectShape("anchorAttentionLoss", "attention", attention.shape, "A S", { A });
  expectShape("anchorAttentionLoss", "weights", weights.shape, "A", { A });
  return tf.tidy(() => {
    const share = attention.slice([0, 0], [A, P]).mul(tokens).sum(1).add(1e-6);
    return weightedMean(share.log().neg(), weights.mul(tokens.max(1)));
  });
}
