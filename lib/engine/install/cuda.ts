import { readdirSync, renameSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type NvidiaGpu, nvidiaGpus } from "../nvidia";
import { findInstalled, installCommand } from "./installed";
import { RECIPES } from "./wheels";

const libraries = (folder: string): string => join(folder, "onnxruntime", "capi");

const LIBRARY = "libonnxruntime.so.1";

/** What the provider is linked to, in the order of who needs whom; each package keeps its own folder. */
const LINKED = [/libcudart\.so/, /libnvrtc\.so/, /libcublasLt\.so/, /libcublas\.so/, /libcurand\.so/, /libcudnn\.so/];

/** Gives ONNX Runtime's library of the unpacked wheels the name by which it is loaded. */
export function completeCuda(folder: string): void {
  const at = libraries(folder);
  const name = readdirSync(at).find((file) => /^libonnxruntime\.so\.1\./.test(file))!;
  renameSync(join(at, name), join(at, LIBRARY));
}

/** @throws Error for a driver that CUDA 13 does not run on */
export function requireDriver(gpu: NvidiaGpu | undefined): void {
  const least = RECIPES.cuda.driver!;
  if (gpu !== undefined && Number.parseInt(gpu.driver, 10) < least)
    throw new Error(
      `driver ${gpu.driver} of ${gpu.name} is too old, CUDA 13 needs ${least} or newer; update the driver`,
    );
}

/**
 * Lets this process, and those that it starts, take ONNX Runtime with its CUDA provider from `engine install cuda`.
 * CUDA's libraries are loaded by their paths: the provider then finds them by name, and no search path has to be set.
 *
 * @throws Error when it is not installed, or where the machine has no driver
 */
export function useCuda(): void {
  const installed = findInstalled("cuda");
  if (installed === undefined) throw new Error(`its libraries are not installed; ${installCommand("cuda")}`);
  try {
    // a library that is no addon of Node's is loaded all the same, and then refused
    process.dlopen({ exports: {} }, "libcuda.so.1");
  } catch (error) {
    if (!/self-register/.test((error as Error).message))
      throw new Error("no NVIDIA driver (libcuda.so.1 is not found)");
  }
  requireDriver(nvidiaGpus()[0]);
  const files = readdirSync(join(installed.folder, "nvidia"), { recursive: true, encoding: "utf8" });
  const linked = LINKED.map((name) => join(installed.folder, "nvidia", files.find((path) => name.test(path)) ?? ""));
  process.env.TFJS_ORT_LIBRARIES = [...linked, join(libraries(installed.folder), LIBRARY)].join(delimiter);
}
