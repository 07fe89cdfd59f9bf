import type { KernelBackend, NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import { UserError } from "../../core/errors";
import { OrtBackend } from "./backend";
import { cpuBackend } from "./cpu";
import { runOnCpu } from "./fallback";
import type { KernelDef, KernelTable } from "./kernel";
import { attentionKernels } from "./kernels/attention";
import { binaryKernels } from "./kernels/binary";
import { convKernels } from "./kernels/conv";
import { fusedKernels } from "./kernels/fused";
import { indexKernels } from "./kernels/index";
import { matmulKernels } from "./kernels/matmul";
import { planeConvKernels } from "./kernels/plane-conv";
import { poolKernels } from "./kernels/pool";
import { reduceKernels } from "./kernels/reduce";
import { resizeKernels } from "./kernels/resize";
import { shapeKernels } from "./kernels/shape";
import { unaryKernels } from "./kernels/unary";
import { type OrtEngine, PROVIDERS } from "./provider";
import type { OrtSettings, OrtStats } from "./settings";
import { tf } from "./tf";

/** Every kernel the backend runs in ONNX Runtime. */
export const ortKernels: KernelTable = {
  ...unaryKernels,
  ...binaryKernels,
  ...reduceKernels,
  ...shapeKernels,
  ...matmulKernels,
  ...indexKernels,
  ...convKernels,
  ...planeConvKernels,
  ...poolKernels,
  ...resizeKernels,
  ...attentionKernels,
  ...fusedKernels,
};

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
    throw new UserError(`${name}(${describe(inputs)}): ${error instanceof Error ? error.message : String(error)}`);
  }
}

function registerKernel(engine: OrtEngine, name: string, def: KernelDef | undefined): void {
  if (def !== undefined) def.name = name;
  tf.registerKernel({
    kernelName: name,
    backendName: engine,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const ort = backend as OrtBackend;
      const recorded = def === undefined ? undefined : ort.call(def, inputs as never, (attrs ?? {}) as object);
      return recorded ?? fallBack(name, ort, inputs, (attrs ?? {}) as NamedAttrMap);
    },
  });
}

const instances = new Map<OrtEngine, OrtBackend>();

/** Registers an engine's backend with tfjs; a second call does nothing. */
export function registerOrt(engine: OrtEngine = "ort-cpu"): OrtBackend {
  const known = instances.get(engine);
  if (known !== undefined) return known;
  cpuBackend();
  const made = new OrtBackend(PROVIDERS[engine]);
  tf.registerBackend(engine, () => made as unknown as KernelBackend, 3);
  const missing = tf
    .getKernelsForBackend("cpu")
    .map((k) => k.kernelName)
    .filter((name) => !(name in ortKernels));
  for (const [name, def] of Object.entries(ortKernels)) registerKernel(engine, name, def);
  for (const name of missing) registerKernel(engine, name, undefined);
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
