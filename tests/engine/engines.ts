import { prepareVulkan } from "../../lib/engine/backend";
import { chooseEngine, type EngineName } from "../../lib/engine/choose";
import { findInstalled } from "../../lib/engine/install/installed";

/** Makes the engine current, with one thread; starting one that runs already costs nothing. */
export async function use(engine: EngineName): Promise<void> {
  await chooseEngine({ engine, threads: 1 });
}

/**
 * Under CI a missing Vulkan driver is a failure, elsewhere a reason to leave tests out; Chromium's software one will
 * do.
 */
export const leaveOut = !prepareVulkan() && process.env.CI !== "true";

/** For titles. */
export const WHERE = "on ort-webgpu (left out where neither a Vulkan driver nor Chromium's software driver is found)";

/** Under CI a missing library of TensorFlow is a failure, elsewhere a reason to leave tests out. */
export const leaveOutTensorflow = findInstalled("tensorflow") === undefined && process.env.CI !== "true";
