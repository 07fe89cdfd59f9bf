import type { KernelBackend, NamedTensorMap, Tensor } from "@tensorflow/tfjs-core";
import { tf } from "./tf";

export type StepNumbers = Float32Array | Int32Array | Uint8Array;

/** Runs a step's body, or what it knows to be the same program. */
export interface StepRunner {
  run(inputs: NamedTensorMap): StepNumbers;
}

/** An engine that can repeat a step without going through its operations again. */
export interface RepeatsSteps {
  stepRunner(body: (inputs: NamedTensorMap) => Tensor): StepRunner;
  /** Runs `f`; when it fails, tf variables have what they had before. */
  undoing<T>(f: () => T): T;
}

/**
 * A computation that is done again and again on other numbers, such as a training step. The body may read its inputs
 * and tf variables and may assign variables; it returns one tensor, whose numbers `run` gives. Whatever else it makes
 * must be the same at every call: no random draws, no counters. Engines that can then skip the body once they know it.
 */
export class RepeatedStep {
  readonly #runners = new WeakMap<object, StepRunner>();

  constructor(private readonly body: (inputs: NamedTensorMap) => Tensor) {}

  /** The numbers of the body's result. */
  run(inputs: NamedTensorMap): StepNumbers {
    const backend = tf.backend() as KernelBackend & Partial<RepeatsSteps>;
    if (backend.stepRunner === undefined) return runOnce(this.body, inputs);
    let runner = this.#runners.get(backend);
    if (runner === undefined) this.#runners.set(backend, (runner = backend.stepRunner(this.body)));
    return runner.run(inputs);
  }
}

/** Lets an engine that only traces run now what it has traced: it would keep everything until somebody reads. */
export function computeNow(): void {
  (tf.backend() as KernelBackend & { flush?(): void }).flush?.();
}

/** The body, read after its intermediate results are gone. */
export function runOnce(body: (inputs: NamedTensorMap) => Tensor, inputs: NamedTensorMap): StepNumbers {
  const run = (): StepNumbers => {
    const result = tf.tidy(() => body(inputs));
    try {
      return result.dataSync();
    } finally {
      result.dispose();
    }
  };
  const backend = tf.backend() as KernelBackend & Partial<RepeatsSteps>;
  return backend.undoing === undefined ? run() : backend.undoing(run);
}

/** An engine that can do better with numbers that never change. */
export interface Freezes {
  freeze(dataId: object): void;
}

/**
 * Tells the engine that a tensor's numbers stay as they are, for weights that are not trained. On ort-cpu small ones
 * become part of the programs that use them, where ONNX Runtime brings them into the form that it computes with, once.
 * In half precision the device keeps matrices rounded: half the memory, and products take them without rounding anew;
 * reading gives the rounded numbers. Assigning other numbers to a frozen variable is allowed: those are not frozen.
 */
export function freeze(tensor: Tensor): void {
  (tf.backend() as KernelBackend & Partial<Freezes>).freeze?.(tensor.dataId);
}
