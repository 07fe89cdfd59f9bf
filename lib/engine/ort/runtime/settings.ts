import { availableParallelism, totalmem } from "node:os";
import { BackendError } from "../errors";
import type { Precision } from "../lower/rules/common";

export interface OrtSettings {
  /** Threads inside one ONNX Runtime node. */
  threads: number;
  /** Upper bound for the working memory that compiled graphs keep; the least recently used are dropped. */
  sessionBytes: number;
  /** Upper bound for buffers kept for reuse. */
  poolBytes: number;
  /** Recorded operations after which the backend runs without being asked. */
  maxPending: number;
  /**
   * Name the tracing line of a failing operation and of the first NaN, keep the .onnx file of a graph that fails.
   * Slow.
   */
  debug: boolean;
  /** Refuse graphs with a node that the provider leaves to the CPU. */
  strict: boolean;
  /** In what matrix products are computed; one of the provider's `precisions`. */
  precision: Precision;
  /**
   * Repeated steps run at fixed addresses and, on CUDA, as captured CUDA graphs: launched as a whole. Not measured on
   * a GPU so far, so it is off unless S2_ENGINE_CUDA_GRAPH=1.
   */
  cudaGraph: boolean;
  /** Beginning of a file name: every session writes ONNX Runtime's account of its runs there when it ends. */
  profile: string | undefined;
}

export function threadsFromEnvironment(): number | undefined {
  const text = process.env.S2_ENGINE_THREADS;
  if (text === undefined || text === "") return undefined;
  const threads = Number(text);
  if (!Number.isInteger(threads) || threads < 1) {
    throw new BackendError(
      `S2_ENGINE_THREADS must be a whole number of at least 1, got "${text}"; unset it to use all cores`,
      2,
    );
  }
  return threads;
}

export function defaultSettings(): OrtSettings {
  return {
    threads: threadsFromEnvironment() ?? availableParallelism(),
    sessionBytes: Math.min(4 * 2 ** 30, Math.floor(totalmem() / 4)),
    poolBytes: Math.min(2 * 2 ** 30, Math.floor(totalmem() / 8)),
    maxPending: 20_000,
    debug: process.env.S2_ENGINE_DEBUG === "1",
    strict: false,
    precision: "float32",
    cudaGraph: process.env.S2_ENGINE_CUDA_GRAPH === "1",
    profile: undefined,
  };
}

/** What the backend did since it started or since `reset`. */
export interface OrtStats {
  opsRecorded: number;
  /** Operations left after dropping those whose results nobody holds. */
  opsRun: number;
  runs: number;
  /** Replays of a captured step that was not traced again. */
  repeats: number;
  /** Of those, runs at fixed addresses, which CUDA launches as one captured graph. */
  fixedRuns: number;
  graphsCompiled: number;
  /** Compiled graphs held now. */
  graphsCached: number;
  compileMs: number;
  /** Inside ONNX Runtime. */
  runMs: number;
  /** Values moved to the device to stay there. */
  uploads: number;
  /** Values read back from the device. */
  downloads: number;
  /** Bytes moved from host memory to the device. */
  bytesUp: number;
  /** Bytes read back from the device. */
  bytesDown: number;
  /** Calls that went through another backend's kernel, by kernel. */
  fallbacks: Record<string, number>;
}

export const NOTHING_DONE: Omit<OrtStats, "fallbacks"> = {
  opsRecorded: 0,
  opsRun: 0,
  runs: 0,
  repeats: 0,
  fixedRuns: 0,
  graphsCompiled: 0,
  graphsCached: 0,
  compileMs: 0,
  runMs: 0,
  uploads: 0,
  downloads: 0,
  bytesUp: 0,
  bytesDown: 0,
};
