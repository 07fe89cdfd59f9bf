import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** A file beside onnxruntime-node's binding for this machine. */
export function besideBinding(name: string): string {
  return join(
    dirname(require.resolve("onnxruntime-node/package.json")),
    "bin",
    "napi-v6",
    process.platform,
    process.arch,
    name,
  );
}

/** ONNX Runtime's CUDA provider is no part of its npm package: where it was installed it lies beside the binding. */
export function cudaProvider(): string | undefined {
  const name = { linux: "libonnxruntime_providers_cuda.so", win32: "onnxruntime_providers_cuda.dll" }[
    process.platform as string
  ];
  if (name === undefined) return undefined;
  const file = besideBinding(name);
  return existsSync(file) ? file : undefined;
}
