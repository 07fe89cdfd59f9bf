import { dirname, sep } from "node:path";
import type { OrtEngine } from "tfjs-backend-ort";
import { completeFromCpu, cpuBackend, tf } from "tfjs-backend-ort/ops";
import { UserError, unknownName } from "../core/errors";

/** What can run the tensors, best first. */
export const ENGINES = ["ort-cuda", "ort-webgpu", "ort-cpu", "tensorflow", "wasm", "cpu"] as const;
export type EngineName = (typeof ENGINES)[number];

/** Those that can compute matrix products in half precision, on devices that have it. */
const HALVES: readonly EngineName[] = ["ort-webgpu"];

export interface EngineRequest {
  readonly engine?: EngineName;
  /** Threads inside one operation, for engines that can be told; all cores unless given. */
  readonly threads?: number;
  /** Compute matrix products in half precision; S2_ENGINE_HALF=1 asks for it too. */
  readonly half?: boolean;
}

type Wanted = Pick<EngineRequest, "threads"> & { readonly half: boolean };

export interface EngineChoice {
  readonly engine: EngineName;
  readonly why: string;
  readonly rejected: readonly { readonly engine: EngineName; readonly why: string }[];
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]!.trim();

async function startOrt(engine: OrtEngine, { threads, half }: Wanted): Promise<void> {
  const { configureOrt, probe, registerOrt } = await import("tfjs-backend-ort");
  if (engine !== "ort-cpu" && !running(engine)) await probe({ engine, half: false });
  if (half && HALVES.includes(engine))
    await probe({ engine, half }).catch((error: unknown) => {
      throw new NoHalf(engine, firstLine(error));
    });
  registerOrt(engine);
  configureOrt({ half, ...(threads === undefined ? {} : { threads }) }, engine);
}

/** tfjs knows the engine already: it was started and tried before. */
const running = (engine: EngineName): boolean => tf.engine().registryFactory[engine] !== undefined;

/** Half precision was asked for and is not there: never silently something else. */
class NoHalf extends UserError {
  constructor(engine: EngineName, why: string) {
    super(
      `${engine}: no half precision on this device (${why}); unset S2_ENGINE_HALF, or name another engine in S2_ENGINE`,
    );
  }
}

async function startCuda(wanted: Wanted): Promise<void> {
  const { cudaProvider } = await import("tfjs-backend-ort");
  if (cudaProvider() === undefined) throw new Error("onnxruntime-node's CUDA provider is not installed");
  await startOrt("ort-cuda", wanted);
}

/** Where nobody asked for it, a driver that computes on the processor is not taken: the CPU provider is faster. */
async function startWebGpu(wanted: Wanted, asked: boolean): Promise<void> {
  const { findAdapter, prepareVulkan } = await import("tfjs-backend-ort");
  const adapter = findAdapter();
  if (!asked && adapter.kind !== "hardware") throw new Error(adapter.why);
  if (!prepareVulkan()) throw new Error(`${adapter.why}, and no software driver either (Chromium brings one)`);
  await startOrt("ort-webgpu", wanted);
}

async function startTensorflow(): Promise<void> {
  // The package calls a function that Node 23 removed.
  const util = (await import("node:util")) as { default: object } as { default: Record<string, unknown> };
  util.default.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  const name = "@tensorflow/tfjs-node-gpu";
  try {
    await import(name);
  } catch (error) {
    const missing =
      (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND" ||
      (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
    throw missing && firstLine(error).includes(name) ? new Error(`${name} is not installed`) : error;
  }
}

async function startWasm(): Promise<void> {
  const wasm = await import("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + sep);
  completeFromCpu("wasm");
}

async function startCpu(): Promise<void> {
  cpuBackend();
}

/**
 * Makes an engine ready and current. The request decides, then S2_ENGINE, else the best that starts.
 *
 * @throws UserError when the engine asked for does not start, or none does
 */
export async function chooseEngine(request: EngineRequest = {}): Promise<EngineChoice> {
  const named = process.env.S2_ENGINE || undefined;
  const wanted = named ?? request.engine;
  if (wanted !== undefined && !(ENGINES as readonly string[]).includes(wanted))
    throw unknownName(named === undefined ? "engine" : "engine in S2_ENGINE", wanted, ENGINES);
  if (request.threads !== undefined && (!Number.isInteger(request.threads) || request.threads < 1)) {
    throw new UserError(`engine threads must be a whole number of at least 1, got ${request.threads}`, 2);
  }
  const asked: Wanted = { threads: request.threads, half: request.half ?? process.env.S2_ENGINE_HALF === "1" };
  const start: Record<EngineName, () => Promise<void>> = {
    "ort-cuda": () => startCuda(asked),
    "ort-webgpu": () => startWebGpu(asked, wanted === "ort-webgpu"),
    "ort-cpu": () => startOrt("ort-cpu", asked),
    tensorflow: startTensorflow,
    wasm: startWasm,
    cpu: startCpu,
  };
  // The plain JavaScript engine is right and far too slow to be taken by itself.
  const candidates = wanted === undefined ? ENGINES.filter((e) => e !== "cpu") : [wanted as EngineName];
  const rejected: { engine: EngineName; why: string }[] = [];
  for (const engine of candidates) {
    try {
      await start[engine]();
      if (asked.half && !HALVES.includes(engine)) throw new NoHalf(engine, "it computes in single precision only");
      if (!(await tf.setBackend(engine))) throw new Error(`the ${engine} backend did not initialise`);
      await tf.ready();
      const why =
        named !== undefined ? "S2_ENGINE names it" : request.engine !== undefined ? "asked for" : "first that starts";
      return { engine, why, rejected };
    } catch (error) {
      if (error instanceof NoHalf) throw error;
      rejected.push({ engine, why: firstLine(error) });
    }
  }
  const reasons = rejected.map((r) => `${r.engine}: ${r.why}`).join("; ");
  throw new UserError(
    wanted === undefined
      ? `no engine starts (${reasons}); run npm install again`
      : `engine ${reasons}; choose another with S2_ENGINE (${ENGINES.join(", ")}) or none to let the lab choose`,
  );
}
