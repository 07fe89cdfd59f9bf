import koffi from "koffi";
import type { Tensor as OrtTensor } from "onnxruntime-node";
import "onnxruntime-node/dist/binding";
import { ELEMENT, type ElementType } from "../lower/onnx";
import { besideBinding } from "./libraries";

// The binding of onnxruntime-node copies every result into an array of its own, preallocated ones too: about a tenth of
// a training step, and as much memory again as the results need. The C library that it loads runs straight on the
// caller's buffers, and on threads that sessions share.

/** The library that the binding has loaded already, so that this process has one ONNX Runtime. */
const LIBRARY: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: "libonnxruntime.so.1",
  darwin: "libonnxruntime.1.dylib",
  win32: "onnxruntime.dll",
};

/** A version of the table that has all of `FUNCTIONS`; later ones only append to it. */
const API_VERSION = 8;
const POINTER_BYTES = 8;

/** Values of onnxruntime_c_api.h. */
const LOG_ERRORS = 3;
const OPTIMISE_ALL = 99;
const ARENA_ALLOCATOR = 1;
const DEFAULT_MEMORY = 0;

/**
 * Functions of `OrtApi` by their place in its table. All but the releases and `GetErrorMessage` return a status, null
 * when all is well.
 */
const STATUS = "void *";
const FUNCTIONS = {
  GetErrorMessage: [2, "str", ["void *"]],
  CreateSessionFromArray: [8, STATUS, ["void *", "void *", "size_t", "void *", "void *"]],
  Run: [9, STATUS, ["void *", "void *", "void *", "void *", "size_t", "void *", "size_t", "void *"]],
  CreateSessionOptions: [10, STATUS, ["void *"]],
  EnableProfiling: [14, STATUS, ["void *", process.platform === "win32" ? "str16" : "str"]],
  DisableMemPattern: [17, STATUS, ["void *"]],
  SetSessionLogSeverityLevel: [22, STATUS, ["void *", "int"]],
  SetSessionGraphOptimizationLevel: [23, STATUS, ["void *", "int"]],
  SetIntraOpNumThreads: [24, STATUS, ["void *", "int"]],
  CreateTensorWithDataAsOrtValue: [49, STATUS, ["void *", "void *", "size_t", "void *", "size_t", "int", "void *"]],
  CreateCpuMemoryInfo: [69, STATUS, ["int", "int", "void *"]],
  ReleaseStatus: [93, "void", ["void *"]],
  ReleaseSession: [95, "void", ["void *"]],
  ReleaseValue: [96, "void", ["void *"]],
  ReleaseSessionOptions: [100, "void", ["void *"]],
  CreateEnvWithGlobalThreadPools: [119, STATUS, ["int", "str", "void *", "void *"]],
  DisablePerSessionThreads: [120, STATUS, ["void *"]],
  CreateThreadingOptions: [121, STATUS, ["void *"]],
  ReleaseThreadingOptions: [122, "void", ["void *"]],
  SetGlobalIntraOpNumThreads: [147, STATUS, ["void *", "int"]],
  SetGlobalInterOpNumThreads: [148, STATUS, ["void *", "int"]],
} as const satisfies Record<string, readonly [number, string, readonly string[]]>;

type Pointer = bigint;
type Argument = Pointer | number | string | ArrayBufferView | null;

class CApi {
  readonly #out = new BigUint64Array(1);
  readonly #functions: Readonly<Record<keyof typeof FUNCTIONS, (...args: Argument[]) => unknown>>;
  readonly env: Pointer;
  readonly memory: Pointer;

  /** @param threads in the pool that sessions share */
  constructor(readonly threads: number) {
    const name = LIBRARY[process.platform];
    if (name === undefined) throw new Error(`onnxruntime-node has no library for ${process.platform}`);
    const base = koffi.load(besideBinding(name)).func("OrtGetApiBase", "void *", [])() as Pointer;
    const table = koffi.call(koffi.decode(base, "void *"), koffi.proto("void *", ["uint32_t"]), API_VERSION) as Pointer;
    const functions = Object.entries(FUNCTIONS).map(
      ([key, [place, result, parameters]]) =>
        [
          key,
          koffi.decode(koffi.decode(table, place * POINTER_BYTES, "void *"), koffi.proto(result, [...parameters])),
        ] as const,
    );
    this.#functions = Object.fromEntries(functions) as Record<keyof typeof FUNCTIONS, (...args: Argument[]) => unknown>;
    // neither is released: sessions may live until the process ends
    this.env = this.#environment();
    this.memory = this.make("CreateCpuMemoryInfo", ARENA_ALLOCATOR, DEFAULT_MEMORY);
  }

  /** @throws Error with ONNX Runtime's message */
  call(name: keyof typeof FUNCTIONS, ...args: Argument[]): void {
    const status = this.#functions[name](...args) as Pointer | null;
    if (status === null) return;
    const message = this.#functions.GetErrorMessage(status) as string;
    this.#functions.ReleaseStatus(status);
    throw new Error(message);
  }

  /** What a function writes to its last parameter. */
  make(name: keyof typeof FUNCTIONS, ...args: Argument[]): Pointer {
    this.call(name, ...args, this.#out);
    return this.#out[0]!;
  }

  release(
    name: "ReleaseSession" | "ReleaseValue" | "ReleaseSessionOptions" | "ReleaseThreadingOptions",
    pointer: Pointer,
  ): void {
    this.#functions[name](pointer);
  }

  #environment(): Pointer {
    const options = this.make("CreateThreadingOptions");
    try {
      this.call("SetGlobalIntraOpNumThreads", options, this.threads);
      this.call("SetGlobalInterOpNumThreads", options, 1);
      return this.make("CreateEnvWithGlobalThreadPools", LOG_ERRORS, "tfjs-backend-ort", options);
    } finally {
      this.release("ReleaseThreadingOptions", options);
    }
  }
}

let loaded: CApi | undefined;

/**
 * Loads the library and makes ONNX Runtime's environment, of which a process has one: the binding takes it as it finds
 * it.
 *
 * @param threads in the pool that sessions share, of the first call
 */
export function openLibrary(threads: number): CApi {
  return (loaded ??= new CApi(threads));
}

/** Zero-terminated strings one after the other, and a pointer to each. */
class Names {
  readonly pointers: BigUint64Array;
  /** Where they point to. */
  readonly #text: Buffer;

  constructor(names: readonly string[]) {
    this.#text = Buffer.from(names.map((name) => `${name}\0`).join(""));
    let at = koffi.address(this.#text);
    this.pointers = BigUint64Array.from(names, (name) => {
      const start = at;
      at += BigInt(Buffer.byteLength(name) + 1);
      return start;
    });
  }
}

export interface HostSessionOptions {
  /** Threads inside one node: those of the process's pool, or of the session's own where it is another number. */
  readonly threads: number;
  /** Beginning of the name of a file for ONNX Runtime's account of the runs. */
  readonly profile: string | undefined;
}

/** A program on ONNX Runtime's CPU provider that reads and writes the buffers of its caller. */
export class HostSession {
  readonly #api: CApi;
  readonly #inputs: Names;
  readonly #outputs: Names;
  readonly #session: Pointer;
  readonly #dims = new BigInt64Array(16);

  /**
   * @param model bytes of an ONNX file
   * @throws Error with ONNX Runtime's message
   */
  constructor(
    model: Uint8Array,
    inputs: readonly string[],
    outputs: readonly string[],
    { threads, profile }: HostSessionOptions,
  ) {
    this.#inputs = new Names(inputs);
    this.#outputs = new Names(outputs);
    this.#api = openLibrary(threads);
    const api = this.#api;
    const options = api.make("CreateSessionOptions");
    try {
      // Threads of a session's own spin a while after each run, in the way of the next session's: 500 small programs
      // took 16 times as long.
      if (threads === api.threads) api.call("DisablePerSessionThreads", options);
      else api.call("SetIntraOpNumThreads", options, threads);
      api.call("SetSessionGraphOptimizationLevel", options, OPTIMISE_ALL);
      api.call("SetSessionLogSeverityLevel", options, LOG_ERRORS);
      // Memory patterns cost 40 % more resident memory for 2 % of speed.
      api.call("DisableMemPattern", options);
      if (profile !== undefined) api.call("EnableProfiling", options, profile);
      this.#session = api.make("CreateSessionFromArray", api.env, model, model.byteLength, options);
    } finally {
      api.release("ReleaseSessionOptions", options);
    }
  }

  /** Runs synchronously. @throws Error with ONNX Runtime's message */
  run(feeds: readonly OrtTensor[], into: readonly OrtTensor[]): void {
    const api = this.#api;
    const values = new BigUint64Array(feeds.length + into.length);
    let made = 0;
    try {
      for (const tensor of feeds) values[made++] = this.#value(api, tensor);
      for (const tensor of into) values[made++] = this.#value(api, tensor);
      const results = values.subarray(feeds.length);
      api.call(
        "Run",
        this.#session,
        null,
        this.#inputs.pointers,
        values,
        feeds.length,
        this.#outputs.pointers,
        into.length,
        results,
      );
    } finally {
      for (const value of values.subarray(0, made)) api.release("ReleaseValue", value);
    }
  }

  dispose(): void {
    this.#api.release("ReleaseSession", this.#session);
  }

  /** A tensor on the caller's buffer, which must live as long. */
  #value(api: CApi, { type, dims, data }: OrtTensor): Pointer {
    dims.forEach((d, i) => (this.#dims[i] = BigInt(d)));
    const numbers = data as Float32Array;
    return api.make(
      "CreateTensorWithDataAsOrtValue",
      api.memory,
      numbers,
      numbers.byteLength,
      this.#dims,
      dims.length,
      ELEMENT[type as ElementType],
    );
  }
}
