import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Comparison, type Member } from "../../lib/bench/comparison";
import { type Script, scripted } from "./scripted-worker";

const top = mkdtempSync(join(tmpdir(), "s2-comparison-"));
afterAll(() => rmSync(top, { recursive: true }));

let count = 0;
const newLog = (): string => join(top, `log-${count++}`);
const lines = (log: string): string[] => readFileSync(log, "utf8").trim().split("\n");

async function compare(
  members: readonly Member[],
  rounds = 3,
  signal = new AbortController().signal,
): Promise<Comparison> {
  const comparison = new Comparison(
    { task: "transformer", size: "tiny", kind: "step", folder: top, comparedSteps: 3, members },
    { rounds, seconds: 1 },
    signal,
    () => {},
  );
  await comparison.run();
  return comparison;
}

const script = (log: string, change: Partial<Script> = {}): Script => ({ numbers: [2, 1], ms: 100, log, ...change });

test("workers take turns of about the same length, first and last by turns; PyTorch is prepared first", async () => {
  const log = newLog();
  const comparison = await compare([
    scripted("ort-cpu", script(log, { ms: 100 })),
    scripted("torch-cpu", script(log, { ms: 200 })),
  ]);
  expect(lines(log)).toEqual([
    "torch-cpu prepare",
    "ort-cpu prepare",
    "torch-cpu time 1",
    "ort-cpu time 1",
    "torch-cpu time 5",
    "ort-cpu time 10",
    "ort-cpu time 10",
    "torch-cpu time 5",
    "torch-cpu time 5",
    "ort-cpu time 10",
    "torch-cpu peak",
    "ort-cpu peak",
    "torch-cpu sgemm",
    "ort-cpu sgemm",
    "ort-cpu profile 7",
  ]);
  expect(comparison.refusals).toEqual([]);
  expect(comparison.rows).toEqual([
    {
      task: "transformer",
      kind: "step",
      engine: "torch-cpu",
      threads: 1,
      mode: "eager",
      precision: "float32",
      kernels: "scripted kernels",
      medianMs: 200,
      minMs: 200,
      maxMs: 200,
      runs: 15,
      ratioToTorch: null,
      ratioSpread: null,
      ratioTo: null,
      peakMB: 123,
      deviceMB: null,
      bytesPerStep: 1500,
      jsShare: 0.1,
      matmulShare: null,
      matmulGflops: null,
      sgemmGflops: 2000,
      difference: null,
      operations: null,
      about: "torch-cpu scripted",
    },
    {
      task: "transformer",
      kind: "step",
      engine: "ort-cpu",
      threads: 1,
      mode: "compiled",
      precision: "float32",
      kernels: "scripted kernels",
      medianMs: 100,
      minMs: 100,
      maxMs: 100,
      runs: 30,
      ratioToTorch: 0.5,
      ratioSpread: [0.5, 0.5],
      ratioTo: "torch-cpu",
      peakMB: 123,
      deviceMB: null,
      bytesPerStep: 1500,
      jsShare: 0.1,
      // 3 of 4 ms, and 3e8 operations in 3 ms
      matmulShare: 0.75,
      matmulGflops: 100,
      sgemmGflops: 2000,
      difference: 0,
      operations: [
        { op: "MatMul", ms: 3 },
        { op: "Add", ms: 1 },
      ],
      about: "ort-cpu scripted",
    },
  ]);
});

test("who computes something else is named and not timed", async () => {
  const log = newLog();
  const comparison = await compare([
    scripted("torch-cpu", script(log)),
    scripted("ort-cpu", script(log, { numbers: [2.001, 1] })),
    scripted("wasm", script(log)),
  ]);
  expect(comparison.rows.map(({ engine }) => engine)).toEqual(["torch-cpu", "wasm"]);
  expect(comparison.refusals).toEqual([
    {
      task: "transformer",
      kind: "step",
      engine: "ort-cpu",
      threads: 1,
      why: "its losses and gradient norms differ from torch-cpu's by 5.0e-4, allowed 0.0001: not the same work",
      differs: true,
    },
  ]);
  expect(lines(log).filter((line) => line.startsWith("ort-cpu"))).toEqual(["ort-cpu prepare"]);
});

test("one that dies, or does not start, is named and the others go on", async () => {
  const log = newLog();
  const comparison = await compare([
    scripted("torch-cpu", script(log)),
    scripted("ort-cpu", script(log, { diesAt: 2 })),
    scripted("ort-webgpu", script(log, { refuses: "no driver" })),
    { engine: "tensorflow", threads: 1, launch: { program: join(top, "absent"), args: [], environment: {} } },
  ]);
  expect(comparison.rows.map(({ engine, runs }) => [engine, runs])).toEqual([["torch-cpu", 30]]);
  expect(comparison.refusals.map(({ engine, why }) => [engine, why])).toEqual([
    ["ort-webgpu", "no driver"],
    ["tensorflow", `spawn ${join(top, "absent")} ENOENT`],
    ["ort-cpu", "its process ended (exit status 9: the driver is gone)"],
  ]);
});

test("a slow one has two rounds, and its ratio counts those", async () => {
  const log = newLog();
  const comparison = await compare(
    [scripted("torch-cpu", script(log, { ms: 500 })), scripted("wasm", script(log, { ms: 20_000 }))],
    4,
  );
  expect(comparison.rows.map(({ engine, runs, ratioToTorch }) => [engine, runs, ratioToTorch])).toEqual([
    ["torch-cpu", 8, null],
    ["wasm", 2, 40],
  ]);
});

test("an interrupt ends all of them", async () => {
  const log = newLog();
  const stop = new AbortController();
  const comparison = new Comparison(
    {
      task: "transformer",
      size: "tiny",
      kind: "step",
      folder: top,
      comparedSteps: 3,
      members: [scripted("torch-cpu", script(log)), scripted("ort-cpu", script(log))],
    },
    { rounds: 100, seconds: 1 },
    stop.signal,
    () => stop.abort(),
  );
  await expect(comparison.run()).rejects.toThrow("stopped; nothing is saved");
  expect(lines(log).length).toBeLessThan(12);
});
