import { prepareVulkan } from "../../lib/engine/ort/adapter";

/** A Vulkan driver is here, be it the software one that Chromium brings: the WebGPU tests can run. */
export const hasVulkan = prepareVulkan();

/** Under CI a missing driver is a failure, elsewhere a reason to leave tests out. */
export const leaveOut = !hasVulkan && process.env.CI !== "true";

/** For titles. */
export const WHERE = "on ort-webgpu (left out where neither a Vulkan driver nor Chromium's software driver is found)";
