import { delimiter, dirname, join } from "node:path";

/** Loads a shared library into this process for good, under its own name. @returns why it could not be loaded */
export function keepLoaded(library: string): string | undefined {
  // RTLD_NOW and RTLD_NODELETE of Linux: Node closes again what is no addon of its own
  const flags = 0x2 | 0x1000;
  try {
    process.dlopen({ exports: {} }, library, flags);
    return undefined;
  } catch (error) {
    const { message } = error as Error;
    return /self-register/.test(message) ? undefined : message;
  }
}

/**
 * Libraries that this process, and those that it starts, load before any other: what a provider is linked to, and last
 * ONNX Runtime's own with its providers beside it, in place of onnxruntime-node's. Set before this package is loaded.
 */
const named = (process.env.TFJS_ORT_LIBRARIES ?? "").split(delimiter).filter((path) => path !== "");
for (const library of named) {
  const why = keepLoaded(library);
  if (why !== undefined) throw new Error(`TFJS_ORT_LIBRARIES: ${why}`);
}

/** A file beside ONNX Runtime's library. */
export function besideBinding(name: string): string {
  const home = dirname(require.resolve("onnxruntime-node/package.json"));
  const own = join(home, "bin", "napi-v6", process.platform, process.arch);
  return join(named.length === 0 ? own : dirname(named.at(-1)!), name);
}
