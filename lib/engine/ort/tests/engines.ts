import { dirname, sep } from "node:path";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { completeFromCpu, configureOrt, cpuBackend, type OrtEngine, prepareVulkan, registerOrt, tf } from "../index";

/** The backends that tests compare. */
export type Engine = OrtEngine | "wasm" | "cpu";

/** Makes a backend current, with one thread; starting one that runs already costs nothing. */
export async function use(engine: Engine): Promise<void> {
  if (engine === "cpu") cpuBackend();
  else if (engine === "wasm") {
    setWasmPaths(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + sep);
    completeFromCpu("wasm");
  } else {
    registerOrt(engine);
    configureOrt({ threads: 1 }, engine);
  }
  await tf.setBackend(engine);
  await tf.ready();
}

/** Under CI a missing Vulkan driver is a failure, elsewhere a reason to leave tests out; the software one will do. */
export const leaveOut = !prepareVulkan() && process.env.CI !== "true";

/** For titles. */
export const WHERE = "on ort-webgpu (left out where neither a Vulkan driver nor Chromium's software driver is found)";
