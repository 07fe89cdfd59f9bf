import "@tensorflow/tfjs-backend-cpu";
import type { KernelBackend, KernelConfig, NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import { correctNaN } from "./cpu-kernels";
import { tf } from "./tf";

let corrected = false;

/** tfjs' plain JavaScript backend: slow and complete, the reference in tests and the fallback for rare kernels. */
export function cpuBackend(): KernelBackend {
  const backend = tf.engine().findBackend("cpu") as KernelBackend & { firstUse?: boolean };
  // Its first write prints an advertisement for tfjs-node.
  backend.firstUse = false;
  if (!corrected) correctNaN();
  corrected = true;
  return backend;
}

/** Reads tensors of `backend`, runs the same kernel of tfjs' plain JavaScript backend, writes the results back. */
export function runOnCpu(
  kernelName: string,
  backend: KernelBackend,
  inputs: unknown,
  attrs: NamedAttrMap,
): TensorInfo | TensorInfo[] {
  const cpu = cpuBackend();
  const kernel = tf.getKernel(kernelName, "cpu")!;
  const made: object[] = [];
  const bring = (input: unknown): unknown => {
    if (input === null || input === undefined) return input;
    if (Array.isArray(input)) return input.map(bring);
    if (typeof input === "object" && "dataId" in input) {
      const { dataId, shape, dtype } = input as TensorInfo;
      const copy = cpu.write(backend.readSync(dataId), shape, dtype);
      made.push(copy);
      return { dataId: copy, shape, dtype };
    }
    return Object.fromEntries(Object.entries(input as object).map(([name, value]) => [name, bring(value)]));
  };
  const give = (info: TensorInfo): TensorInfo => {
    const dataId = backend.write(cpu.readSync(info.dataId), info.shape, info.dtype);
    cpu.disposeData(info.dataId);
    return { dataId, shape: info.shape, dtype: info.dtype };
  };
  const result = kernel.kernelFunc({ inputs: bring(inputs) as never, attrs, backend: cpu });
  const outputs = Array.isArray(result) ? result.map(give) : give(result);
  for (const dataId of made) cpu.disposeData(dataId);
  return outputs;
}

/**
 * Kernels of tfjs' wasm backend that disagree with the plain JavaScript ones: they lose NaN, or make infinities of it;
 * the pooling ones and those that gather by coordinates read outside their tensor.
 */
const WRONG_ON_WASM = [
  "Maximum",
  "Minimum",
  "ClipByValue",
  "Relu6",
  "Sign",
  "MaxPool",
  "AvgPool",
  "TopK",
  "GatherNd",
] as const;

function registerFromCpu(kernelName: string, backendName: string): void {
  tf.registerKernel({
    kernelName,
    backendName,
    kernelFunc: ({ inputs, attrs, backend }) =>
      runOnCpu(kernelName, backend as KernelBackend, inputs, (attrs ?? {}) as NamedAttrMap),
  });
}

/** Wasm's gather in batches reads outside its tensor. */
function gatherOf({ kernelFunc }: KernelConfig): KernelConfig["kernelFunc"] {
  return (call) => {
    const attrs = (call.attrs ?? {}) as NamedAttrMap;
    return attrs.batchDims === 0 || attrs.batchDims === undefined
      ? kernelFunc(call)
      : runOnCpu("GatherV2", call.backend as KernelBackend, call.inputs, attrs);
  };
}

function correctWasm(): void {
  const gather = tf.getKernel("GatherV2", "wasm");
  if (gather == null) return;
  for (const name of [...WRONG_ON_WASM, "GatherV2"])
    if (tf.getKernel(name, "wasm") != null) tf.unregisterKernel(name, "wasm");
  for (const name of WRONG_ON_WASM) registerFromCpu(name, "wasm");
  // its own set-up and disposal stay
  tf.registerKernel({ ...gather, kernelFunc: gatherOf(gather) });
}

const completed = new Set<string>();

/**
 * Registers kernels that run in plain JavaScript: all that `backendName` lacks, such as wasm's gather gradient, and
 * those that are wrong there.
 */
export function completeFromCpu(backendName: string): void {
  if (completed.has(backendName)) return;
  completed.add(backendName);
  cpuBackend();
  if (backendName === "wasm") correctWasm();
  for (const { kernelName } of tf.getKernelsForBackend("cpu"))
    if (tf.getKernel(kernelName, backendName) == null) registerFromCpu(kernelName, backendName);
}
