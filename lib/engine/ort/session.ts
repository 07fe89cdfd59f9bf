import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tensor as OrtTensor } from "onnxruntime-node";
import { binding, initOrt } from "onnxruntime-node/dist/binding";
import { encodeModel, type GraphSpec } from "./onnx";
import type { Val } from "./value";

// The public API of onnxruntime-node is asynchronous although its native `run` is not; the package's own
// binding gives the synchronous call that tfjs' dataSync needs. The package version is pinned for that.
type NativeSession = InstanceType<typeof binding.InferenceSession>;

export interface Compiled {
  readonly session: NativeSession;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Largest sum of intermediate values alive at once. */
  readonly bytes: number;
  /** The graph, kept in debug mode only. */
  readonly model: Uint8Array | undefined;
}

/** Message of a failure inside ONNX Runtime, naming the tfjs kernel where the runtime names a node. */
export function runtimeError(error: unknown, what: string, model: Uint8Array | undefined): Error {
  const text = error instanceof Error ? error.message : String(error);
  const kernel = /([A-Za-z0-9_]+)#\d+/.exec(text)?.[1];
  let where = "set S2_ENGINE_DEBUG=1 to keep the graph as an .onnx file";
  if (model !== undefined) {
    const file = join(mkdtempSync(join(tmpdir(), "s2-engine-")), "graph.onnx");
    writeFileSync(file, model);
    where = `graph written to ${file}`;
  }
  return new Error(`ort-cpu: ${kernel === undefined ? "the program" : `tfjs op ${kernel}`} failed ${what} in ONNX Runtime: ${text} (${where})`, { cause: error });
}

export function compile(graph: GraphSpec, bytes: number, threads: number, debug: boolean): Compiled {
  initOrt();
  const model = encodeModel(graph);
  const kept = debug ? model.slice() : undefined;
  const session = new binding.InferenceSession();
  try {
    session.loadModel(model.buffer as ArrayBuffer, model.byteOffset, model.byteLength, {
      executionProviders: ["cpu"],
      graphOptimizationLevel: "all",
      executionMode: "sequential",
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      enableCpuMemArena: true,
      // Memory patterns cost 40 % more resident memory for 2 % of speed.
      enableMemPattern: false,
      logSeverityLevel: 3,
    });
  } catch (error) {
    throw runtimeError(error, "to load", kept);
  }
  return { session, inputs: graph.inputs.map((i) => i.name), outputs: graph.outputs.map((o) => o.name), bytes, model: kept };
}

export function tensorOf(value: Val): OrtTensor {
  return (value.tensor ??= new OrtTensor(value.dtype, value.data as Float32Array, value.shape));
}

/** Runs synchronously; the outputs' buffers, already allocated, are filled in place. */
export function run(compiled: Compiled, leaves: readonly Val[], roots: readonly Val[]): void {
  const feeds: Record<string, OrtTensor> = {};
  const fetches: Record<string, OrtTensor> = {};
  compiled.inputs.forEach((name, i) => (feeds[name] = tensorOf(leaves[i]!)));
  compiled.outputs.forEach((name, i) => (fetches[name] = tensorOf(roots[i]!)));
  try {
    compiled.session.run(feeds, fetches, {});
  } catch (error) {
    throw runtimeError(error, "to run", compiled.model);
  }
}
