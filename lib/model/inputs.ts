import type { tf } from "../engine/tf";

/**
 * What one forward pass of the model reads. Everything without a gradient (geometry, ids, masks) is prepared
 * beforehand, so that the same model serves files, caches and reference fixtures.
 *
 * The language model's sequence of a scene is
 * `before | image tokens | after | text of sentence 0 | … | text of sentence Q-1`, P + Q*T tokens, where P counts the
 * first three parts. Each sentence attends to the whole prefix and causally to itself, never to another sentence, and
 * its rotary positions go on from P: the same numbers as Q separate sequences, one encoding of the views.
 */
export interface ModelInputs {
  /** float32[B, V, S, S, 3] in [-1, 1]; needed unless `features` is given. */
  readonly pixels?: tf.Tensor5D;
  /** float32[B, V, N, C] cached output of the (frozen) vision tower. */
  readonly features?: tf.Tensor4D;
  /**
   * float32[B, V, N, 3] voxel coordinates of each patch (whole numbers), or of each pooled token when φ is added after
   * pooling.
   */
  readonly patchVoxels: tf.Tensor4D;
  /** float32[B, V, N] 1 where the patch has measured depth, else 0: no φ there. */
  readonly patchKnown: tf.Tensor3D;
  /** float32[B, V, M, 3] unit ray directions in the world at each pooled token; zero where unknown. */
  readonly rays: tf.Tensor4D;
  /** float32[B, O, V*N] weights of the patches that make an object's feature (rows sum to 1, or are all zero). */
  readonly objectPatches: tf.Tensor3D;
  /** float32[B, O, 3] voxel coordinates of the box centres. */
  readonly objectVoxels: tf.Tensor3D;
  /** float32[B, O] 1 for a proposal, 0 for padding. */
  readonly objectMask: tf.Tensor2D;
  /** Token ids in front of and behind the image, the same for every scene of the batch. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** int32[B, Q, T] ids of each sentence's own part, padded on the right. */
  readonly text: tf.Tensor3D;
  /** int32[B*Q] position of <ground> of each sentence, as a row of the sequence flattened to [B*(P+Q*T), D]. */
  readonly groundRows: tf.Tensor1D;
  /**
   * Views that the reconstruction branch looks at: int32[S, v] rows of the views flattened to [B*V], v neighbouring
   * views of each of S scenes, the first one being the anchor view. Absent: no branch in this pass.
   */
  readonly reconRows?: tf.Tensor2D;
  /** int32[S, v] row of the image-index table of each of those views (0 for the first). */
  readonly reconImageIds?: tf.Tensor2D;
}

/** What the losses compare with; prepared with the inputs. */
export interface Targets {
  /** float32[B, Q, O+1] 1 for a right answer; the last column is "no object". */
  readonly positives: tf.Tensor3D;
  /** float32[B, Q] 1 for a sentence, 0 for padding. */
  readonly sentenceMask: tf.Tensor2D;
  /** Supervised tokens: row (flattened as groundRows) whose state predicts them, id, and weight (weights sum to 1). */
  readonly labelRows: tf.Tensor1D;
  readonly labelIds: tf.Tensor1D;
  readonly labelWeights: tf.Tensor1D;
  /**
   * Anchor nouns (training only), A of them: int32 row of the noun (flattened as groundRows), int32 scene b, int32 box
   * as b*O + o, float32 weight (0 pads).
   */
  readonly anchorRows?: tf.Tensor1D;
  readonly anchorScenes?: tf.Tensor1D;
  readonly anchorObjects?: tf.Tensor1D;
  readonly anchorWeights?: tf.Tensor1D;
  /** int32[A] row of the noun among the sentences' own tokens, flattened to [B*Q*T]. */
  readonly anchorTextRows?: tf.Tensor1D;
  /** float32[A, P] 1 where a token of the prefix shows the anchor (a pooled token with one of its patches). */
  readonly anchorTokens?: tf.Tensor2D;
  /** float32[S, v, Y, X, 3] pointmaps of the scenes and views the reconstruction loss looks at, metres, and masks. */
  readonly localPoints?: tf.Tensor5D;
  readonly globalPoints?: tf.Tensor5D;
  readonly validPoints?: tf.Tensor4D;
  /** 0 until the reconstruction loss begins, then 1; absent where it counts from the start. */
  readonly reconBegun?: tf.Scalar;
}
