import { dirname, sep } from "node:path";
import type { OrtEngine } from "tfjs-backend-ort";
import { completeFromCpu, cpuBackend, PRECISIONS, PROVIDERS, type Precision, tf } from "tfjs-backend-ort/ops";
import { UserError, unknownName } from "../core/errors";
import { findInstalled, installCommand, type Manifest } from "./install/installed";
import { hasNvidiaCard, type NvidiaGpu, nvidiaGpus } from "./nvidia";

export { PRECISIONS, type Precision };

/** What can run the tensors, best first. */
export const ENGINES = ["ort-cuda", "ort-webgpu", "ort-cpu", "tensorflow", "wasm", "cpu"] as const;
export type EngineName = (typeof ENGINES)[number];

/** What each engine can compute matrix products in, as far as its device has it. */
const PRECISIONS_OF: Readonly<Record<EngineName, readonly Precision[]>> = {
  "ort-cuda": PROVIDERS["ort-cuda"].precisions,
  "ort-webgpu": PROVIDERS["ort-webgpu"].precisions,
  "ort-cpu": PROVIDERS["ort-cpu"].precisions,
  tensorflow: ["float32", "tf32"],
  wasm: ["float32"],
  cpu: ["float32"],
};

/** In what an engine differs from the others, for those who read its numbers. */
export const ENGINE_LIMITS: Readonly<Partial<Record<EngineName, string>>> = {
  "ort-webgpu": "its shaders may hide NaN in relu, clipping, signs, softmax and logSumExp",
};

export interface EngineRequest {
  readonly engine?: EngineName;
  /** Threads inside one operation, for engines that can be told; all cores unless given. */
  readonly threads?: number;
  /** In what matrix products are computed; else S2_ENGINE_PRECISION decides, else it is float32. */
  readonly precision?: Precision;
}

type Wanted = Pick<EngineRequest, "threads"> & { readonly precision: Precision };

export interface EngineChoice {
  readonly engine: EngineName;
  readonly why: string;
  readonly rejected: readonly { readonly engine: EngineName; readonly why: string }[];
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]!.trim();

async function startOrt(engine: OrtEngine, { threads, precision }: Wanted): Promise<void> {
  const { configureOrt, probe, registerOrt } = await import("tfjs-backend-ort");
  if (engine !== "ort-cpu" && !running(engine)) await probe({ engine, precision: "float32" });
  if (precision !== "float32")
    await probe({ engine, precision }).catch((error: unknown) => {
      throw new NoPrecision(engine, precision, firstLine(error));
    });
  registerOrt(engine);
  configureOrt({ precision, ...(threads === undefined ? {} : { threads }) }, engine);
}

/** tfjs knows the engine already: it was started and tried before. */
const running = (engine: EngineName): boolean => tf.engine().registryFactory[engine] !== undefined;

/** Another precision was asked for and is not there: never silently something else. */
class NoPrecision extends UserError {
  constructor(engine: EngineName, precision: Precision, why: string) {
    super(
      `${engine}: no ${precision} on this device (${why}); set S2_ENGINE_PRECISION=float32 or none, ` +
        "or name another engine in S2_ENGINE",
    );
  }
}

/** @throws UserError for a precision that nobody knows, and for the variable that this one replaced */
function wantedPrecision(request: EngineRequest): Precision {
  if ((process.env.S2_ENGINE_HALF ?? "") !== "")
    throw new UserError("S2_ENGINE_HALF is no more; unset it and set S2_ENGINE_PRECISION=fp16 for half precision", 2);
  const named = process.env.S2_ENGINE_PRECISION || undefined;
  const precision = request.precision ?? named ?? "float32";
  if (!(PRECISIONS as readonly string[]).includes(precision))
    throw unknownName(
      request.precision === undefined ? "precision in S2_ENGINE_PRECISION" : "precision",
      precision,
      PRECISIONS,
    );
  return precision as Precision;
}

let current: Precision = "float32";

/** In what the engine that runs now computes matrix products. */
export function enginePrecision(): Precision {
  return current;
}

/** What avoids numbers that overflow; nothing where products are computed in float32. fp16 ends at 65,504. */
export function overflowAdvice(engine = tf.getBackend(), precision = current): string {
  if (precision === "float32") return "";
  const wider = precision === "fp16" && engine === "ort-cuda" ? "bf16 (or float32)" : "float32";
  return `products are computed in ${precision}: set S2_ENGINE_PRECISION=${wider}, `;
}

async function startCuda(wanted: Wanted): Promise<void> {
  const { useCuda } = await import("./install/cuda");
  useCuda();
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

async function startTensorflow({ threads, precision }: Wanted): Promise<void> {
  // TensorFlow computes in TF32 unless told; cuBLAS and cuDNN read this when they are loaded
  if (precision === "float32") process.env.NVIDIA_TF32_OVERRIDE = "0";
  const { startTensorflow: start } = await import("./tensorflow/start");
  start(threads);
}

async function startWasm(): Promise<void> {
  const wasm = await import("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + sep);
  completeFromCpu("wasm");
}

async function startCpu(): Promise<void> {
  cpuBackend();
}

/** How the installed TensorFlow was made; one that does not fit this lab is none. */
function tensorflowRecipe(): Manifest["recipe"] | undefined {
  try {
    return findInstalled("tensorflow")?.recipe;
  } catch {
    return undefined;
  }
}

/**
 * What is tried, in this order: TensorFlow goes before the processor where it may see a GPU. The plain JavaScript
 * engine is right and far too slow to be taken by itself.
 */
export function candidatesFor(gpus: readonly NvidiaGpu[], tensorflow: Manifest["recipe"] | undefined): EngineName[] {
  return gpus.length > 0 && tensorflow === "tensorflow-cuda"
    ? ["ort-cuda", "ort-webgpu", "tensorflow", "ort-cpu", "wasm"]
    : ENGINES.filter((engine) => engine !== "cpu");
}

/** One line about a GPU that is here while the engine computes on the processor, with what would change it. */
export function unusedGpu(
  engine: EngineName,
  gpus: readonly NvidiaGpu[] = nvidiaGpus(),
  card: boolean = hasNvidiaCard(),
): string | undefined {
  if (engine === "ort-cuda" || engine === "ort-webgpu") return undefined;
  if (engine === "tensorflow" && tensorflowRecipe() === "tensorflow-cuda") return undefined;
  if (gpus.length > 0)
    return `${gpus[0]!.name} is not used, ${engine} computes on the processor: ${installCommand("cuda")}`;
  return card
    ? `an NVIDIA card is not used, it has no driver: install it (Debian: apt-get install nvidia-driver), then ` +
        installCommand("cuda")
    : undefined;
}

/** The first line of a training where a GPU is idle. */
export function sayUnusedGpu(engine: EngineName): void {
  const line = unusedGpu(engine);
  if (line !== undefined) process.stderr.write(`${line}\n`);
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
  const asked: Wanted = { threads: request.threads, precision: wantedPrecision(request) };
  const start: Record<EngineName, () => Promise<void>> = {
    "ort-cuda": () => startCuda(asked),
    "ort-webgpu": () => startWebGpu(asked, wanted === "ort-webgpu"),
    "ort-cpu": () => startOrt("ort-cpu", asked),
    tensorflow: () => startTensorflow(asked),
    wasm: startWasm,
    cpu: startCpu,
  };
  const candidates = wanted === undefined ? candidatesFor(nvidiaGpus(), tensorflowRecipe()) : [wanted as EngineName];
  const rejected: { engine: EngineName; why: string }[] = [];
  for (const engine of candidates) {
    try {
      const precisions = PRECISIONS_OF[engine];
      if (!precisions.includes(asked.precision) && engine === wanted)
        throw new NoPrecision(engine, asked.precision, `it computes in ${precisions.join(" or ")}`);
      if (!precisions.includes(asked.precision)) throw new Error(`it computes in ${precisions.join(" or ")}`);
      await start[engine]();
      if (!(await tf.setBackend(engine))) throw new Error(`the ${engine} backend did not initialise`);
      await tf.ready();
      if (engine === "tensorflow" && wanted === undefined && candidates.indexOf(engine) < candidates.indexOf("ort-cpu"))
        if (!(tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice)
          throw new Error("TensorFlow sees no GPU, and ort-cpu is faster on the processor");
      current = asked.precision;
      const why =
        named !== undefined ? "S2_ENGINE names it" : request.engine !== undefined ? "asked for" : "first that starts";
      return { engine, why, rejected };
    } catch (error) {
      if (error instanceof NoPrecision) throw error;
      rejected.push({ engine, why: firstLine(error) });
    }
  }
  const reasons = rejected.map((r) => `${r.engine}: ${r.why}`).join("; ");
  if (wanted === undefined && asked.precision !== "float32")
    throw new UserError(
      `no engine here computes in ${asked.precision} (${reasons}); set S2_ENGINE_PRECISION=float32 or none`,
    );
  throw new UserError(
    wanted === undefined
      ? `no engine starts (${reasons}); run npm install again`
      : `engine ${reasons}; choose another with S2_ENGINE (${ENGINES.join(", ")}) or none to let the lab choose`,
  );
}
