/** The package: the backend and its settings, and everything of `./ops`, which loads no native library. */

export { type Adapter, findAdapter, type Machine, prepareVulkan } from "./adapter";
export { cudaProvider } from "./cuda";
export * from "./ops/index";
export { probe, type Trial } from "./probe";
export type { OrtEngine } from "./provider";
export { configureOrt, ortStats, registerOrt, resetOrtStats } from "./register";
export type { OrtSettings, OrtStats } from "./settings";
