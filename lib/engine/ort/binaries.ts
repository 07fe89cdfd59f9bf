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
