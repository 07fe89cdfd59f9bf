import type { KernelBackend, Tensor } from "@tensorflow/tfjs-core";
import { tf } from "./tf";

/** An engine that can keep numbers in 16 bits. */
export interface KeepsHalf {
  keepHalf(dataId: object): boolean;
}

/**
 * Keeps a tensor's numbers in half precision on the device from here on, for weights that are not trained: half the
 * memory, and matrix products take them without rounding anew. Reading gives the rounded numbers.
 *
 * @returns false where the engine computes in single precision; the tensor is then as it was
 */
export function keepHalf(tensor: Tensor): boolean {
  const backend = tf.backend() as KernelBackend & Partial<KeepsHalf>;
  return tensor.dtype === "float32" && backend.keepHalf !== undefined && backend.keepHalf(tensor.dataId);
}
