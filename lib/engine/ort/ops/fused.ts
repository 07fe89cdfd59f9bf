import type { NamedAttrMap, NamedTensorMap, Tensor } from "@tensorflow/tfjs-core";
import { tf } from "../tf";

/** The current engine has this kernel of the project's own. */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

/** Runs a kernel of the project's own; inputs that are undefined are left out. */
export function runFused(name: string, inputs: Record<string, Tensor | undefined>, attrs: NamedAttrMap = {}): Tensor[] {
  const present = Object.fromEntries(Object.entries(inputs).filter(([, t]) => t !== undefined)) as NamedTensorMap;
  const result = tf.engine().runKernel(name, present, attrs) as unknown as Tensor | Tensor[];
  return Array.isArray(result) ? result : [result];
}
