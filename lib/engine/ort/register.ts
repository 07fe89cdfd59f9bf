import type { KernelBackend, NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import { UserError } from "../../core/errors";
import { cpuBackend } from "../cpu";
import { runOnCpu } from "../fallback";
import { tf } from "../tf";
import { ORT, OrtBackend } from "./backend";
import type { KernelDef, KernelTable } from "./kernel";
import { binaryKernels } from "./kernels/binary";
import { convKernels } from "./kernels/conv";
import { fusedKernels } from "./kernels/fused";
import { indexKernels } from "./kernels/index";
import { matmulKernels } from "./kernels/matmul";
import { planeConvKernels } from "./kernels/plane-conv";
import { reduceKernels } from "./kernels/reduce";
import { resizeKernels } from "./kernels/resize";
import { shapeKernels } from "./kernels/shape";
import { unaryKernels } from "./kernels/unary";
import type { OrtSettings, OrtStats } from "./settings";

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
  ...resizeKernels,
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
  backend.countFallback(name);
  if (!told.has(name)) {
    told.add(name);
    process.stderr.write(`${ORT}: ${name}(${describe(inputs)}) runs in plain JavaScript, which is slow in a training step\n`);
  }
  try {
    return runOnCpu(name, backend, inputs, attrs);
  } catch (error) {
    throw new UserError(`${name}(${describe(inputs)}): ${error instanceof Error ? error.message : String(error)}`);
  }
}

function registerKernel(name: string, def: KernelDef | undefined): void {
  if (def !== undefined) def.name = name;
  tf.registerKernel({
    kernelName: name,
    backendName: ORT,
    kernelFunc: ({ inputs, attrs, backend }) => {
      const ort = backend as OrtBackend;
      const recorded = def === undefined ? undefined : ort.call(def, inputs as never, (attrs ?? {}) as object);
      return recorded ?? fallBack(name, ort, inputs, (attrs ?? {}) as NamedAttrMap);
    },
  });
}

let instance: OrtBackend | undefined;

/** Registers the backend "ort-cpu" with tfjs; a second call does nothing. */
export function registerOrt(): OrtBackend {
  if (instance !== undefined) return instance;
  cpuBackend();
  const made = new OrtBackend();
  tf.registerBackend(ORT, () => made as unknown as KernelBackend, 3);
  const missing = tf.getKernelsForBackend("cpu").map((k) => k.kernelName).filter((name) => !(name in ortKernels));
  for (const [name, def] of Object.entries(ortKernels)) registerKernel(name, def);
  for (const name of missing) registerKernel(name, undefined);
  return (instance = made);
}

/** Changes the backend's settings; other thread counts and debug modes drop the compiled graphs. */
export function configureOrt(change: Partial<OrtSettings>): void {
  registerOrt().configure(change);
}

/** What the backend did so far. */
export function ortStats(): OrtStats {
  return registerOrt().stats();
}

export function resetOrtStats(): void {
  registerOrt().resetStats();
}
