import { expectShape } from "../core/shapes";
import { tf } from "../engine/tf";
import { phi } from "./positions";

/**
 * Features of the object proposals: the mean of the patches inside each box, zero where there are none.
 *
 * @param patches float32[B, V*N, D] patch features, all views in one row
 * @param weights float32[B, O, V*N] share of each patch in each object's mean
 * @returns float32[B, O, D]
 */
export function objectFeatures(patches: tf.Tensor3D, weights: tf.Tensor3D): tf.Tensor3D {
  const sizes = expectShape("objectFeatures", "patches", patches.shape, "B N D");
  expectShape("objectFeatures", "weights", weights.shape, "B O N", { B: sizes.B!, N: sizes.N! });
  return tf.matMul(weights, patches);
}

/** φ of the box centres: float32[B, O, 3] voxel coordinates → float32[B, O, D]. */
export function boxPositions(voxels: tf.Tensor3D, D: number): tf.Tensor3D {
  return phi(voxels, D) as tf.Tensor3D;
}
