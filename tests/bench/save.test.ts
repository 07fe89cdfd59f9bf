import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { BenchResult, BenchRow } from "../../lib/bench/rows";
import { readBench, saveBench } from "../../lib/bench/save";
import { inProject } from "../../lib/core/root";

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
    mode: "compiled",
    precision: "float32",
    kernels: "MLAS, avx2",
    medianMs: 100,
    minMs: 90,
    maxMs: 120,
    runs: 9,
    ratioToTorch: 0.5,
    ratioSpread: [0.45, 0.55],
    ratioTo: "torch-cpu",
    peakMB: 300,
    deviceMB: null,
    bytesPerStep: null,
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
      const saved = readBench(file!);
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
        "| nano | step | 1 | ort-cpu | compiled | 99.0 | 0.50 (0.45–0.55) | 300 |  | 2.5 % | 80 % | " +
          "80.0 of 100 (80 %) |",
      );
      // another version of anything is another measurement
      saveBench({ ...result, machine: { ...machine, node: "v22" }, rows: [row({})] }, "s2mllm bench", folder, table);
      expect(readBench(file!).rows.length).toBe(1);
    } finally {
      rmSync(top, { recursive: true });
    }
  });

  test("of every committed machine are read", () => {
    const folder = inProject("data", "results", "bench");
    const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) expect(readBench(join(folder, file)).rows.length).toBeGreaterThan(0);
  });

  test.each([
    ["[]", /top level: .*expected object, received array/],
    ['{"rows": [', /JSON/],
    ['{"machine": 3}', /machine: .*expected object, received number/],
  ])("that are %s are refused by name", (text, why) => {
    const top = mkdtempSync(join(tmpdir(), "s2-saved-"));
    try {
      const file = join(top, "other.json");
      writeFileSync(file, text);
      expect(() => readBench(file)).toThrow(`${file}: no rows of s2mllm bench (`);
      expect(() => readBench(file)).toThrow(why);
    } finally {
      rmSync(top, { recursive: true });
    }
  });
});
