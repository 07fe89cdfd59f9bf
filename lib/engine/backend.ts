/** The backend's settings, statistics and devices, for the rooms that measure and test it; loads ONNX Runtime. */

export {
  configureOrt,
  cudaProvider,
  findAdapter,
  type OrtEngine,
  ortStats,
  prepareVulkan,
  registerOrt,
  resetOrtStats,
} from "tfjs-backend-ort";
