import { z } from "zod";
import { PRECISIONS } from "../engine/choose";
import { BENCH_ENGINES } from "./engines";
import { MachineCard } from "./machine";
import { KINDS, MODES } from "./task";

const measured = {
  task: z.string(),
  kind: z.enum(KINDS),
  engine: z.enum(BENCH_ENGINES),
  threads: z.number(),
};

/** One engine at one task. What was not measured is null. */
export const BenchRow = z.object({
  ...measured,
  // rows of the first version have none of these
  mode: z.enum(MODES).nullable().default(null),
  precision: z.enum(PRECISIONS).nullable().default(null),
  /** Which libraries computed products, with which instructions. */
  kernels: z.string().nullable().default(null),
  medianMs: z.number(),
  minMs: z.number(),
  maxMs: z.number(),
  /** Timed steps. */
  runs: z.number(),
  /** Median over the rounds of own time / PyTorch's; below 1 is faster than PyTorch. */
  ratioToTorch: z.number().nullable(),
  /** Least and most of those ratios. */
  ratioSpread: z.tuple([z.number(), z.number()]).nullable(),
  /** Which of PyTorch's rows that is. */
  ratioTo: z.enum(BENCH_ENGINES).nullable(),
  /** Most resident memory of the process from the first step on. */
  peakMB: z.number(),
  /** Most device memory, where PyTorch tells it. */
  deviceMB: z.number().nullable(),
  /** Bytes moved to and from a device a step, where that is counted; the task's inputs lie there from the start. */
  bytesPerStep: z.number().nullable().default(null),
  /** Share of a step's time outside ONNX Runtime: recording, feeding and reading in JavaScript. */
  jsShare: z.number().nullable(),
  /** Share of ONNX Runtime's kernel time in matrix products. */
  matmulShare: z.number().nullable(),
  matmulGflops: z.number().nullable(),
  /** Best plain product measured in the same run with the same threads, by ONNX Runtime or PyTorch. */
  sgemmGflops: z.number().nullable(),
  /** Largest relative difference from the reference in the first numbers; null for the reference and where none is. */
  difference: z.number().nullable(),
  /** Mean milliseconds of a step by ONNX operation, longest first. */
  operations: z.array(z.object({ op: z.string(), ms: z.number() })).nullable(),
  /** Versions and settings. */
  about: z.string(),
});
export type BenchRow = z.infer<typeof BenchRow>;

/** An engine without a row, and why. */
export const Refusal = z.object({
  ...measured,
  why: z.string(),
  /** It computes something else than the reference. */
  differs: z.boolean(),
});
export type Refusal = z.infer<typeof Refusal>;

export const BenchResult = z.object({
  machine: MachineCard,
  /** What each task is. */
  tasks: z.record(z.string(), z.string()),
  rows: z.array(BenchRow),
  refused: z.array(Refusal),
  /** What is not measured, and what to do. */
  notes: z.array(z.string()),
});
export type BenchResult = z.infer<typeof BenchResult>;
