import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { findTorch } from "../../lib/bench/engines";
import type { BenchResult } from "../../lib/bench/rows";
import { runBench } from "../../lib/bench/run";
import { commands } from "../../lib/cli/commands";
import { dispatch } from "../../lib/cli/dispatch";
import { silent } from "../../lib/core/progress";
import { leaveOut, leaveOutTensorflow, WHERE } from "../engine/engines";

const quick = { threads: [1], rounds: 2, seconds: 0.01, size: "tiny", progress: silent } as const;

function torchIsHere(): boolean {
  try {
    findTorch();
    return true;
  } catch {
    return false;
  }
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** The command in this process: exit status, stdout, stderr. */
async function bench(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((err += String(text)), true));
  const status = await dispatch(["bench", ...args], commands);
  vi.restoreAllMocks();
  return { status, out, err };
}

describe("wrong usage", () => {
  test.each([
    [
      ["--tasks", "nanno"],
      /^error: task "nanno" is unknown \(did you mean "nano"\?\); known: nano, transformer, qwen2-layer, siglip-layer/,
    ],
    [["--engines", "ort-cpu,torch"], /^error: engine "torch" is unknown.*; known: ort-cpu, /],
    [["--threads", "0"], /^error: --threads takes a whole number of at least 1, got "0"/],
    [["--seconds", "fast"], /^error: --seconds takes a number above 0, got "fast"/],
    [["--tiny", "--save"], /^error: bench: --tiny measures nothing that --save could keep/],
  ])("%j ends with 2 and prints nothing", async (args, message) => {
    const { status, out, err } = await bench(...args);
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toMatch(message);
  });
});

describe("without PyTorch", () => {
  test("the engines' rows are printed, and what to install is said", async () => {
    vi.stubEnv("S2_PYTHON", join(tmpdir(), "no-python"));
    const { status, out } = await bench(
      "--tiny",
      "--tasks",
      "siglip-layer",
      "--threads",
      "1",
      "--rounds",
      "1",
      "--seconds",
      "0.01",
      "--json",
    );
    const { machine, rows, refused, notes } = JSON.parse(out) as BenchResult;
    expect({ status, refused }).toEqual({ status: 0, refused: [] });
    expect(notes).toEqual([
      expect.stringMatching(
        /^no PyTorch in .*install it \(python3 -m venv .*pip install torch jax\) or name .* in S2_PYTHON$/,
      ),
    ]);
    expect(Object.keys(machine)).toEqual([
      "cpu",
      "cores",
      "memoryGB",
      "vectors",
      "gpu",
      "system",
      "node",
      "onnxruntime",
      "tfjs",
      "torch",
    ]);
    expect(machine).toMatchObject({ node: process.version, torch: null });
    const own = rows.filter(({ engine }) => engine === "ort-cpu");
    expect(own.map(({ task, kind, threads }) => [task, kind, threads])).toEqual([
      ["siglip-layer", "step", 1],
      ["siglip-layer", "inference", 1],
    ]);
    for (const row of own) {
      expect(Object.keys(row)).toEqual([
        "task",
        "kind",
        "engine",
        "threads",
        "mode",
        "precision",
        "kernels",
        "medianMs",
        "minMs",
        "maxMs",
        "runs",
        "ratioToTorch",
        "ratioSpread",
        "ratioTo",
        "peakMB",
        "deviceMB",
        "bytesPerStep",
        "jsShare",
        "matmulShare",
        "matmulGflops",
        "sgemmGflops",
        "difference",
        "operations",
        "about",
      ]);
      expect(row).toMatchObject({ ratioToTorch: null, ratioSpread: null, ratioTo: null, difference: null });
      expect(row.minMs).toBeGreaterThan(0);
      expect(row.minMs).toBeLessThanOrEqual(row.medianMs);
      expect(row.medianMs).toBeLessThanOrEqual(row.maxMs);
      expect(row.jsShare).toBeGreaterThan(0);
      expect(row.jsShare).toBeLessThan(1);
      expect(row.matmulShare).toBeGreaterThan(0);
      expect(row.matmulShare).toBeLessThan(1);
      expect(row.peakMB).toBeGreaterThan(50);
    }
  }, 600_000);
});

describe("each row says how it was computed", () => {
  test.skipIf(leaveOut)(
    `bytes moved, mode, precision and kernels ${WHERE}`,
    async () => {
      const engines = ["ort-cpu", "ort-webgpu", "wasm"];
      const { rows, refused } = await runBench({ ...quick, rounds: 3, tasks: ["transformer"], engines });
      expect(refused).toEqual([]);
      const of = (engine: string, kind: string): unknown => {
        const row = rows.find((r) => r.engine === engine && r.kind === kind)!;
        return [row.mode, row.precision, row.kernels, row.bytesPerStep];
      };
      expect(of("ort-cpu", "step")).toEqual(["compiled", "float32", expect.stringMatching(/^MLAS, /), null]);
      expect(of("wasm", "inference")).toEqual(["eager", "float32", "XNNPACK, WebAssembly SIMD", null]);
      const shaders = expect.stringMatching(/^ONNX Runtime's shaders, a /);
      // weights, moments and inputs stay on the device: three numbers of AdamW go up, loss and norm of the gradient
      // come back; and of inference the scores of 2 sequences of 12 tokens over 24 words
      expect(of("ort-webgpu", "step")).toEqual(["compiled", "float32", shaders, 4 * (3 + 2)]);
      expect(of("ort-webgpu", "inference")).toEqual(["compiled", "float32", shaders, 4 * 2 * 12 * 24]);
    },
    300_000,
  );

  test.skipIf(leaveOutTensorflow)(
    "tensorflow's too (left out where `engine install tensorflow` has not run)",
    async () => {
      const { rows, refused } = await runBench({
        ...quick,
        tasks: ["transformer"],
        engines: ["ort-cpu", "tensorflow"],
      });
      expect(refused).toEqual([]);
      const own = rows.filter(({ engine }) => engine === "tensorflow");
      expect(own.map(({ mode, kernels }) => [mode, kernels])).toEqual(
        Array(2).fill(["eager", expect.stringMatching(/^(Eigen and oneDNN|cuBLAS), /)]),
      );
    },
    300_000,
  );
});

// the same losses, gradient norms, updates and outputs from another framework, written from the same formulas
describe.skipIf(!torchIsHere() && process.env.CI !== "true")("beside PyTorch (left out where no Python has it)", () => {
  test("every task is the same work", async () => {
    const { rows, refused, notes } = await runBench({
      ...quick,
      tasks: ["nano", "transformer", "qwen2-layer", "siglip-layer", "slice-7b"],
      engines: ["ort-cpu", "torch-cpu"],
    });
    expect({ refused, notes }).toEqual({ refused: [], notes: [] });
    expect(rows.length).toBe(5 * 2 * 2);
    const own = rows.filter(({ engine }) => engine === "ort-cpu");
    console.log(own.map(({ task, kind, difference }) => `${task} ${kind}: differs by ${difference}`).join("; "));
    for (const row of own) {
      // stricter than what is timed: three steps' losses and gradient norms, or an output, in float32
      expect(row.difference).toBeLessThan(3e-5);
      expect(row.ratioTo).toBe("torch-cpu");
      expect(row.ratioToTorch).toBeGreaterThan(0);
    }
    for (const row of rows) expect(row.sgemmGflops).toBeGreaterThan(0);
  }, 600_000);
});
