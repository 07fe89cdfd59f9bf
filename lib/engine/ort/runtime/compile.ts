import { BackendError } from "../errors";
import type { Value } from "../ir";
import type { LoweredProgram } from "../lower/lower";
import { encodeModel, type GraphSpec } from "../lower/onnx";
import type { Provider } from "./provider";
import { runtimeError } from "./runtime-error";
import { Session } from "./session";
import type { OrtSettings } from "./settings";

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
  readonly session: Session;
  readonly provider: Provider;
  /** The graph, kept in debug mode only. */
  readonly model: Uint8Array | undefined;
  /** Milliseconds that the last run took inside ONNX Runtime. */
  lastMs: number;
}

export function load({ model, ...rest }: Model, provider: Provider, settings: OrtSettings): Compiled {
  // what loading a session reads may be changed by it
  const known = { ...rest, provider, model: settings.debug ? model.slice() : undefined };
  const open = (own: OrtSettings): Session => new Session(model, rest.inputs, rest.outputs, provider, own);
  try {
    return { ...known, session: open(settings), lastMs: 0 };
  } catch (error) {
    // a graph with a node on the processor cannot be captured
    if (settings.cudaGraph && /graph/i.test((error as Error).message))
      return load({ model, ...rest }, provider, { ...settings, cudaGraph: false });
    throw runtimeError(error, "to load", known);
  }
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

/** Runs a compiled graph, timed, with ONNX Runtime's errors in the words of tfjs' operations. */
export function execute<T>(compiled: Compiled, run: (session: Session) => T): T {
  const start = performance.now();
  try {
    const results = run(compiled.session);
    compiled.lastMs = performance.now() - start;
    return results;
  } catch (error) {
    throw runtimeError(error, "to run", compiled);
  }
}
