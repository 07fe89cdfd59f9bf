import type { TensorInfo } from "@tensorflow/tfjs-core";
import type { Emission } from "./emission";
import type { Dtype, Numbers } from "./value";

export interface OutSpec {
  readonly shape: number[];
  readonly dtype: Dtype;
}

/** Record one operation. Everything that shapes the emitted nodes, other than the inputs' shapes and types, is in `attrs`. */
export interface RecordPlan<A extends object = object> {
  readonly ins: readonly TensorInfo[];
  readonly outs: readonly OutSpec[];
  readonly attrs: A;
  /** Record this operation in place of the kernel's own. */
  readonly as?: KernelDef;
  /** tfjs expects a list from this kernel, also of one tensor. */
  readonly list?: boolean;
}

/** What a kernel call turns into: an operation, the same data under another shape, one repeated number, or numbers known right away. */
export type Plan<A extends object = object> =
  | RecordPlan<A>
  | { readonly share: TensorInfo; readonly shape: number[] }
  | { readonly fill: number; readonly shape: number[]; readonly dtype: Dtype }
  | { readonly values: Numbers; readonly shape: number[]; readonly dtype: Dtype };

export type Inputs = Readonly<Record<string, TensorInfo>> & { readonly [index: number]: TensorInfo };

/**
 * How a tfjs kernel maps to ONNX. `plan` runs when tfjs calls the kernel and returns undefined for a case
 * that ONNX does not cover (the call then goes to the fallback); `emit` runs when a graph is built and
 * returns the names of the outputs.
 */
export interface KernelDef<A extends object = object> {
  readonly plan: (inputs: Inputs, attrs: never) => Plan<A> | undefined;
  readonly emit: (e: Emission, attrs: A) => readonly string[] | string;
  /** The output is the input, or what `emit` returns, broadcast to its shape; expanded only where a consumer needs it. */
  readonly broadcast?: boolean;
  /** Set when the table is registered. */
  name?: string;
}

/** One tensor broadcast to a larger shape. */
export const EXPAND: KernelDef = { name: "Expand", broadcast: true, plan: () => undefined, emit: () => [] };

/** The same numbers under another shape, for operations that take shared data in a shape of their own. */
export const VIEW: KernelDef = { name: "Reshape", plan: () => undefined, emit: (e) => e.reshape(e.in(0), e.out.shape) };

export type KernelTable = Readonly<Record<string, KernelDef>>;

/** A kernel definition with its attribute types checked, erased for the table. */
export function define<T, A extends object>(
  plan: (inputs: Inputs, attrs: T) => Plan<A> | undefined,
  emit: (e: Emission, attrs: A) => readonly string[] | string,
): KernelDef {
  return { plan: plan as KernelDef["plan"], emit: emit as KernelDef["emit"] };
}

/** `info` under another shape of the same size. */
export function reshaped(info: TensorInfo, shape: number[]): TensorInfo {
  return { dataId: info.dataId, shape, dtype: info.dtype };
}

export function dtypeOf(info: TensorInfo): Dtype {
  return info.dtype as Dtype;
}

export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}
