import "@tensorflow/tfjs-backend-cpu";
import type { KernelBackend, NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import { tf } from "./tf";

/** tfjs' plain JavaScript backend: slow and complete, the reference in tests and the fallback for rare kernels. */
export function cpuBackend(): KernelBackend {
  const backend = tf.engine().findBackend("cpu") as KernelBackend & { firstUse?: boolean };
  // Its first write prints an advertisement for tfjs-node.
  backend.firstUse = false;
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
 * Registers every kernel that `backendName` lacks and the plain JavaScript backend has, such as wasm's gather gradient.
 */
export function completeFromCpu(backendName: string): void {
  cpuBackend();
  for (const { kernelName } of tf.getKernelsForBackend("cpu")) {
    if (tf.getKernel(kernelName, backendName) != null) continue;
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }) =>
        runOnCpu(kernelName, backend as KernelBackend, inputs, (attrs ?? {}) as NamedAttrMap),
    });
  }
}
