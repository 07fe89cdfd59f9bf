import koffi from "koffi";
import type { Value } from "../ir";
import { ELEMENT } from "../lower/onnx";
import { besideBinding } from "./libraries";

// The binding of onnxruntime-node copies every result into an array of its own, preallocated ones too: about a tenth of
// a training step, and as much memory again as the results need; and it keeps results on a device for WebGPU only. The
// C library that it brings runs straight on the caller's buffers, binds results to any device, and has threads that
// sessions share.

const LIBRARY: Readonly<Partial<Record<NodeJS.Platform, string>>> = {
  linux: "libonnxruntime.so.1",
  darwin: "libonnxruntime.1.dylib",
  win32: "onnxruntime.dll",
};

/** A version of the table that has all of `FUNCTIONS`; later ones only append to it. */
const API_VERSION = 11;
const POINTER_BYTES = 8;

/** Values of onnxruntime_c_api.h. */
export const LOG_ERRORS = 3;
export const OPTIMISE_ALL = 99;
const DEVICE_ALLOCATOR = 0;
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
  CreateRunOptions: [39, STATUS, ["void *"]],
  CreateTensorWithDataAsOrtValue: [49, STATUS, ["void *", "void *", "size_t", "void *", "size_t", "int", "void *"]],
  CreateMemoryInfo: [68, STATUS, ["str", "int", "int", "int", "void *"]],
  CreateCpuMemoryInfo: [69, STATUS, ["int", "int", "void *"]],
  AllocatorFree: [76, STATUS, ["void *", "void *"]],
  GetAllocatorWithDefaultOptions: [78, STATUS, ["void *"]],
  ReleaseStatus: [93, "void", ["void *"]],
  ReleaseMemoryInfo: [94, "void", ["void *"]],
  ReleaseSession: [95, "void", ["void *"]],
  ReleaseValue: [96, "void", ["void *"]],
  ReleaseRunOptions: [97, "void", ["void *"]],
  ReleaseSessionOptions: [100, "void", ["void *"]],
  CreateEnvWithGlobalThreadPools: [119, STATUS, ["int", "str", "void *", "void *"]],
  DisablePerSessionThreads: [120, STATUS, ["void *"]],
  CreateThreadingOptions: [121, STATUS, ["void *"]],
  ReleaseThreadingOptions: [122, "void", ["void *"]],
  AddSessionConfigEntry: [130, STATUS, ["void *", "str", "str"]],
  RunWithBinding: [133, STATUS, ["void *", "void *", "void *"]],
  CreateIoBinding: [134, STATUS, ["void *", "void *"]],
  ReleaseIoBinding: [135, "void", ["void *"]],
  BindInput: [136, STATUS, ["void *", "void *", "void *"]],
  BindOutput: [137, STATUS, ["void *", "void *", "void *"]],
  BindOutputToDevice: [138, STATUS, ["void *", "void *", "void *"]],
  GetBoundOutputValues: [140, STATUS, ["void *", "void *", "void *", "void *"]],
  SetGlobalIntraOpNumThreads: [147, STATUS, ["void *", "int"]],
  SetGlobalInterOpNumThreads: [148, STATUS, ["void *", "int"]],
  AddRunConfigEntry: [165, STATUS, ["void *", "str", "str"]],
  AppendCuda: [204, STATUS, ["void *", "void *"]],
  CreateCudaOptions: [205, STATUS, ["void *"]],
  UpdateCudaOptions: [206, STATUS, ["void *", "void *", "void *", "size_t"]],
  ReleaseCudaOptions: [208, "void", ["void *"]],
  AppendProvider: [216, STATUS, ["void *", "str", "void *", "void *", "size_t"]],
} as const satisfies Record<string, readonly [number, string, readonly string[]]>;

/** Where ONNX Runtime keeps an object. */
export type Pointer = bigint;
type Release = Extract<keyof typeof FUNCTIONS, `Release${string}`>;
type Argument = Pointer | number | string | ArrayBufferView | null;

/** ONNX Runtime's C library. */
export class CApi {
  /** Held: koffi unloads a library that nobody holds. */
  readonly #library: ReturnType<typeof koffi.load>;
  readonly #dims = new BigInt64Array(16);
  readonly #out = new BigUint64Array(1);
  readonly #functions: Readonly<Record<keyof typeof FUNCTIONS, (...args: Argument[]) => unknown>>;
  readonly env: Pointer;
  /** The description of host memory. */
  readonly memory: Pointer;
  readonly #allocator: Pointer;

  /** @param threads in the pool that sessions share */
  constructor(readonly threads: number) {
    const name = LIBRARY[process.platform];
    if (name === undefined) throw new Error(`onnxruntime-node has no library for ${process.platform}`);
    // Since 1.30 the library reports sessions and models to Microsoft, under an identifier that it keeps in the home
    // folder, unless this says otherwise when it starts.
    process.env.ORT_DISABLE_TELEMETRY ??= "1";
    this.#library = koffi.load(besideBinding(name));
    const base = this.#library.func("OrtGetApiBase", "void *", [])() as Pointer;
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
    this.#allocator = this.make("GetAllocatorWithDefaultOptions");
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

  release(name: Release, pointer: Pointer): void {
    this.#functions[name](pointer);
  }

  /** A tensor on a value's buffer in host memory, which must live as long. */
  hostTensor({ dtype, shape, storage }: Value): Pointer {
    shape.forEach((d, i) => (this.#dims[i] = BigInt(d)));
    const data = storage.data!;
    const { memory } = this;
    const place = "CreateTensorWithDataAsOrtValue";
    return this.make(place, memory, data, data.byteLength, this.#dims, shape.length, ELEMENT[dtype]);
  }

  /** The memory of a device, by ONNX Runtime's name for it. */
  deviceMemory(name: string): Pointer {
    return this.make("CreateMemoryInfo", name, DEVICE_ALLOCATOR, 0, DEFAULT_MEMORY);
  }

  /** What a run left in a binding, in the order of its outputs; to be released. */
  boundResults(binding: Pointer, count: number): Pointer[] {
    const list = new BigUint64Array(1);
    const length = new BigUint64Array(1);
    this.call("GetBoundOutputValues", binding, this.#allocator, list, length);
    const results = Array.from(
      { length: count },
      (_, i) => koffi.decode(list[0]!, i * POINTER_BYTES, "void *") as Pointer,
    );
    this.call("AllocatorFree", this.#allocator, list[0]!);
    return results;
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
 * Loads the library and makes ONNX Runtime's environment, of which a process has one.
 *
 * @param threads in the pool that sessions share, of the first call
 */
export function openLibrary(threads: number): CApi {
  return (loaded ??= new CApi(threads));
}

/** Zero-terminated strings one after the other, and a pointer to each. */
export class Names {
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
