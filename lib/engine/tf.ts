/** What the lab's rooms take from the backend: TensorFlow.js with every gradient, fused operations, repeated steps. */

export {
  type AttentionForm,
  adamw,
  attention,
  computeNow,
  crossEntropy,
  freeze,
  gelu as fusedGelu,
  layerNorm as fusedLayerNorm,
  MASKED,
  planeConv,
  RepeatedStep,
  rmsNorm as fusedRmsNorm,
  rotary,
  runOnce,
  sumSquares,
  swiGlu,
  tf,
} from "tfjs-backend-ort/ops";
