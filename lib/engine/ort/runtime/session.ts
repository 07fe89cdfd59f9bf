import type { Value } from "../ir";
import { type CApi, LOG_ERRORS, Names, OPTIMISE_ALL, openLibrary, type Pointer } from "./c-api";
import type { Provider } from "./provider";
import type { OrtSettings } from "./settings";

type SessionSettings = Pick<OrtSettings, "threads" | "profile" | "strict" | "precision" | "cudaGraph">;

/** Run option that names a captured CUDA graph. */
const GRAPH_ID = "gpu_graph_id";
/** Its value for a run that is neither captured nor replayed. */
const NO_GRAPH = -1;

/**
 * A compiled model on a provider. It reads values wherever they are; results go to host memory or stay on the device.
 */
export class Session {
  readonly #api: CApi;
  readonly #inputs: Names;
  readonly #outputs: Names;
  readonly #session: Pointer;
  /** Description of the device's memory. */
  readonly #device: Pointer;
  /** Run options by captured graph; none where the session captures nothing. */
  readonly #graphs: Map<number, Pointer> | undefined;

  /**
   * @param model bytes of an ONNX file
   * @throws Error with ONNX Runtime's message
   */
  constructor(
    model: Uint8Array,
    inputs: readonly string[],
    outputs: readonly string[],
    { name, device, capturesRuns }: Provider,
    settings: SessionSettings,
  ) {
    this.#inputs = new Names(inputs);
    this.#outputs = new Names(outputs);
    this.#api = openLibrary(settings.threads);
    const api = this.#api;
    this.#graphs = capturesRuns && settings.cudaGraph ? new Map() : undefined;
    this.#device = api.deviceMemory(device);
    const options = api.make("CreateSessionOptions");
    try {
      // Beside a device only a few nodes run on the processor. Threads of a session's own spin a while after each run,
      // in the way of the next session's: 500 small programs took 16 times as long.
      if (name !== "cpu") api.call("SetIntraOpNumThreads", options, 1);
      else if (settings.threads === api.threads) api.call("DisablePerSessionThreads", options);
      else api.call("SetIntraOpNumThreads", options, settings.threads);
      api.call("SetSessionGraphOptimizationLevel", options, OPTIMISE_ALL);
      api.call("SetSessionLogSeverityLevel", options, LOG_ERRORS);
      // Memory patterns cost 40 % more resident memory for 2 % of speed.
      api.call("DisableMemPattern", options);
      if (settings.profile !== undefined) api.call("EnableProfiling", options, settings.profile);
      if (name === "webgpu") api.call("AppendProvider", options, "WebGPU", null, null, 0);
      if (name === "cuda") appendCuda(api, options, settings);
      // the CPU's own provider counts as what is fallen back to
      if (name !== "cpu" && settings.strict)
        api.call("AddSessionConfigEntry", options, "session.disable_cpu_ep_fallback", "1");
      this.#session = api.make("CreateSessionFromArray", api.env, model, model.byteLength, options);
    } finally {
      api.release("ReleaseSessionOptions", options);
    }
  }

  /** Writes results to the host buffers of `into`. Runs synchronously. @throws Error with ONNX Runtime's message */
  run(feeds: readonly Value[], into: readonly Value[]): void {
    const api = this.#api;
    const values = new BigUint64Array(feeds.length + into.length);
    const made: Pointer[] = [];
    const tensorOf = (value: Value): Pointer => {
      if (value.storage.device !== undefined) return value.storage.device.pointer;
      const tensor = api.hostTensor(value);
      made.push(tensor);
      return tensor;
    };
    try {
      feeds.forEach((value, i) => (values[i] = tensorOf(value)));
      into.forEach((value, i) => (values[feeds.length + i] = tensorOf(value)));
      const [names, results] = [this.#inputs.pointers, values.subarray(feeds.length)];
      const options = this.#optionsOf(NO_GRAPH);
      api.call(
        "Run",
        this.#session,
        options,
        names,
        values,
        feeds.length,
        this.#outputs.pointers,
        into.length,
        results,
      );
    } finally {
      for (const tensor of made) api.release("ReleaseValue", tensor);
    }
  }

  /**
   * Leaves results on the device.
   *
   * @returns tensors in the order of the outputs, to release before the session is disposed of
   */
  runOnDevice(feeds: readonly Value[]): Pointer[] {
    const api = this.#api;
    const binding = api.make("CreateIoBinding", this.#session);
    const made: Pointer[] = [];
    try {
      feeds.forEach((value, i) => {
        let tensor = value.storage.device?.pointer;
        if (tensor === undefined) made.push((tensor = api.hostTensor(value)));
        api.call("BindInput", binding, this.#inputs.pointers[i]!, tensor);
      });
      for (const name of this.#outputs.pointers) api.call("BindOutputToDevice", binding, name, this.#device);
      api.call("RunWithBinding", this.#session, this.#optionsOf(NO_GRAPH), binding);
      return api.boundResults(binding, this.#outputs.pointers.length);
    } finally {
      for (const tensor of made) api.release("ReleaseValue", tensor);
      api.release("ReleaseIoBinding", binding);
    }
  }

  /**
   * Writes results into tensors of the device.
   *
   * @param feeds tensors of the device, or values in host memory
   * @param graph number of the CUDA graph that these tensors' addresses are captured in; where the session captures
   */
  runInto(feeds: readonly (Pointer | Value)[], into: readonly Pointer[], graph = NO_GRAPH): void {
    const api = this.#api;
    const binding = api.make("CreateIoBinding", this.#session);
    const made: Pointer[] = [];
    try {
      feeds.forEach((feed, i) => {
        let tensor = feed;
        if (typeof tensor !== "bigint") made.push((tensor = api.hostTensor(tensor)));
        api.call("BindInput", binding, this.#inputs.pointers[i]!, tensor);
      });
      into.forEach((tensor, i) => api.call("BindOutput", binding, this.#outputs.pointers[i]!, tensor));
      api.call("RunWithBinding", this.#session, this.#optionsOf(graph), binding);
    } finally {
      for (const tensor of made) api.release("ReleaseValue", tensor);
      api.release("ReleaseIoBinding", binding);
    }
  }

  #optionsOf(graph: number): Pointer | null {
    if (this.#graphs === undefined) return null;
    let options = this.#graphs.get(graph);
    if (options === undefined) {
      options = this.#api.make("CreateRunOptions");
      this.#graphs.set(graph, options);
      this.#api.call("AddRunConfigEntry", options, GRAPH_ID, String(graph));
    }
    return options;
  }

  /** Frees a result that was left on the device. */
  release(tensor: Pointer): void {
    this.#api.release("ReleaseValue", tensor);
  }

  dispose(): void {
    this.#api.release("ReleaseSession", this.#session);
    this.#api.release("ReleaseMemoryInfo", this.#device);
    for (const options of this.#graphs?.values() ?? []) this.#api.release("ReleaseRunOptions", options);
  }
}

/** The CUDA provider's options by ONNX Runtime's names. */
export function cudaOptions({ precision, cudaGraph }: Pick<OrtSettings, "precision" | "cudaGraph">): {
  readonly [name: string]: string;
} {
  return {
    // ONNX Runtime computes products in TF32 unless told
    use_tf32: precision === "tf32" ? "1" : "0",
    ...(cudaGraph ? { enable_cuda_graph: "1" } : {}),
  };
}

function appendCuda(api: CApi, options: Pointer, settings: SessionSettings): void {
  const cuda = api.make("CreateCudaOptions");
  try {
    const given = cudaOptions(settings);
    const [keys, values] = [new Names(Object.keys(given)), new Names(Object.values(given))];
    api.call("UpdateCudaOptions", cuda, keys.pointers, values.pointers, Object.keys(given).length);
    api.call("AppendCuda", options, cuda);
  } finally {
    api.release("ReleaseCudaOptions", cuda);
  }
}
