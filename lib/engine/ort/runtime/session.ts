import type { Tensor as OrtTensor } from "onnxruntime-node";
import { binding, initOrt } from "onnxruntime-node/dist/binding";
import { BackendError } from "../errors";
import type { Value } from "../ir";
import type { LoweredProgram } from "../lower/lower";
import { encodeModel, type GraphSpec } from "../lower/onnx";
import { HostSession, openLibrary } from "./c-api";
import type { Provider } from "./provider";
import { runtimeError } from "./runtime-error";
import type { OrtSettings } from "./settings";

// The public API of onnxruntime-node is asynchronous although its native `run` is not; the package's own
// binding gives the synchronous call that tfjs' dataSync needs. The package version is pinned for that.
type NativeSession = InstanceType<typeof binding.InferenceSession>;

/** ONNX files are protocol buffers, whose limit is 2 GiB; nodes and names need far less than what is left. */
const LARGEST = 2 ** 31 - 2 ** 27;

/** An encoded graph and what is known of it. */
export interface Model {
  readonly model: Uint8Array;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Largest sum of intermediate values alive at once. */
  readonly bytes: number;
  /** Values whose numbers are in it. */
  readonly frozen?: readonly Value[];
  /** In debug mode: where the operation behind each node was traced. */
  readonly origins?: ReadonlyMap<string, string>;
}

export interface Compiled extends Omit<Model, "model"> {
  readonly session: NativeSession | HostSession;
  readonly provider: Provider;
  /** The graph, kept in debug mode only. */
  readonly model: Uint8Array | undefined;
  /** Milliseconds that the last run took inside ONNX Runtime. */
  lastMs: number;
}

/** @param results where they are wanted: "device" needs a provider that keeps them there */
export function load(
  program: Model,
  provider: Provider,
  settings: OrtSettings,
  results: Provider["memory"] = provider.memory,
): Compiled {
  const { model, ...rest } = program;
  // what loading a session reads may be changed by it
  const known = { ...rest, provider, model: settings.debug ? model.slice() : undefined };
  try {
    const session =
      provider.name === "cpu"
        ? new HostSession(model, program.inputs, program.outputs, settings)
        : nativeSession(model, provider, settings, results);
    return { ...known, session, lastMs: 0 };
  } catch (error) {
    throw runtimeError(error, "to load", known);
  }
}

function nativeSession(
  model: Uint8Array,
  provider: Provider,
  settings: OrtSettings,
  results: Provider["memory"],
): NativeSession {
  openLibrary(settings.threads);
  initOrt();
  const session = new binding.InferenceSession();
  session.loadModel(model.buffer as ArrayBuffer, model.byteOffset, model.byteLength, {
    executionProviders: [provider.name],
    graphOptimizationLevel: "all",
    executionMode: "sequential",
    // for the few nodes that are not the device's; every session has threads of its own, which spin
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    enableCpuMemArena: true,
    enableMemPattern: false,
    logSeverityLevel: 3,
    ...(settings.profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: settings.profile }),
    ...(results === "device" ? { preferredOutputLocation: "gpu-buffer" } : {}),
    // the CPU's own provider counts as what is fallen back to
    ...(settings.strict ? { extra: { session: { disable_cpu_ep_fallback: "1" } } } : {}),
  });
  return session;
}

export function compile(
  { graph, frozen, bytes, origins }: LoweredProgram,
  provider: Provider,
  settings: OrtSettings,
): Compiled {
  const constants = graph.constants.reduce((sum, c) => sum + c.raw.byteLength, 0);
  if (constants > LARGEST) {
    throw new BackendError(
      `${provider.engine}: a program has ${(constants / 2 ** 30).toFixed(1)} GiB of constants in it, ` +
        "ONNX holds 2 GiB; resize smaller images, or run with S2_ENGINE=wasm",
    );
  }
  const names = (list: GraphSpec["inputs"]): string[] => list.map(({ name }) => name);
  return load(
    { model: encodeModel(graph), inputs: names(graph.inputs), outputs: names(graph.outputs), frozen, bytes, origins },
    provider,
    settings,
  );
}

/**
 * Runs synchronously.
 *
 * @param into tensors to fill in place, or null where ONNX Runtime shall make one, as it does for GPUs
 */
export function execute(
  compiled: Compiled,
  feeds: readonly OrtTensor[],
  into: readonly (OrtTensor | null)[],
): OrtTensor[] {
  const start = performance.now();
  try {
    const results =
      compiled.session instanceof HostSession
        ? filled(compiled.session, feeds, into as OrtTensor[])
        : made(compiled.session, compiled, feeds, into);
    compiled.lastMs = performance.now() - start;
    return results;
  } catch (error) {
    throw runtimeError(error, "to run", compiled);
  }
}

function filled(session: HostSession, feeds: readonly OrtTensor[], into: OrtTensor[]): OrtTensor[] {
  session.run(feeds, into);
  return into;
}

function made(
  session: NativeSession,
  { inputs, outputs }: Compiled,
  feeds: readonly OrtTensor[],
  into: readonly (OrtTensor | null)[],
): OrtTensor[] {
  const given: Record<string, OrtTensor> = {};
  const fetches: Record<string, OrtTensor | null> = {};
  inputs.forEach((name, i) => (given[name] = feeds[i]!));
  outputs.forEach((name, i) => (fetches[name] = into[i]!));
  const results = session.run(given, fetches, {});
  return outputs.map((name) => results[name] as OrtTensor);
}
