import { restoreGradients, tf } from "tfjs-backend-ort/ops";
import { findInstalled, installCommand } from "../install/installed";
import { loadTensorflow, PACKAGE } from "../install/tensorflow";
import { registerAdamW } from "./adamw";
import { freeEarly } from "./free-early";
import { registerFused } from "./fused";
import { wrapKernels } from "./kernels";

let started = false;

/** Makes TensorFlow's backend known to tfjs. @throws Error saying what is missing */
export function startTensorflow(threads: number | undefined): void {
  const installed = findInstalled("tensorflow");
  if (installed === undefined) throw new Error(`${PACKAGE} is not installed; ${installCommand("tensorflow")}`);
  // read when the library starts its first operation
  process.env.TF_CPP_MIN_LOG_LEVEL ??= "2";
  if (threads !== undefined) process.env.TF_NUM_INTRAOP_THREADS = String(threads);
  // the package calls a function that Node 23 removed
  const util = require("node:util") as Record<string, unknown>;
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  if (started) return;
  loadTensorflow(installed.folder);
  // the package comes with a union of tfjs' packages, which registers gradients anew
  restoreGradients();
  wrapKernels();
  registerFused();
  registerAdamW();
  freeEarly(() => tf.getBackend() === "tensorflow");
  started = true;
}
