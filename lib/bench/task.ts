import { type ParameterSpec, sizeOf } from "../core/parameters";
import type { Rng } from "../core/rng";
import type { tf } from "../engine/tf";

/** "step": forward, losses, gradients and, where the task has one, the update. "inference": forward alone. */
export const KINDS = ["step", "inference"] as const;
export type Kind = (typeof KINDS)[number];

/** "tiny" shows that everything works; it measures nothing. */
export const SIZES = ["full", "tiny"] as const;
export type Size = (typeof SIZES)[number];

/** How a row's program runs: operation by operation, or compiled as a whole. */
export const MODES = ["eager", "compiled"] as const;
export type Mode = (typeof MODES)[number];

export interface NamedArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

/** Normal numbers. */
export function normals(rng: Rng, shape: readonly number[], scale = 1): NamedArray {
  return reals(shape, () => scale * rng.normal());
}

/** Whole numbers as `next` gives them, for index `i` of the flattened shape. */
export function integers(shape: readonly number[], next: (i: number) => number): NamedArray {
  return { shape, data: Int32Array.from({ length: sizeOf(shape) }, (_, i) => next(i)) };
}

/** Real numbers as `next` gives them. */
export function reals(shape: readonly number[], next: (i: number) => number): NamedArray {
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, (_, i) => next(i)) };
}

/** A task on the current engine. */
export interface Program {
  /** Does the first `compared` steps and gives what every worker must agree on: losses, gradient norms. */
  firstSteps(compared: number): number[];
  /** One more step up to reading its loss. @param fresh inputs in place of those that the task was built with */
  step(fresh?: tf.NamedTensorMap): void;
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
