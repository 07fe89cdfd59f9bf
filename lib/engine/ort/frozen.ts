import type { KernelBackend, Tensor } from "@tensorflow/tfjs-core";
import { tf } from "./tf";

/** An engine that can do better with numbers that never change. */
export interface Freezes {
  freeze(dataId: object): void;
}

/**
 * Tells the engine that a tensor's numbers stay as they are, for weights that are not trained. On ort-cpu small ones become part
 * of the programs that use them, where ONNX Runtime brings them into the form that it computes with, once. In half precision the
 * device keeps matrices rounded: half the memory, and products take them without rounding anew; reading gives the rounded numbers.
 * Assigning other numbers to a frozen variable is allowed: those are not frozen.
 */
export function freeze(tensor: Tensor): void {
  (tf.backend() as KernelBackend & Partial<Freezes>).freeze?.(tensor.dataId);
}
