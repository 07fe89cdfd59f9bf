import type { DataType } from "@tensorflow/tfjs-core";

/**
 * The intermediate representation: values and the operations between them, as traced and before they are lowered to
 * ONNX.
 */

/** The element types of values. */
export type Dtype = "float32" | "int32" | "bool";
export type Numbers = Float32Array | Int32Array | Uint8Array;

export function isDtype(dtype: DataType): dtype is Dtype {
  return dtype === "float32" || dtype === "int32" || dtype === "bool";
}

/** How many elements a shape has. */
export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

export function bytesOf({ shape, dtype }: Pick<Value, "shape" | "dtype">): number {
  return (dtype === "bool" ? 1 : 4) * sizeOf(shape);
}

/** A typed array over the whole of `buffer`. */
export function viewOf(buffer: ArrayBuffer, dtype: Dtype): Numbers {
  if (dtype === "float32") return new Float32Array(buffer);
  return dtype === "int32" ? new Int32Array(buffer) : new Uint8Array(buffer);
}

/** A tensor in a buffer of the device: ONNX Runtime's handle. */
export interface DeviceTensor {
  readonly pointer: bigint;
}

/** What a memory keeps of a value; nothing else of the representation ever changes. */
export class Storage {
  /** Numbers in host memory. */
  data: Numbers | undefined;
  /** Numbers in a buffer of the device. */
  device: DeviceTensor | undefined;
  /** `device` holds these float32 numbers rounded to this type. */
  rounded: "float16" | "bfloat16" | undefined;
  /** More than 0 for numbers in host memory that never change; then the value's own among them. */
  frozen = 0;
  /** A graph took `data` from host memory before. */
  fed = false;
  /** How many hold the value: its tfjs data, pending operations that read it. Numbers that nobody holds are freed. */
  references = 0;
  /** Why there will never be numbers. */
  error: Error | undefined;

  /** It has its numbers, wherever they are. */
  get filled(): boolean {
    return this.data !== undefined || this.device !== undefined;
  }
}

/** A tensor: numbers that are there, or that a pending operation will compute. */
export class Value {
  readonly storage = new Storage();

  constructor(
    readonly shape: number[],
    readonly dtype: Dtype,
  ) {}

  /** A value that has its numbers already. */
  static of(numbers: Numbers, shape: number[], dtype: Dtype): Value {
    const value = new Value(shape, dtype);
    value.storage.data = numbers;
    return value;
  }
}

/** A traced kernel call. */
export interface Op {
  /** Name of the kernel, which says how the operation is lowered. */
  readonly kernel: string;
  readonly attrs: object;
  /**
   * Equal for equal kernel, attributes, and types and shapes of outputs: with the inputs' shapes it fixes what is
   * emitted.
   */
  readonly signature: number;
  readonly ins: readonly Value[];
  readonly outs: readonly Value[];
  /** In debug mode: file and line that asked for it. */
  readonly origin: string | undefined;
}

/** Operations that run together. */
export interface Program {
  /** In traced order; all of them needed for the roots. */
  readonly ops: readonly Op[];
  /** The results that are kept. */
  readonly roots: readonly Value[];
}

/** What a program needs from outside. */
export interface ProgramInputs {
  /** Values that it takes in at every run. */
  readonly leaves: readonly Value[];
  /** Values whose numbers become constants of its graph. */
  readonly frozen: readonly Value[];
}
