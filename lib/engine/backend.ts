/** The backend's settings, statistics and devices, for the rooms that measure and test it; loads ONNX Runtime. */

export {
  configureOrt,
  findAdapter,
  type OrtEngine,
  type OrtStats,
  ortStats,
  prepareVulkan,
  registerOrt,
  resetOrtStats,
} from "tfjs-backend-ort";
