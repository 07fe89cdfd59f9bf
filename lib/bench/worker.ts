import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { UserError } from "../core/errors";
import { findAdapter, type OrtEngine, type OrtStats } from "../engine/backend";
import { chooseEngine, type EngineName } from "../engine/choose";
import { tf } from "../engine/tf";
import { readSafetensors } from "../io/safetensors";
import { TensorFolder } from "../io/tensor-folder";
import { digest } from "./agreement";
import { vectors, versionOf } from "./machine";
import { peakMB, resetPeak } from "./memory";
import { type Answer, type Answers, type Preparation, Request } from "./messages";
import { operationsOf } from "./profile";
import type { Program } from "./task";
import { TASKS, type TaskName } from "./tasks";

/** One of the lab's engines as a worker of bench: reads requests on stdin, answers on stdout. */

let run: () => void = () => {};
let program: Program;
let inputsFile: string;
let engine: EngineName;

function loadWeights(path: string): Map<string, tf.Variable> {
  const file = TensorFolder.open(path);
  const weights = new Map(
    [...file.tensors.keys()].map((name) => {
      const { shape, data } = file.read(name);
      const start = tf.tensor(data as Float32Array, shape);
      const variable = tf.variable(start);
      start.dispose();
      return [name, variable] as const;
    }),
  );
  file.close();
  return weights;
}

function loadInputs(path: string): tf.NamedTensorMap {
  return Object.fromEntries(
    [...readSafetensors(path)].map(([name, { shape, dtype, data }]) => [
      name,
      tf.tensor(data as Float32Array, shape, dtype === "I32" ? "int32" : "float32"),
    ]),
  );
}

async function prepare(wanted: Preparation): Promise<Answers["prepare"]> {
  const { threads, precision, folder, kind } = wanted;
  ({ engine } = await chooseEngine({ engine: wanted.engine as EngineName, threads, precision }));
  const task = TASKS[wanted.task as TaskName](wanted.size);
  inputsFile = join(folder, "inputs.safetensors");
  program = task.build(loadWeights(join(folder, "weights.safetensors")), loadInputs(inputsFile));
  resetPeak();
  run = kind === "step" ? () => program.step() : () => void program.inference();
  const numbers = kind === "step" ? program.firstSteps(wanted.comparedSteps) : digest(program.inference());
  return {
    numbers,
    about:
      `${engine}${precision === "float32" ? "" : ` in ${precision}`}, tfjs ${tf.version_core}` +
      (engine.startsWith("ort-") ? `, onnxruntime-node ${versionOf("onnxruntime-node")}` : ""),
    kernels: kernels(),
  };
}

/** The libraries of products, and on the processor the instructions that they find. */
function kernels(): string {
  const instructions = vectors() ?? "unknown instructions";
  switch (engine) {
    case "ort-cpu":
      return `MLAS, ${instructions}`;
    case "ort-cuda":
      return "cuBLAS, CUDA 13";
    case "ort-webgpu":
      return `ONNX Runtime's shaders, ${findAdapter().kind === "hardware" ? "a GPU" : "a software driver"}`;
    case "tensorflow":
      return onGpu() ? "cuBLAS, CUDA 12" : `Eigen and oneDNN, ${instructions}`;
    case "wasm":
      return "XNNPACK, WebAssembly SIMD";
    case "cpu":
      return "plain JavaScript";
  }
}

/** tfjs-node-gpu tells it of its backend. */
const onGpu = (): boolean => (tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true;

/** Bytes moved to and from the device so far. */
const moved = ({ bytesUp, bytesDown }: OrtStats): number => bytesUp + bytesDown;

/** Times steps. Milliseconds inside ONNX Runtime tell nothing of a GPU, which is waited for when results are read. */
async function time(steps: number): Promise<Answers["time"]> {
  const stats = engine.startsWith("ort-") ? (await import("../engine/backend")).ortStats : (): undefined => undefined;
  const before = stats(engine as OrtEngine);
  const ms: number[] = [];
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    run();
    ms.push(performance.now() - start);
  }
  const after = stats(engine as OrtEngine);
  if (before === undefined || after === undefined) return { ms };
  return engine === "ort-cpu" ? { ms, runMs: after.runMs - before.runMs } : { ms, bytes: moved(after) - moved(before) };
}

/** What a step moves whose inputs are new, as in a training: the mean of some. */
async function movedByStep(steps: number): Promise<Answers["moved"]> {
  const stats = (await import("../engine/backend")).ortStats;
  const step = (): number => {
    const fresh = loadInputs(inputsFile);
    program.step(fresh);
    const bytes = Object.values(fresh).reduce((sum, { size }) => sum + 4 * size, 0);
    tf.dispose(fresh);
    return bytes;
  };
  // a step is traced twice before it is repeated; then its constants move to the device
  for (let i = 0; i < 4; i++) step();
  const before = stats(engine as OrtEngine);
  const batch = Math.max(...Array.from({ length: steps }, step));
  const after = stats(engine as OrtEngine);
  const mean = (of: "bytesUp" | "bytesDown"): number => (after[of] - before[of]) / steps;
  return { up: mean("bytesUp"), down: mean("bytesDown"), batch };
}

/** Best speed of a plain product; only one number of it is read. */
function sgemm(sides: readonly number[]): number {
  return Math.max(
    ...sides.map((n) =>
      tf.tidy(() => {
        const [a, b] = [0, 1].map((k) =>
          tf.tensor2d(
            Float32Array.from({ length: n * n }, (_, i) => ((i * 7 + k) % 13) / 13 - 0.5),
            [n, n],
          ),
        ) as [tf.Tensor2D, tf.Tensor2D];
        const product = (): number => {
          const start = performance.now();
          tf.tidy(() => void tf.matMul(a, b).slice([0, 0], [1, 1]).dataSync());
          return performance.now() - start;
        };
        product();
        return (2 * n ** 3) / Math.min(...Array.from({ length: 6 }, product)) / 1e6;
      }),
    ),
  );
}

/** ONNX Runtime's own account of some steps. */
async function profile(steps: number): Promise<Answers["profile"]> {
  const { configureOrt } = await import("../engine/backend");
  const folder = mkdtempSync(join(tmpdir(), "s2-profile-"));
  try {
    configureOrt({ profile: join(folder, "session") }, engine as OrtEngine);
    // a step is recorded twice before it is repeated
    for (let i = 0; i < steps + 2; i++) run();
    // sessions write their account when they end
    configureOrt({ profile: undefined }, engine as OrtEngine);
    return { operations: operationsOf(readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"))) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function answer(request: Request): Promise<unknown> {
  switch (request.do) {
    case "prepare":
      return prepare(request);
    case "time":
      return time(request.steps);
    case "moved":
      return movedByStep(request.steps);
    case "peak":
      return { MB: peakMB() };
    case "sgemm":
      return { gflops: sgemm(request.sides) };
    case "profile":
      return profile(request.steps);
  }
}

// stdout belongs to the answers
console.log = console.error;
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  void answer(Request.parse(JSON.parse(line)))
    .then(
      (ok): Answer => ({ ok }),
      (error: Error): Answer => ({
        error: error instanceof UserError ? error.message : (error.stack ?? String(error)),
      }),
    )
    .then((text) => process.stdout.write(`${JSON.stringify(text)}\n`));
});
lines.on("close", () => process.exit(0));
