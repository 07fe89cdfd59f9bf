import { execFileSync } from "node:child_process";
import { loaderOf } from "../core/child";
import { findProgram } from "../core/programs";
import { inPackage, moduleFile } from "../core/root";
import type { Launch } from "./worker-process";

/** What can take part. A name with "-half" computes matrix products in half precision. */
export const BENCH_ENGINES = [
  "ort-cpu",
  "ort-cuda",
  "ort-webgpu",
  "ort-webgpu-half",
  "tensorflow",
  "wasm",
  "torch-cpu",
  "torch-cuda",
  "torch-cuda-half",
] as const;
export type BenchEngine = (typeof BENCH_ENGINES)[number];

export const isTorch = (name: BenchEngine): boolean => name.startsWith("torch-");
export const isHalf = (name: BenchEngine): boolean => name.endsWith("-half");
/** The engine's own name, as the worker knows it. */
export const engineOf = (name: BenchEngine): string => name.replace(/-half$/, "");
/** Its speed depends on the number of threads that it is given. */
export const usesThreads = (name: BenchEngine): boolean => name === "ort-cpu" || name === "torch-cpu";

/** Whom a worker is compared with: PyTorch on the same kind of device, else on the processor. */
export function baselinesOf(name: BenchEngine): readonly BenchEngine[] {
  if (name === "ort-cpu" || name === "wasm") return ["torch-cpu"];
  return isHalf(name) ? ["torch-cuda-half", "torch-cuda", "torch-cpu"] : ["torch-cuda", "torch-cpu"];
}

export const INSTALL_TORCH =
  "install it (Debian: apt-get install python3-torch libopenblas0-pthread, elsewhere: pip install torch) " +
  "or name a Python that has it in S2_PYTHON";

export interface Torch {
  readonly python: string;
  readonly version: string;
  readonly cuda: boolean;
}

/** A Python that has PyTorch: S2_PYTHON, else python3 on PATH, else the system's own. @throws Error with what to do */
export function findTorch(): Torch {
  const named = process.env.S2_PYTHON;
  const candidates = named !== undefined && named !== "" ? [named] : ["python3", "/usr/bin/python3", "python"];
  const tried: string[] = [];
  for (const name of candidates) {
    const python = findProgram([name]);
    if (python === undefined || tried.includes(python)) continue;
    tried.push(python);
    try {
      const asked = ["-c", "import torch; print(torch.__version__, torch.cuda.is_available())"];
      const [version, cuda] = execFileSync(python, asked, {
        encoding: "utf8",
        timeout: 120_000,
        stdio: ["ignore", "pipe", "ignore"],
      })
        .trim()
        .split(" ");
      return { python, version: version!, cuda: cuda === "True" };
    } catch {
      // this one has no PyTorch
    }
  }
  const where = tried.length === 0 ? `any Python (${candidates.join(", ")})` : tried.join(", ");
  throw new Error(`no PyTorch in ${where}; ${INSTALL_TORCH}`);
}

/**
 * How a worker is started. PyTorch's threads: OpenBLAS keeps a pool of its own beside libgomp's, and libgomp's spin;
 * told so, neither takes the other's cores.
 */
export function launchOf(name: BenchEngine, threads: number, torch: Torch | undefined): Launch {
  if (!isTorch(name)) {
    const worker = moduleFile("bench", "worker");
    return {
      program: process.execPath,
      args: ["--expose-gc", ...loaderOf(worker), worker],
      environment: { S2_ENGINE: "", S2_ENGINE_THREADS: "", S2_ENGINE_PRECISION: "", S2_ENGINE_DEBUG: "" },
    };
  }
  const count = String(threads);
  return {
    program: torch!.python,
    args: ["-u", inPackage("lib", "bench", "pytorch", "worker.py")],
    environment: {
      OMP_NUM_THREADS: count,
      OPENBLAS_NUM_THREADS: count,
      MKL_NUM_THREADS: count,
      GOMP_SPINCOUNT: "0",
      PYTHONDONTWRITEBYTECODE: "1",
    },
  };
}
