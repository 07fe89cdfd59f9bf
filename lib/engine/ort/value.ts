import type { DataType } from "@tensorflow/tfjs-core";
import type { Tensor as OrtTensor } from "onnxruntime-node";
import type { KernelDef } from "./kernel";

/** The element types the backend computes with. */
export type Dtype = "float32" | "int32" | "bool";
export type Numbers = Float32Array | Int32Array | Uint8Array;

export function isDtype(dtype: DataType): dtype is Dtype {
  return dtype === "float32" || dtype === "int32" || dtype === "bool";
}

/** A value with numbers, for use outside the backend. */
export function valueOf(numbers: Numbers, shape: number[], dtype: Dtype): Val {
  const value = new Val(shape, dtype);
  value.data = numbers;
  return value;
}

export function bytesOf(shape: readonly number[], dtype: Dtype): number {
  let n = dtype === "bool" ? 1 : 4;
  for (const d of shape) n *= d;
  return n;
}

/** A typed array over the whole of `buffer`. */
export function viewOf(buffer: ArrayBuffer, dtype: Dtype): Numbers {
  if (dtype === "float32") return new Float32Array(buffer);
  return dtype === "int32" ? new Int32Array(buffer) : new Uint8Array(buffer);
}

/** What a tfjs data id stands for: numbers, or the pending operation that will make them. */
export class Val {
  /** Numbers in host memory. */
  data: Numbers | undefined;
  /** What ONNX Runtime takes: `data` itself, or a buffer on the device. */
  tensor: OrtTensor | undefined;
  /** `tensor` holds float16 for these float32 numbers. */
  half = false;
  /** More than 0 for numbers in host memory that never change; then the value's own among them. */
  frozen = 0;
  /** A graph took `data` from host memory before. */
  fed = false;
  /** The operation that will fill this value; undefined once it ran, or for data from outside. */
  op: Op | undefined;
  /** A tfjs data id still points here. */
  live = false;
  /** How many pending operations read it. */
  uses = 0;
  /** Why the value could never be computed. */
  error: Error | undefined;
  /** Reshaped twins, valid for one batch of pending operations. */
  views: Map<string, Val> | undefined;
  viewsBatch = -1;
  /** Scratch fields of one flush: the batch that numbered it, its number, its name in the graph. */
  batch = -1;
  number = 0;
  name: string | undefined;

  constructor(
    readonly shape: number[],
    readonly dtype: Dtype,
  ) {}

  /** It has its numbers, wherever they are. */
  get filled(): boolean {
    return this.data !== undefined || this.tensor !== undefined;
  }
}

/** A recorded kernel call. */
export interface Op {
  readonly def: KernelDef;
  readonly attrs: object;
  /** Interned (kernel, attributes): with the inputs' shapes it fixes what is emitted. */
  readonly signature: number;
  readonly ins: readonly Val[];
  readonly outs: readonly Val[];
  /** In debug mode: file and line that asked for it. */
  readonly origin: string | undefined;
  needed: boolean;
}
