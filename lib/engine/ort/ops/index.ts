/** TensorFlow.js with every gradient, fused operations, frozen weights and repeated steps; on any backend. */

export { cpuBackend } from "../cpu";
export { completeFromCpu } from "../fallback";
export { freeze } from "../frozen";
export { computeNow, RepeatedStep, runOnce } from "../step";
export { tf } from "../tf";
export { adamw } from "./adamw";
export { type AttentionForm, attention, MASKED } from "./attention";
export { crossEntropy } from "./cross-entropy";
export { gelu } from "./gelu";
export { layerNorm } from "./layer-norm";
export { planeConv } from "./plane-conv";
export { rmsNorm } from "./rms-norm";
export { rotary } from "./rotary";
export { sumSquares } from "./sum-squares";
export { swiGlu } from "./swiglu";
