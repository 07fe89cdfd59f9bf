/** The only entry to TensorFlow.js: the op library with every gradient and chained op registered. */
import type { NamedAttrMap, NamedTensorMap, Tensor } from "@tensorflow/tfjs-core";
import * as tf from "@tensorflow/tfjs-core";
// tfjs-core's Node bundle carries no gradients and no chained ops unless asked.
import "@tensorflow/tfjs-core/dist/register_all_gradients";
import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops";
import { registerGradients } from "./gradients";

registerGradients(tf);

/** Registers this package's gradients again, after another package has registered tfjs' own over them. */
export const restoreGradients = (): void => registerGradients(tf);

export { tf };

/** The current engine has this kernel of this package's own. */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

/** Runs a kernel of this package's own; inputs that are undefined are left out. */
export function runFused(name: string, inputs: Record<string, Tensor | undefined>, attrs: NamedAttrMap = {}): Tensor[] {
  const present = Object.fromEntries(Object.entries(inputs).filter(([, t]) => t !== undefined)) as NamedTensorMap;
  const result = tf.engine().runKernel<Tensor | Tensor[]>(name, present, attrs);
  return Array.isArray(result) ? result : [result];
}
