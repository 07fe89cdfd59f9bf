import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { findTorch } from "../../lib/bench/entrants";
import type { BenchRow } from "../../lib/bench/rows";
import { type BenchResult, runBench } from "../../lib/bench/run";
import { type SavedBench, saveBench } from "../../lib/bench/save";
import { commands } from "../../lib/cli/commands";
import { dispatch } from "../../lib/cli/dispatch";
import { silent } from "../../lib/core/progress";

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
        /^no PyTorch in .*install it \(Debian: apt-get install python3-torch libopenblas0-pthread, .*S2_PYTHON$/,
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
        "medianMs",
        "minMs",
        "maxMs",
        "runs",
        "ratioToTorch",
        "ratioSpread",
        "ratioTo",
        "peakMB",
        "deviceMB",
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

// the same losses, gradient norms, updates and outputs from another framework, written from the same formulas
describe.skipIf(!torchIsHere() && process.env.CI !== "true")("beside PyTorch (left out where no Python has it)", () => {
  test("every task is the same work", async () => {
    const { rows, refused, notes } = await runBench({
      ...quick,
      tasks: ["nano", "transformer", "qwen2-layer", "siglip-layer"],
      engines: ["ort-cpu", "torch-cpu"],
    });
    expect({ refused, notes }).toEqual({ refused: [], notes: [] });
    expect(rows.length).toBe(4 * 2 * 2);
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

describe("saved rows", () => {
  const machine: BenchResult["machine"] = {
    cpu: "A Processor",
    cores: 2,
    memoryGB: 4,
    vectors: "avx2",
    gpu: null,
    system: "linux",
    node: "v20",
    onnxruntime: "1",
    tfjs: "4",
    torch: "2.0",
  };
  const row = (change: Partial<BenchRow>): BenchRow => ({
    task: "nano",
    kind: "step",
    engine: "ort-cpu",
    threads: 1,
    medianMs: 100,
    minMs: 90,
    maxMs: 120,
    runs: 9,
    ratioToTorch: 0.5,
    ratioSpread: [0.45, 0.55],
    ratioTo: "torch-cpu",
    peakMB: 300,
    deviceMB: null,
    jsShare: 0.025,
    matmulShare: 0.8,
    matmulGflops: 80,
    sgemmGflops: 100,
    difference: 1e-6,
    operations: [],
    about: "ort-cpu",
    ...change,
  });

  test("replace those of the same task and machine, keep the others, and make the table", () => {
    const top = mkdtempSync(join(tmpdir(), "s2-saved-"));
    try {
      const [folder, table] = [join(top, "bench"), join(top, "bench.md")];
      const result = { machine, tasks: { nano: "the nano model" }, refused: [], notes: [] };
      saveBench({ ...result, rows: [row({}), row({ threads: 2, medianMs: 60 })] }, "s2mllm bench", folder, table);
      const [file] = saveBench({ ...result, rows: [row({ medianMs: 99 })] }, "s2mllm bench --threads 1", folder, table);
      expect(file).toBe(join(folder, "a-processor-avx2-2-cores-torch-2.0.json"));
      const saved = JSON.parse(readFileSync(file!, "utf8")) as SavedBench;
      expect(saved.rows.map(({ threads, medianMs }) => [threads, medianMs])).toEqual([
        [2, 60],
        [1, 99],
      ]);
      expect(saved.commands.map((c) => c.replace(/ \(commit .*\)$/, ""))).toEqual([
        "s2mllm bench",
        "s2mllm bench --threads 1",
      ]);
      const text = readFileSync(table, "utf8");
      expect(text).toContain("A Processor, 2 cores (avx2), 4 GB");
      expect(text).toContain(
        "| nano | step | 1 | ort-cpu | 99.0 | 0.50 (0.45–0.55) | 300 | 2.5 % | 80 % | 80.0 of 100 (80 %) |",
      );
      // another version of anything is another measurement
      saveBench({ ...result, machine: { ...machine, node: "v22" }, rows: [row({})] }, "s2mllm bench", folder, table);
      expect((JSON.parse(readFileSync(file!, "utf8")) as SavedBench).rows.length).toBe(1);
    } finally {
      rmSync(top, { recursive: true });
    }
  });
});
