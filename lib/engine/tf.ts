/** What the lab's rooms take from the backend: TensorFlow.js with every gradient, fused operations, repeated steps. */

export { freeze } from "./ort/frozen";
export { adamw } from "./ort/ops/adamw";
export { type AttentionForm, attention, MASKED } from "./ort/ops/attention";
export { crossEntropy } from "./ort/ops/cross-entropy";
export { gelu as fusedGelu } from "./ort/ops/gelu";
export { layerNorm as fusedLayerNorm } from "./ort/ops/layer-norm";
export { planeConv } from "./ort/ops/plane-conv";
export { rmsNorm as fusedRmsNorm } from "./ort/ops/rms-norm";
export { rotary } from "./ort/ops/rotary";
export { sumSquares } from "./ort/ops/sum-squares";
export { swiGlu } from "./ort/ops/swiglu";
export { computeNow, RepeatedStep, runOnce } from "./ort/step";
export { tf } from "./ort/tf";
