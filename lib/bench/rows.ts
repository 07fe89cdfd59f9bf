import type { Entrant } from "./entrants";
import type { Operation } from "./messages";
import type { Kind } from "./task";

/** One contender at one task. What was not measured is null. */
export interface BenchRow {
  readonly task: string;
  readonly kind: Kind;
  readonly engine: Entrant;
  readonly threads: number;
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** Timed steps. */
  readonly runs: number;
  /** Median over the rounds of own time / PyTorch's; below 1 is faster than PyTorch. */
  readonly ratioToTorch: number | null;
  /** Least and most of those ratios. */
  readonly ratioSpread: readonly [number, number] | null;
  /** Which of PyTorch's rows that is. */
  readonly ratioTo: Entrant | null;
  /** Most resident memory of the process from the first step on. */
  readonly peakMB: number;
  /** Most device memory, where PyTorch tells it. */
  readonly deviceMB: number | null;
  /** Share of a step's time outside ONNX Runtime: recording, feeding and reading in JavaScript. */
  readonly jsShare: number | null;
  /** Share of ONNX Runtime's kernel time in matrix products. */
  readonly matmulShare: number | null;
  readonly matmulGflops: number | null;
  /** Best plain product measured in the same run with the same threads, by ONNX Runtime or PyTorch. */
  readonly sgemmGflops: number | null;
  /** Largest relative difference from the reference in the first numbers; null for the reference itself and where there is none. */
  readonly difference: number | null;
  /** Mean milliseconds of a step by ONNX operation, longest first. */
  readonly operations: readonly Pick<Operation, "op" | "ms">[] | null;
  /** Versions and settings. */
  readonly about: string;
}

/** A contender without a row, and why. */
export interface Refusal {
  readonly task: string;
  readonly kind: Kind;
  readonly engine: Entrant;
  readonly threads: number;
  readonly why: string;
  /** It computes something else than the reference. */
  readonly differs: boolean;
}
