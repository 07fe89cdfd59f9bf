import { execFileSync } from "node:child_process";
import { loaderOf } from "../core/child";
import { findProgram } from "../core/programs";
import { inPackage, inProject, moduleFile } from "../core/root";
import type { Precision } from "../engine/choose";
import type { Mode } from "./task";
import type { Launch } from "./worker-process";

interface Entry {
  /** The engine's or device's own name, as the worker knows it. */
  readonly runs: string;
  readonly with: "lab" | "torch" | "jax";
  readonly precision: Precision;
  readonly mode: Mode;
  /** Its speed depends on the number of threads that it is given. */
  readonly threads: boolean;
}

const entry = (runs: string, change: Partial<Entry> = {}): Entry => ({
  runs,
  with: "lab",
  precision: "float32",
  mode: "compiled",
  threads: false,
  ...change,
});

/** What can take part. */
const ENTRIES = {
  "ort-cpu": entry("ort-cpu", { threads: true }),
  "ort-cuda": entry("ort-cuda"),
  "ort-cuda-tf32": entry("ort-cuda", { precision: "tf32" }),
  "ort-cuda-bf16": entry("ort-cuda", { precision: "bf16" }),
  "ort-webgpu": entry("ort-webgpu"),
  "ort-webgpu-fp16": entry("ort-webgpu", { precision: "fp16" }),
  tensorflow: entry("tensorflow", { mode: "eager", threads: true }),
  wasm: entry("wasm", { mode: "eager" }),
  "torch-cpu": entry("cpu", { with: "torch", mode: "eager", threads: true }),
  "torch-cpu-compiled": entry("cpu", { with: "torch", threads: true }),
  "torch-cuda": entry("cuda", { with: "torch", mode: "eager" }),
  "torch-cuda-compiled": entry("cuda", { with: "torch" }),
  "torch-cuda-tf32": entry("cuda", { with: "torch", mode: "eager", precision: "tf32" }),
  "torch-cuda-fp16": entry("cuda", { with: "torch", mode: "eager", precision: "fp16" }),
  "torch-cuda-bf16": entry("cuda", { with: "torch", mode: "eager", precision: "bf16" }),
  "jax-cpu": entry("cpu", { with: "jax", threads: true }),
} as const satisfies Record<string, Entry>;
export type BenchEngine = keyof typeof ENTRIES;
export const BENCH_ENGINES = Object.keys(ENTRIES) as [BenchEngine, ...BenchEngine[]];

export const entryOf = (name: BenchEngine): Entry => ENTRIES[name];
/** It runs in Python. */
export const needsPython = (name: BenchEngine): boolean => entryOf(name).with !== "lab";
export const usesThreads = (name: BenchEngine): boolean => entryOf(name).threads;

/** PyTorch's eager rows that an engine is compared with, the nearest first; none for those rows themselves. */
export function baselinesOf(name: BenchEngine): readonly BenchEngine[] {
  const { with: runtime, mode, precision, runs } = entryOf(name);
  if (runtime === "torch" && mode === "eager") return [];
  if (["ort-cpu", "wasm", "cpu"].includes(runs)) return ["torch-cpu"];
  const own = {
    float32: "torch-cuda",
    tf32: "torch-cuda-tf32",
    fp16: "torch-cuda-fp16",
    bf16: "torch-cuda-bf16",
  } as const;
  return [...new Set([own[precision], "torch-cuda", "torch-cpu"] as const)];
}

/** Where an environment of the lab's own is looked for. */
const OWN_PYTHON = ["data", "cache", "python", "torch"];

export const INSTALL_TORCH =
  `install it (python3 -m venv ${OWN_PYTHON.join("/")} && ${OWN_PYTHON.join("/")}/bin/pip install torch jax) ` +
  "or name a Python that has it in S2_PYTHON";

export interface Torch {
  readonly python: string;
  readonly version: string;
  readonly cuda: boolean;
  /** JAX's version in the same Python. */
  readonly jax: string | undefined;
}

const QUESTION = `
import importlib.util, torch
jax = "none"
if importlib.util.find_spec("jax"):
    from importlib.metadata import version
    jax = version("jax")
print(torch.__version__, torch.cuda.is_available(), jax)
`;

/** A Python that has PyTorch: S2_PYTHON, data/cache/python/torch, or python3 on PATH. @throws Error with advice */
export function findTorch(): Torch {
  const named = process.env.S2_PYTHON || undefined;
  const candidates =
    named === undefined
      ? [inProject(...OWN_PYTHON, "bin", "python"), "python3", "/usr/bin/python3", "python"]
      : [named];
  const tried: string[] = [];
  for (const name of candidates) {
    const python = findProgram([name]);
    if (python === undefined || tried.includes(python)) continue;
    tried.push(python);
    try {
      const [version, cuda, jax] = execFileSync(python, ["-c", QUESTION], {
        encoding: "utf8",
        timeout: 120_000,
        stdio: ["ignore", "pipe", "ignore"],
      })
        .trim()
        .split(" ") as [string, string, string];
      return { python, version, cuda: cuda === "True", jax: jax === "none" ? undefined : jax };
    } catch {
      // this one has no PyTorch
    }
  }
  const where = tried.length === 0 ? `any Python (${candidates.join(", ")})` : tried.join(", ");
  throw new Error(`no PyTorch in ${where}; ${INSTALL_TORCH}`);
}

/** Variables that would choose other kernels for PyTorch than it chooses itself. */
const KERNEL_CHOICES = [
  "OPENBLAS_CORETYPE",
  "OPENBLAS_L2_SIZE",
  "MKL_CBWR",
  "MKL_ENABLE_INSTRUCTIONS",
  "ONEDNN_MAX_CPU_ISA",
  "ATEN_CPU_CAPABILITY",
] as const;

/**
 * How a worker is started. PyTorch's threads: OpenBLAS keeps a pool of its own beside libgomp's, and libgomp's spin;
 * told so, neither takes the other's cores.
 */
export function launchOf(name: BenchEngine, threads: number, torch: Torch | undefined): Launch {
  if (!needsPython(name)) {
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
    args: ["-u", inPackage("lib", "bench", "pytorch", `${entryOf(name).with}_worker.py`)],
    environment: {
      OMP_NUM_THREADS: count,
      OPENBLAS_NUM_THREADS: count,
      MKL_NUM_THREADS: count,
      GOMP_SPINCOUNT: "0",
      PYTHONDONTWRITEBYTECODE: "1",
      ...Object.fromEntries(KERNEL_CHOICES.map((variable) => [variable, undefined])),
    },
  };
}
