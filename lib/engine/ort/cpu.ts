import "@tensorflow/tfjs-backend-cpu";
import type { KernelBackend } from "@tensorflow/tfjs-core";
import { tf } from "./tf";

/** tfjs' plain JavaScript backend: slow and complete, the reference in tests and the fallback for rare kernels. */
export function cpuBackend(): KernelBackend {
  const backend = tf.engine().findBackend("cpu") as KernelBackend & { firstUse?: boolean };
  // Its first write prints an advertisement for tfjs-node.
  backend.firstUse = false;
  return backend;
}
