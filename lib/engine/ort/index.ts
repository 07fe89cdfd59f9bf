/** The package: the backend and its settings, and everything of `./ops`, which loads no native library. */

export { BackendError } from "./errors";
export * from "./ops/index";
export { configureOrt, ortStats, registerOrt, resetOrtStats } from "./register";
export { type Adapter, findAdapter, type Machine, prepareVulkan } from "./runtime/adapter";
export { probe, type Trial } from "./runtime/probe";
export type { OrtEngine } from "./runtime/provider";
export type { OrtSettings, OrtStats } from "./runtime/settings";
