import { existsSync } from "node:fs";
import { besideBinding } from "./binaries";

/** ONNX Runtime's CUDA provider is no part of its npm package: where it was installed it lies beside the binding. */
export function cudaProvider(): string | undefined {
  const name = { linux: "libonnxruntime_providers_cuda.so", win32: "onnxruntime_providers_cuda.dll" }[
    process.platform as string
  ];
  if (name === undefined) return undefined;
  const file = besideBinding(name);
  return existsSync(file) ? file : undefined;
}
