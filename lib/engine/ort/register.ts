import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import { BackendError } from "./errors";
import { cpuBackend, runOnCpu } from "./fallback";
import { ortKernels } from "./kernels/table";
import { type OrtEngine, PROVIDERS } from "./runtime/provider";
import type { OrtSettings, OrtStats } from "./runtime/settings";
import { tf } from "./tf";
import { OrtBackend } from "./trace/backend";

const told = new Set<string>();

function describe(inputs: unknown): string {
  return Object.entries(inputs as Record<string, TensorInfo | null | undefined>)
    .filter(([, t]) => t != null && "shape" in t)
    .map(([name, t]) => `${name} [${t!.shape.join(", ")}] ${t!.dtype}`)
    .join(", ");
}

/** Runs a kernel that ONNX does not cover in plain JavaScript: counted, and said once on stderr. */
function fallBack(name: string, backend: OrtBackend, inputs: unknown, attrs: NamedAttrMap): TensorInfo | TensorInfo[] {
  const { engine } = backend.provider;
  backend.countFallback(name);
  if (!told.has(`${engine} ${name}`)) {
    told.add(`${engine} ${name}`);
    process.stderr.write(
      `${engine}: ${name}(${describe(inputs)}) runs in plain JavaScript, which is slow in a training step\n`,
    );
  }
  try {
    return runOnCpu(name, backend, inputs, attrs);
  } catch (error) {
    throw new BackendError(`${name}(${describe(inputs)}): ${error instanceof Error ? error.message : String(error)}`);
  }
}

function registerKernel(engine: OrtEngine, name: string): void {
  const covered = name in ortKernels;
  tf.registerKernel({
    kernelName: name,
    backendName: engine,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const ort = backend as OrtBackend;
      const traced = covered ? ort.call(name, inputs as never, (attrs ?? {}) as object) : undefined;
      return traced ?? fallBack(name, ort, inputs, (attrs ?? {}) as NamedAttrMap);
    },
  });
}

const instances = new Map<OrtEngine, OrtBackend>();

/** Registers an engine's backend with tfjs; a second call does nothing. */
export function registerOrt(engine: OrtEngine = "ort-cpu"): OrtBackend {
  const known = instances.get(engine);
  if (known !== undefined) return known;
  cpuBackend();
  const made = new OrtBackend(PROVIDERS[engine], ortKernels);
  tf.registerBackend(engine, () => made, 3);
  const names = tf.getKernelsForBackend("cpu").map((k) => k.kernelName);
  for (const name of new Set([...Object.keys(ortKernels), ...names])) registerKernel(engine, name);
  instances.set(engine, made);
  return made;
}

/** Changes a backend's settings; those that shape graphs drop the compiled ones. */
export function configureOrt(change: Partial<OrtSettings>, engine?: OrtEngine): void {
  registerOrt(engine).configure(change);
}

/** What a backend did so far. */
export function ortStats(engine?: OrtEngine): OrtStats {
  return registerOrt(engine).stats();
}

export function resetOrtStats(engine?: OrtEngine): void {
  registerOrt(engine).resetStats();
}
