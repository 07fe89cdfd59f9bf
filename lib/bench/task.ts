import type { ParameterSpec } from "../core/parameters";
import type { tf } from "../engine/tf";

/** "step": forward, losses, gradients and, where the task has one, the update. "inference": forward alone. */
export const KINDS = ["step", "inference"] as const;
export type Kind = (typeof KINDS)[number];

/** "tiny" shows that everything works; it measures nothing. */
export type Size = "full" | "tiny";

export interface NamedArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** A task on the current engine. */
export interface Program {
  /** Does the first `compared` steps and gives the numbers that every contender must agree on, such as losses and gradient norms. */
  firstSteps(compared: number): number[];
  /** One more step up to reading its loss. */
  step(): void;
  /** What the forward pass gives, read. */
  inference(): ArrayLike<number>;
}

/** Work that the engines and PyTorch both do, from the same weights, inputs and settings. */
export interface Task {
  readonly about: string;
  /** How many steps' numbers are compared before anything is timed. */
  readonly comparedSteps: number;
  readonly parameters: readonly ParameterSpec[];
  /** Inputs by name, the same at every call. */
  readonly inputs: () => Readonly<Record<string, NamedArray>>;
  /** What PyTorch must know besides: sizes, and what trains how. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly build: (weights: ReadonlyMap<string, tf.Variable>, inputs: tf.NamedTensorMap) => Program;
}
