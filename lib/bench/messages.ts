import type { Kind, Size } from "./task";

/** What the parent asks of a contender, one JSON object a line; the contender answers each with one line. */
export type Request =
  | ({ readonly do: "prepare" } & Preparation)
  | { readonly do: "turn"; readonly steps: number }
  | { readonly do: "peak" }
  | { readonly do: "sgemm"; readonly sides: readonly number[] }
  | { readonly do: "profile"; readonly steps: number };

export interface Preparation {
  readonly task: string;
  readonly size: Size;
  readonly kind: Kind;
  readonly engine: string;
  /** Compute matrix products in half precision. */
  readonly half: boolean;
  readonly threads: number;
  /** How many steps' numbers are compared. */
  readonly comparedSteps: number;
  /** Holds weights.safetensors, inputs.safetensors and settings.json. */
  readonly folder: string;
}

/** Readiness: the numbers that every contender must agree on, and how it runs. */
export interface Prepared {
  readonly numbers: readonly number[];
  /** One line: version, device, settings. */
  readonly about: string;
}

export interface Turn {
  /** Milliseconds of each step. */
  readonly ms: readonly number[];
  /** Milliseconds of all of them spent inside ONNX Runtime, where it is used. */
  readonly runMs?: number;
}

export interface Operation {
  readonly op: string;
  readonly ms: number;
  /** Floating-point operations of matrix products. */
  readonly flops: number;
}

export interface Answers {
  readonly prepare: Prepared;
  readonly turn: Turn;
  readonly peak: { readonly MB: number; readonly deviceMB?: number };
  /** Best of several products of square matrices. */
  readonly sgemm: { readonly gflops: number };
  /** Mean of one step by operation, longest first. */
  readonly profile: { readonly operations: readonly Operation[] };
}

export type Answer = { readonly ok: unknown } | { readonly error: string };
