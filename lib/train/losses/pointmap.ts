import { expectShape } from "../../core/shapes";
import { tf } from "../../engine/tf";

/** Points and confidences of S scenes with V views. */
export interface Predicted {
  /** float32[S, V, Y, X, 3] */
  readonly points: tf.Tensor5D;
  /** float32[S, V, Y, X], positive */
  readonly confidence: tf.Tensor4D;
}

/** One average-distance factor for all views of a scene ("joint"), or one for each view. */
export type Scaling = "joint" | "each";

/** What the loss of each view is made of. */
export interface ViewTerms {
  /** float32[V] mean over the batch's valid pixels of C·e - α ln C; 0 for a view without any. */
  readonly confidence: tf.Tensor1D;
  /** float32[V] mean of the distance e alone. */
  readonly distance: tf.Tensor1D;
}

const FLOOR = 1e-8;

/**
 * Coordinates as planes, [S, V, 3, Y, X]: rows of a whole image are worked on much faster than rows of three numbers.
 */
function asPlanes(points: tf.Tensor5D): tf.Tensor5D {
  return points.transpose([0, 1, 4, 2, 3]) as tf.Tensor5D;
}

/** Length of each point of planes; the floor sits inside the root, whose slope at 0 is infinite. */
function lengths(planes: tf.Tensor): tf.Tensor {
  return planes.square().sum(2).add(1e-20).sqrt();
}

/** Planes divided by the mean distance of the valid points from the origin. */
function normalised(planes: tf.Tensor5D, valid: tf.Tensor4D, scaling: Scaling): tf.Tensor {
  const axes = scaling === "joint" ? [1, 2, 3] : [2, 3];
  const mean = lengths(planes).mul(valid).sum(axes, true).div(valid.sum(axes, true).maximum(FLOOR)).maximum(FLOOR);
  return planes.div(mean.expandDims(2));
}

/**
 * Confidence-weighted regression of pointmaps: with prediction and truth each divided by its own mean distance ẑ, z
 * over valid pixels (the gradient passes through ẑ), e = ‖X̂/ẑ - X/z‖ and C·e - α ln C, averaged over a view's valid
 * pixels.
 *
 * The paper's transcription has +α ln C; all code of this family has a minus, without which C would not grow.
 *
 * @param truth float32[S, V, Y, X, 3] in the frame of the prediction
 * @param valid float32[S, V, Y, X] 1 where depth was measured
 * @param scaling "joint" for global maps, "each" for local ones
 */
export function pointmapTerms(
  predicted: Predicted,
  truth: tf.Tensor5D,
  valid: tf.Tensor4D,
  scaling: Scaling,
  alpha: number,
): ViewTerms {
  const sizes = expectShape("pointmapTerms", "points", predicted.points.shape, "S V Y X 3");
  expectShape("pointmapTerms", "confidence", predicted.confidence.shape, "S V Y X", sizes);
  expectShape("pointmapTerms", "truth", truth.shape, "S V Y X 3", sizes);
  expectShape("pointmapTerms", "valid", valid.shape, "S V Y X", sizes);
  return tf.tidy(() => {
    const e = lengths(
      normalised(asPlanes(predicted.points), valid, scaling).sub(normalised(asPlanes(truth), valid, scaling)),
    );
    const weighted = predicted.confidence.mul(e).sub(predicted.confidence.log().mul(alpha));
    const count = valid.sum([0, 2, 3]).maximum(1);
    const mean = (x: tf.Tensor): tf.Tensor1D => x.mul(valid).sum([0, 2, 3]).div(count);
    return { confidence: mean(weighted), distance: mean(e) };
  });
}

/** What a reconstruction is compared with; metres. */
export interface PointmapTargets {
  readonly valid: tf.Tensor4D;
  /** In the camera frame of the first view. */
  readonly global?: tf.Tensor5D;
  /** In each view's own camera frame. */
  readonly local?: tf.Tensor5D;
}

/**
 * L_recon = (Σ global views + Σ local views) / (V_G + V_L), global and local terms counted together as Fast3R does.
 *
 * @returns scalar; 0 when no pixel is valid
 */
export function reconstructionLoss(
  predicted: { readonly global?: Predicted; readonly local?: Predicted },
  targets: PointmapTargets,
  alpha: number,
): tf.Scalar {
  return tf.tidy(() => {
    const terms: tf.Tensor1D[] = [];
    for (const [name, scaling] of [
      ["global", "joint"],
      ["local", "each"],
    ] as const) {
      const map = predicted[name];
      if (map === undefined) continue;
      const truth = targets[name];
      if (truth === undefined)
        throw new Error(`reconstructionLoss: a ${name} pointmap is predicted, but targets.${name} is missing`);
      terms.push(pointmapTerms(map, truth, targets.valid, scaling, alpha).confidence);
    }
    if (terms.length === 0) throw new Error("reconstructionLoss: no pointmap is predicted");
    return tf.concat(terms).mean().asScalar();
  });
}
