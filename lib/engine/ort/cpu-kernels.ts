import type { KernelBackend, KernelFunc, TensorInfo, TypedArray } from "@tensorflow/tfjs-core";
import { sizeOf } from "./ir";
import { tf } from "./tf";

// One rule for NaN on every backend: it stays. tfjs' plain JavaScript kernels lose it in these three.

function numbersOf(backend: unknown, { dataId }: TensorInfo): TypedArray {
  return (backend as KernelBackend).readSync(dataId) as TypedArray;
}

function tensorOf(backend: unknown, numbers: TypedArray, { shape, dtype }: Omit<TensorInfo, "dataId">): TensorInfo {
  return { dataId: (backend as KernelBackend).write(numbers, shape, dtype), shape, dtype };
}

/** A window with a NaN among its pixels gives NaN: pooling once more finds which windows have one. */
const maxPool =
  (original: KernelFunc): KernelFunc =>
  ({ inputs, attrs, backend }) => {
    const x = inputs.x as TensorInfo;
    const most = original({ inputs, attrs, backend }) as TensorInfo;
    const missing = Float32Array.from(numbersOf(backend, x), (v) => (Number.isNaN(v) ? 1 : 0));
    if (!missing.includes(1)) return most;
    const mask = tensorOf(backend, missing, x);
    const any = original({ inputs: { x: mask }, attrs, backend }) as TensorInfo;
    const windows = numbersOf(backend, any);
    const kept = Float32Array.from(numbersOf(backend, most), (v, i) => (windows[i] === 1 ? NaN : v));
    for (const { dataId } of [mask, any, most]) (backend as KernelBackend).disposeData(dataId);
    return tensorOf(backend, kept, most);
  };

/** NaN counts as the largest; of equal ones the first comes first. */
const topK: KernelFunc = ({ inputs, attrs, backend }) => {
  const x = inputs.x as TensorInfo;
  const { k } = attrs as { k: number };
  const numbers = numbersOf(backend, x);
  const width = x.shape.at(-1)!;
  const shape = [...x.shape.slice(0, -1), k];
  const indices = new Int32Array(sizeOf(shape));
  const top = numbers.slice(0, indices.length);
  for (let row = 0; row * k < indices.length; row++) {
    const values = numbers.subarray(row * width, (row + 1) * width);
    const keys = Array.from(values, (v) => (Number.isNaN(v) ? Infinity : v));
    const order = [...keys.keys()].sort((a, b) => (keys[a] === keys[b] ? a - b : keys[b]! > keys[a]! ? 1 : -1));
    for (let i = 0; i < k; i++) {
      indices[row * k + i] = order[i]!;
      top[row * k + i] = values[order[i]!]!;
    }
  }
  return [tensorOf(backend, top, { shape, dtype: x.dtype }), tensorOf(backend, indices, { shape, dtype: "int32" })];
};

const sign: KernelFunc = ({ inputs, backend }) => {
  const x = inputs.x as TensorInfo;
  return tensorOf(backend, numbersOf(backend, x).slice().map(Math.sign), x);
};

/** Replaces those three of tfjs. */
export function correctNaN(): void {
  const original = tf.getKernel("MaxPool", "cpu")!.kernelFunc;
  for (const [kernelName, kernelFunc] of Object.entries({ MaxPool: maxPool(original), TopK: topK, Sign: sign })) {
    tf.unregisterKernel(kernelName, "cpu");
    tf.registerKernel({ kernelName, backendName: "cpu", kernelFunc });
  }
}
