import { runChild } from "../../core/child";
import { moduleFile } from "../../core/root";
import { findAdapter } from "../backend";
import { ENGINES, type EngineName } from "../choose";
import { hasNvidiaCard, nvidiaGpus } from "../nvidia";
import { findInstalled, type Installable, installCommand } from "./installed";
import type { Losses } from "./prove";

/** An engine as `engine list` and `doctor` show it. */
export interface EngineState {
  readonly engine: EngineName;
  /** It trains a small model here. */
  readonly ready: boolean;
  readonly needs: string;
  /** What it is, or why it does not run. */
  readonly detail: string;
  /** The one command, or step, that mends it. */
  readonly mend?: string;
}

const NEEDS: Readonly<Record<EngineName, string>> = {
  "ort-cuda": "an NVIDIA GPU with driver 580 or newer, engine install cuda",
  "ort-webgpu": "a GPU with a driver for Vulkan, Metal or D3D12",
  "ort-cpu": "nothing",
  tensorflow: "engine install tensorflow (with CUDA: an NVIDIA GPU with driver 525 or newer; --cpu: nothing)",
  wasm: "nothing",
  cpu: "nothing",
};

/** What an engine is when it runs. */
const ABOUT: Readonly<Record<EngineName, string>> = {
  "ort-cuda": "ONNX Runtime's CUDA provider",
  "ort-webgpu": "ONNX Runtime's WebGPU provider",
  "ort-cpu": "ONNX Runtime on the processor",
  tensorflow: "@tensorflow/tfjs-node-gpu on TensorFlow's C library",
  wasm: "tfjs' WebAssembly backend, one thread",
  cpu: "tfjs' plain JavaScript backend, slow",
};

/** The GPUs of this machine in one line. */
export function describeGpus(): string {
  const gpus = nvidiaGpus();
  if (gpus.length > 0)
    return gpus
      .map(({ name, memoryMiB, driver }) => `${name}, ${Math.round(memoryMiB / 1024)} GiB, driver ${driver}`)
      .join("; ");
  return hasNvidiaCard() ? "an NVIDIA card without a driver" : "no NVIDIA GPU";
}

/** It is laid out for this lab and this machine. */
function isInstalled(name: Installable): boolean {
  try {
    return findInstalled(name) !== undefined;
  } catch {
    return false;
  }
}

/** What would make an engine run that does not. */
export function mend(engine: EngineName): string | undefined {
  const card = hasNvidiaCard();
  if (engine === "tensorflow") return `${installCommand("tensorflow")}${nvidiaGpus().length > 0 ? "" : " --cpu"}`;
  if (engine === "ort-cuda") {
    if (nvidiaGpus().length > 0) return isInstalled("cuda") ? undefined : installCommand("cuda");
    return card ? "install NVIDIA's driver (Debian: apt-get install nvidia-driver)" : undefined;
  }
  if (engine === "ort-webgpu" && card) return "install a Vulkan loader (Debian: apt-get install libvulkan1)";
  return undefined;
}

/** Lets each engine train a few steps in a process of its own. */
export async function listEngines(): Promise<EngineState[]> {
  const states: EngineState[] = [];
  for (const engine of ENGINES) {
    const needs = NEEDS[engine];
    try {
      await runChild<EngineName, never, Losses>(moduleFile("engine", "install", "prove-worker"), engine, {
        environment: { S2_ENGINE: "", S2_ENGINE_PRECISION: "" },
        patienceMs: 300_000,
      });
      const driver = findAdapter();
      const software =
        engine === "ort-webgpu" && driver.kind !== "hardware" ? `, on a software driver: ${driver.why}` : "";
      states.push({ engine, ready: true, needs, detail: ABOUT[engine] + software });
    } catch (error) {
      const detail = (error as Error).message
        .split("\n")[0]!
        .replace(/^engine \S+: /, "")
        .replace(/; choose another with S2_ENGINE .*$/, "");
      states.push({ engine, ready: false, needs, detail, mend: mend(engine) });
    }
  }
  return states;
}
