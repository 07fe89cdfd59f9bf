import { dirname, sep } from "node:path";
import { UserError, unknownName } from "../core/errors";
import { tf } from "./tf";

/** What can run the tensors, best first. */
export const ENGINES = ["ort-cpu", "tensorflow", "wasm", "cpu"] as const;
export type EngineName = (typeof ENGINES)[number];

export interface EngineRequest {
  readonly engine?: EngineName;
  /** Threads inside one operation, for engines that can be told; all cores unless given. */
  readonly threads?: number;
}

export interface EngineChoice {
  readonly engine: EngineName;
  readonly why: string;
  readonly rejected: readonly { readonly engine: EngineName; readonly why: string }[];
}

const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split("\n")[0]!.trim();

async function startOrt(threads: number | undefined): Promise<void> {
  const { configureOrt, registerOrt } = await import("./ort/register");
  registerOrt();
  if (threads !== undefined) configureOrt({ threads });
}

async function startTensorflow(): Promise<void> {
  // The package calls a function that Node 23 removed.
  const util = (await import("node:util")) as unknown as { default: Record<string, unknown> };
  util.default["isNullOrUndefined"] ??= (value: unknown) => value === null || value === undefined;
  const name = "@tensorflow/tfjs-node-gpu";
  try {
    await import(name);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND" || (error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND";
    throw missing && firstLine(error).includes(name) ? new Error(`${name} is not installed`) : error;
  }
}

async function startWasm(): Promise<void> {
  const wasm = await import("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + sep);
  const { completeFromCpu } = await import("./fallback");
  completeFromCpu("wasm");
}

async function startCpu(): Promise<void> {
  (await import("./cpu")).cpuBackend();
}

/**
 * Makes an engine ready and current. The request decides, then S2_ENGINE, else the best that starts.
 *
 * @throws UserError when the engine asked for does not start, or none does
 */
export async function chooseEngine(request: EngineRequest = {}): Promise<EngineChoice> {
  const named = process.env["S2_ENGINE"] || undefined;
  const wanted = named ?? request.engine;
  if (wanted !== undefined && !(ENGINES as readonly string[]).includes(wanted)) throw unknownName(named === undefined ? "engine" : "engine in S2_ENGINE", wanted, ENGINES);
  if (request.threads !== undefined && (!Number.isInteger(request.threads) || request.threads < 1)) {
    throw new UserError(`engine threads must be a whole number of at least 1, got ${request.threads}`, 2);
  }
  const start: Record<EngineName, () => Promise<void>> = {
    "ort-cpu": () => startOrt(request.threads),
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
      if (!(await tf.setBackend(engine))) throw new Error(`the ${engine} backend did not initialise`);
      await tf.ready();
      const why = named !== undefined ? "S2_ENGINE names it" : request.engine !== undefined ? "asked for" : "first that starts";
      return { engine, why, rejected };
    } catch (error) {
      rejected.push({ engine, why: firstLine(error) });
    }
  }
  const reasons = rejected.map((r) => `${r.engine}: ${r.why}`).join("; ");
  throw new UserError(
    wanted === undefined ? `no engine starts (${reasons}); run npm install again` : `engine ${reasons}; choose another with S2_ENGINE (${ENGINES.join(", ")}) or none to let the lab choose`,
  );
}
