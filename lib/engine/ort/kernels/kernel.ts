import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Dtype, Numbers } from "../ir";
import type { Emission, Lowering } from "../lower/emission";

export interface OutSpec {
  readonly shape: number[];
  readonly dtype: Dtype;
}

/**
 * Trace one operation. Everything that shapes the emitted nodes, other than the inputs' shapes and types, is in
 * `attrs`.
 */
export interface TracePlan<A extends object = object> {
  readonly ins: readonly TensorInfo[];
  readonly outs: readonly OutSpec[];
  readonly attrs: A;
  /** Trace an operation of this kernel in place of the kernel's own. */
  readonly as?: string;
  /** tfjs expects a list from this kernel, also of one tensor. */
  readonly list?: boolean;
}

/**
 * What a kernel call turns into: an operation, the same data under another shape, one repeated number, or numbers known
 * right away.
 */
export type Plan<A extends object = object> =
  | TracePlan<A>
  | { readonly share: TensorInfo; readonly shape: number[] }
  | { readonly fill: number; readonly shape: number[]; readonly dtype: Dtype }
  | { readonly values: Numbers; readonly shape: number[]; readonly dtype: Dtype };

/** The numbers of an input, where a device cannot check them and they are in host memory when the kernel is called. */
export type Known = (info: TensorInfo) => Numbers | undefined;

export type Inputs = Readonly<Record<string, TensorInfo>> & { readonly [index: number]: TensorInfo };

/**
 * How a tfjs kernel maps to ONNX. `plan` runs when tfjs calls the kernel and returns undefined for a case that ONNX
 * does not cover (the call then goes to the fallback); `lower` runs when a graph is built.
 */
export interface Kernel<A extends object = object> extends Lowering {
  readonly plan: (inputs: Inputs, attrs: never, known: Known) => Plan<A> | undefined;
}

export type KernelTable = Readonly<Record<string, Kernel>>;

/** A kernel with its attribute types checked, erased for the table. */
export function define<T, A extends object>(
  plan: (inputs: Inputs, attrs: T, known: Known) => Plan<A> | undefined,
  lower: (e: Emission, attrs: A) => readonly string[] | string,
): Kernel {
  return { plan: plan as Kernel["plan"], lower };
}

/** The inputs of a kernel that takes a list of tensors. */
export function listOf(inputs: Inputs): TensorInfo[] {
  return Object.values(inputs);
}

/** `x` where `missing` is 0, else NaN. */
export function keepNaN(e: Emission, x: string, missing: string): string {
  return e.select(e.node("Greater", [missing, e.scalar(0)]), e.scalar(NaN), x);
}

/** `info` under another shape of the same size. */
export function reshaped(info: TensorInfo, shape: number[]): TensorInfo {
  return { dataId: info.dataId, shape, dtype: info.dtype };
}

export function dtypeOf(info: TensorInfo): Dtype {
  return info.dtype as Dtype;
}
