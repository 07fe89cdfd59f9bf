/** TensorFlow.js with every gradient, fused operations, frozen weights and repeated steps; on any backend. */

export { completeFromCpu, cpuBackend } from "../fallback";
export { PRECISIONS, type Precision } from "../lower/rules/common";
export { PROVIDERS } from "../runtime/provider";
export { computeNow, freeze, RepeatedStep, runOnce } from "../step";
export { restoreGradients, tf } from "../tf";
export { gelu, swiGlu } from "./activations";
export { adamw, sumSquares } from "./adamw";
export { type AttentionForm, attention, causalMask, MASKED } from "./attention";
export { crossEntropy } from "./cross-entropy";
export { layerNorm } from "./layer-norm";
export { planeConv } from "./plane-conv";
export { rmsNorm } from "./rms-norm";
export { rotary } from "./rotary";
