import { describe, expect, test } from "vitest";
import { runParts } from "../../../lib/bench/gpu/check";
import { runCommand } from "../../../lib/bench/gpu/command";
import { checkPage } from "../../../lib/bench/gpu/page";
import type { Part } from "../../../lib/bench/gpu/parts";
import { run as gpu } from "../../../lib/cli/gpu";
import { findAdapter } from "../../../lib/engine/backend";
import { findInstalled } from "../../../lib/engine/install/installed";
import { nvidiaGpus } from "../../../lib/engine/nvidia";
import { leaveOut, WHERE } from "../../engine/engines";
import { printed } from "../../setup/printed";

describe("parts", () => {
  const part = (name: string, run: Part["run"]): Part => ({ name, limitS: 10, run });

  test("one that fails does not stop the others, and time that is used up is said", async () => {
    const said: string[] = [];
    const { results, findings } = await runParts(
      [
        part("first", async () => ({ ok: true, text: "all well" })),
        part("second", () => Promise.reject(new Error("the device is lost\nat some line"))),
        part("third", async () => ({ ok: false, text: "2 of 13 cases differ" })),
      ],
      1,
      (line) => said.push(line),
    );
    expect(results.map(({ part: name, state, text }) => [name, state, text])).toEqual([
      ["first", "ok", "all well"],
      ["second", "failed", "the device is lost"],
      ["third", "failed", "2 of 13 cases differ"],
    ]);
    expect(findings.length).toBe(2);
    expect(said[1]).toMatch(/^-- {2}second \([\d.]+ s\): the device is lost$/);
    const late = await runParts([part("late", async () => ({ ok: true, text: "" }))], 0.05, () => {});
    expect(late.results).toMatchObject([{ part: "late", state: "no time left", text: "the check has 0.05 minutes" }]);
  });

  test("a part has what is left of the time, its limit at most", async () => {
    const limits: number[] = [];
    const asked = part("asked", async (limitMs) => (limits.push(limitMs), { ok: true, text: "" }));
    await runParts([asked], 0.1, () => {});
    await runParts([asked], 8, () => {});
    expect(limits[0]).toBeLessThanOrEqual(6000);
    expect(limits[1]).toBe(10_000);
  });

  test("a command that overruns is ended, one that fails tells its last line", async () => {
    const cut = await runCommand(["engine", "list"], {}, 300);
    expect(cut).toMatchObject({ status: null, overran: true });
    const wrong = await runCommand(["bench", "--tasks", "nanno"], {}, 60_000);
    expect(wrong).toMatchObject({ status: 2, overran: false });
    expect(wrong.lastLine).toMatch(/^error: task "nanno" is unknown/);
  });
});

test("the page says which goals are met, by the ratio in the same precision", () => {
  const row = {
    kind: "step",
    threads: 1,
    mode: "compiled",
    kernels: "cuBLAS, CUDA 13",
    medianMs: 10,
    minMs: 9,
    maxMs: 11,
    runs: 20,
    ratioSpread: [0.9, 1.3],
    peakMB: 900,
    deviceMB: null,
    bytesPerStep: 20,
    jsShare: null,
    matmulShare: null,
    matmulGflops: null,
    sgemmGflops: null,
    difference: 1e-6,
    operations: null,
    about: "ort-cuda",
  } as const;
  const machine = {
    cpu: "A Processor",
    cores: 16,
    memoryGB: 128,
    vectors: "avx512f",
    gpu: "NVIDIA H100, 580.95.05",
    system: "linux",
    node: "v20",
    onnxruntime: "1.30.0",
    tfjs: "4.22.0",
    torch: "2.15.0",
  };
  const page = checkPage(
    {
      engines: ["ort-cuda"],
      seconds: 321.5,
      parts: [{ part: "doctor", state: "ok", seconds: 3.1, text: "engine: ort-cuda" }],
      bench: {
        machine,
        tasks: {},
        rows: [
          { ...row, task: "nano", engine: "ort-cuda", precision: "float32", ratioToTorch: 0.82, ratioTo: "torch-cuda" },
          {
            ...row,
            task: "slice-7b",
            engine: "ort-cuda-tf32",
            precision: "tf32",
            ratioToTorch: 1.21,
            ratioTo: "torch-cuda-tf32",
          },
          // PyTorch on the processor says nothing of a goal
          { ...row, task: "nano", engine: "ort-cuda", precision: "float32", ratioToTorch: 0.1, ratioTo: "torch-cpu" },
        ] as never,
        refused: [],
        notes: [],
      },
    },
    "s2mllm gpu check --save",
  );
  expect(page).toContain("| doctor | ok | 3.1 | engine: ort-cuda |");
  expect(page).toContain("| nano | ort-cuda | float32 | 1.0 | 0.82 | yes |");
  expect(page).toContain("| slice-7b | ort-cuda-tf32 | tf32 | 1.2 | 1.21 | no |");
  expect(page).not.toContain("0.10 | yes");
});

test.each([
  [["gpu"], 'gpu: needs "check" or "pack"'],
  [["pack", "--arch", "9.0"], '--arch takes a whole number of at least 50, got "9.0"'],
  [["check", "--engines", "wasm"], 'engine "wasm" is unknown; known: ort-cuda, ort-webgpu, tensorflow'],
  [["check", "--tiny", "--save"], "gpu: --tiny measures nothing that --save could keep"],
])("%j is refused", async (args, why) => {
  await expect(gpu(args)).rejects.toThrow(why);
});

test("pack names the command that lays CUDA's libraries out", async () => {
  // where they are there, minutes of packing would begin
  if (findInstalled("cuda") !== undefined) return;
  await expect(gpu(["pack"])).rejects.toThrow(
    "gpu pack: CUDA's libraries are not laid out here; npm run -s s2mllm -- engine install cuda, then pack again",
  );
});

test("a machine without a GPU is told what would run there", async () => {
  // where there is one the check itself is what is tested
  if (nvidiaGpus().length > 0 || findAdapter().kind === "hardware") return;
  await expect(gpu(["check"])).rejects.toThrow(
    /^gpu check: no GPU.*; on a machine without a GPU --engines ort-webgpu --tiny takes a software driver$/,
  );
});

test.skipIf(leaveOut)(
  `from end to end at tiny size ${WHERE}`,
  async () => {
    const { out } = await printed(gpu, "check", "--engines", "ort-webgpu", "--tiny", "--json");
    const { parts, bench, files } = JSON.parse(out) as {
      parts: { part: string; state: string; text: string }[];
      bench: { rows: { task: string; engine: string; bytesPerStep: number | null }[] };
      files: string[];
    };
    expect(parts.map(({ part, state }) => [part, state])).toEqual(
      [
        "doctor",
        "parity on ort-webgpu",
        "training steps on ort-webgpu",
        "bench nano",
        "bench transformer",
        "bench slice-7b",
      ].map((part) => [part, "ok"]),
    );
    const text = (part: string): string => parts.find((p) => p.part === part)!.text;
    expect(text("parity on ort-webgpu")).toMatch(/^3 of 3 cases agree/);
    expect(text("training steps on ort-webgpu")).toMatch(
      /^20 steps differ from .* by \d.*; a step uploads \d+ bytes of a batch of \d+ and reads \d+ back/,
    );
    expect(bench.rows.filter(({ engine }) => engine === "ort-webgpu").map(({ task }) => task)).toEqual(
      ["nano", "transformer", "slice-7b"].flatMap((task) => [task, task]),
    );
    expect(files[0]).toMatch(/data.local.gpu.gpu\.md$/);
  },
  600_000,
);
