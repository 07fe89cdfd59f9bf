import type { Rules } from "../lower/graph";
import { commonRules, type Precision } from "../lower/rules/common";
import { webgpuRules } from "../lower/rules/webgpu";

/** The tfjs engines that ONNX Runtime's providers make. */
export type OrtEngine = "ort-cpu" | "ort-webgpu" | "ort-cuda";

export interface Provider {
  readonly engine: OrtEngine;
  /** ONNX Runtime's name for it. */
  readonly name: "cpu" | "webgpu" | "cuda";
  /** ONNX Runtime's name for its memory. */
  readonly device: string;
  /** Where results stay until somebody reads them. */
  readonly memory: "host" | "device";
  /** It can capture a run at fixed addresses and launch it as a whole. */
  readonly capturesRuns: boolean;
  /** What it can compute matrix products in, as far as the device has it. */
  readonly precisions: readonly Precision[];
  /** What is emitted in place of nodes that it lacks. */
  readonly rules: Rules;
  /** tfjs kernels that run in plain JavaScript for want of nodes. */
  readonly without: readonly string[];
  /** ScatterND(add) adds every row where rows repeat, by the threads inside a node. */
  readonly scatterAdds: (threads: number) => boolean;
  /**
   * A product transposes a transposed first operand anew for every 128 columns of its result: wide ones get it
   * pre-transposed.
   */
  readonly pretransposes: boolean;
  /** See Target.piece; by the threads inside a node. */
  readonly piece: (threads: number) => number | undefined;
}

/** float32 numbers of 128 KiB: the few that a chain of operations needs at once fit a core's second cache. */
const PIECE = 2 ** 15;

export const PROVIDERS: Readonly<Record<OrtEngine, Provider>> = {
  // On several threads its ScatterND reads, adds and writes the same row at once and loses additions.
  "ort-cpu": {
    engine: "ort-cpu",
    name: "cpu",
    device: "Cpu",
    memory: "host",
    capturesRuns: false,
    precisions: ["float32"],
    rules: commonRules,
    without: [],
    scatterAdds: (threads) => threads === 1,
    pretransposes: true,
    piece: (threads) => PIECE * threads,
  },
  "ort-webgpu": {
    engine: "ort-webgpu",
    name: "webgpu",
    device: "WebGPU_Buf",
    memory: "device",
    capturesRuns: false,
    precisions: ["float32", "fp16"],
    rules: webgpuRules,
    without: ["TopK"],
    scatterAdds: () => true,
    pretransposes: false,
    piece: () => undefined,
  },
  "ort-cuda": {
    engine: "ort-cuda",
    name: "cuda",
    device: "Cuda",
    memory: "device",
    capturesRuns: true,
    precisions: ["float32", "tf32", "bf16", "fp16"],
    rules: commonRules,
    without: [],
    scatterAdds: () => true,
    pretransposes: false,
    piece: () => undefined,
  },
};
