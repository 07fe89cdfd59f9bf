import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { inPackage } from "../../core/root";
import type { EngineName } from "../../engine/choose";
import { publishedRows } from "../../runs/results";
import { ResultRow } from "../../runs/row";
import { difference } from "../agreement";
import { type BenchEngine, entryOf, launchOf } from "../engines";
import { BenchResult } from "../rows";
import type { Size } from "../task";
import { writeTaskFiles } from "../task-files";
import { TASKS, type TaskName } from "../tasks";
import { WorkerProcess } from "../worker-process";
import { runCommand } from "./command";

/** What a part found; `ok` false: it ran and something is wrong. */
export interface Finding {
  readonly ok: boolean;
  readonly text: string;
  readonly bench?: BenchResult;
}

/** A part of the check. */
export interface Part {
  readonly name: string;
  /** It is ended after this many seconds. */
  readonly limitS: number;
  /** @throws Error when it cannot be done */
  readonly run: (limitMs: number) => Promise<Finding>;
}

/** A command of the lab with `--json`. @param reads what its document says, given whether it ended with 0 */
function command<T>(
  args: readonly string[],
  document: z.ZodType<T>,
  reads: (document: T, ok: boolean) => Finding,
  engine = "",
): Part["run"] {
  return async (limitMs) => {
    const environment = { S2_ENGINE: engine, S2_ENGINE_PRECISION: "" };
    const { status, out, lastLine, overran } = await runCommand([...args, "--json"], environment, limitMs);
    if (overran) throw new Error(`not finished after ${Math.round(limitMs / 1000)} s (${lastLine})`);
    let found: unknown;
    try {
      found = JSON.parse(out);
    } catch {
      throw new Error(lastLine);
    }
    return reads(document.parse(found), status === 0);
  };
}

const Doctor = z.record(z.string(), z.looseObject({ detail: z.string() }));

const doctor: Part = {
  name: "doctor",
  limitS: 40,
  run: command(["doctor"], Doctor, (found, ok) => ({
    ok,
    text: ["engine", "gpu", "torch"].map((name) => `${name}: ${found[name]?.detail ?? "unknown"}`).join("; "),
  })),
};

const Parity = z.object({
  cases: z.array(z.object({ name: z.string(), pass: z.boolean(), worstOutput: z.number(), worstGradient: z.number() })),
});

function parity(engine: EngineName, size: Size): Part {
  const goldens = inPackage("tests", "fixtures", "goldens");
  const some = size === "tiny" ? ["--cases", "qwen2_lora,siglip_vision,s2mllm_recon_loss"] : [];
  return {
    name: `parity on ${engine}`,
    limitS: 60,
    run: command(["parity", "--goldens", goldens, "--engine", engine, ...some], Parity, ({ cases }, ok) => {
      const worst = (of: "worstOutput" | "worstGradient"): string =>
        Math.max(...cases.map((c) => c[of])).toExponential(1);
      const failed = cases.filter(({ pass }) => !pass).map(({ name }) => name);
      return {
        ok,
        text:
          `${cases.length - failed.length} of ${cases.length} cases agree, outputs within ${worst("worstOutput")}, ` +
          `gradients within ${worst("worstGradient")}${failed.length === 0 ? "" : `; not: ${failed.join(", ")}`}`,
      };
    }),
  };
}

/** Lets workers of a task answer, one after the other, and ends them after `limitMs`. */
async function withWorkers<T>(
  task: TaskName,
  size: Size,
  limitMs: number,
  ask: (
    open: (engine: BenchEngine, steps: number) => Promise<WorkerProcess & { numbers: readonly number[] }>,
  ) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "s2-gpu-"));
  const workers: WorkerProcess[] = [];
  const stop = (): void => workers.forEach((worker) => worker.stop());
  const limit = setTimeout(stop, limitMs);
  try {
    writeTaskFiles(folder, TASKS[task](size));
    return await ask(async (engine, comparedSteps) => {
      const worker = new WorkerProcess(launchOf(engine, 1, undefined));
      workers.push(worker);
      const { runs, precision, mode } = entryOf(engine);
      const given = { task, size, kind: "step", precision, mode, threads: 1, folder, comparedSteps } as const;
      const { numbers } = await worker.ask({ do: "prepare", engine: runs, ...given });
      return Object.assign(worker, { numbers });
    });
  } finally {
    clearTimeout(limit);
    stop();
    rmSync(folder, { recursive: true });
  }
}

/** What a step of an engine may read back: the numbers of its report. */
const MOST_DOWN = 4096;

/** Training steps of nano beside ort-cpu's: their numbers, and the bytes that one moves whose batch is new. */
function steps(engine: "ort-cuda" | "ort-webgpu", size: Size): Part {
  const count = size === "tiny" ? 20 : 5;
  return {
    name: `training steps on ${engine}`,
    limitS: 60,
    run: (limitMs) =>
      withWorkers("nano", size, limitMs, async (open) => {
        const want = (await open("ort-cpu", count)).numbers;
        const worker = await open(engine, count);
        const off = difference(worker.numbers, want, "step");
        const { up, down, batch } = await worker.ask({ do: "moved", steps: 3 });
        return {
          // learning rate and the two corrections of AdamW go up as well
          ok: off <= 1e-3 && up <= batch + 12 && down <= MOST_DOWN,
          text:
            `${count} steps differ from ort-cpu's losses and gradient norms by ${off.toExponential(1)}; a step ` +
            `uploads ${up} bytes of a batch of ${batch} and reads ${down} back (at most ${MOST_DOWN})`,
        };
      }),
  };
}

function bench(task: TaskName, engines: readonly BenchEngine[], size: Size, rounds: number, limitS: number): Part {
  const args = ["bench", "--tasks", task, "--engines", engines.join(","), "--rounds", String(rounds)];
  const pace = size === "tiny" ? ["--seconds", "0.01", "--tiny"] : ["--seconds", "1"];
  return {
    name: `bench ${task}`,
    limitS,
    run: command([...args, "--threads", "1", ...pace], BenchResult, (result, ok) => ({
      ok,
      bench: result,
      text: [
        ...result.rows
          .filter(({ kind }) => kind === "step")
          .map(
            ({ engine, medianMs, ratioToTorch, ratioTo }) =>
              `${engine} ${medianMs} ms a step${ratioToTorch === null ? "" : ` (${ratioToTorch} of ${ratioTo})`}`,
          ),
        ...result.refused.map(({ engine, kind, why }) => `no row of ${engine} ${kind}: ${why}`),
        ...result.notes,
      ].join("; "),
    })),
  };
}

/** How far a training's accuracy may be from the processor's, points. */
const CLOSE = 2;

function train(engine: EngineName): Part {
  const args = ["study", "table5", "--variants", "full", "--retrain", "full", "--processes", "1"];
  const mean = (rows: readonly ResultRow[]): number =>
    rows.reduce((sum, { metrics }) => sum + metrics.acc25, 0) / rows.length;
  return {
    name: `full at nano trained on ${engine}`,
    limitS: 150,
    run: command(
      args,
      z.object({ rows: z.array(ResultRow) }),
      ({ rows }) => {
        const alike = (row: ResultRow): boolean =>
          row.variant === "full" && row.preset === "nano" && row.split === "val" && row.proposals === "gt";
        const own = rows.filter((row) => alike(row) && row.engine === engine);
        const others = publishedRows().filter(
          (row) => row.study === "table5" && alike(row) && row.engine === "ort-cpu",
        );
        if (own.length === 0) throw new Error(`no row of ${engine} came out`);
        const [here, there] = [mean(own), mean(others)];
        return {
          ok: others.length > 0 && Math.abs(here - there) <= CLOSE,
          text:
            `Acc@0.25 ${here.toFixed(1)} after ${own[0]!.seconds} s; ort-cpu's committed rows: ` +
            `${others.length === 0 ? "none" : `${there.toFixed(1)} (n = ${others.length})`}`,
        };
      },
      engine,
    ),
  };
}

export interface CheckedEngines {
  /** Of the lab, on the GPU. */
  readonly engines: readonly EngineName[];
  /** PyTorch sees the GPU too. */
  readonly torch: boolean;
}

/** Engines of bench that run on these, and PyTorch's in the same precisions. */
function benchEngines({ engines, torch }: CheckedEngines, precisions: boolean): BenchEngine[] {
  const cuda = engines.includes("ort-cuda");
  return [
    ...(engines as BenchEngine[]),
    ...(cuda && precisions ? (["ort-cuda-tf32"] as const) : []),
    ...(torch ? (["torch-cuda"] as const) : []),
    ...(torch && precisions ? (["torch-cuda-tf32"] as const) : []),
    // a reference where PyTorch is none
    ...(torch ? [] : (["ort-cpu"] as const)),
  ];
}

/** The parts of the check in their order: what is quick and tells most comes first. */
export function partsOf(checked: CheckedEngines, size: Size): Part[] {
  const { engines, torch } = checked;
  const first = engines[0]!;
  const all = benchEngines(checked, size === "full");
  const large: BenchEngine[] = [first as BenchEngine, ...(torch ? (["torch-cuda"] as const) : [])];
  const rounds = size === "tiny" ? 1 : 5;
  const parts = [
    doctor,
    ...engines.map((engine) => parity(engine, size)),
    ...engines.flatMap((engine) => (engine === "ort-cuda" || engine === "ort-webgpu" ? [steps(engine, size)] : [])),
    bench("nano", all, size, rounds, 90),
    bench(
      "transformer",
      [...all, ...(torch && size === "full" ? (["torch-cuda-compiled"] as const) : [])],
      size,
      rounds,
      90,
    ),
    bench("slice-7b", size === "full" ? large : [...large, "ort-cpu"], size, size === "full" ? 2 : 1, 150),
    ...(size === "full" ? [train(first)] : []),
  ];
  // tiny sizes run on a driver that computes on the processor
  return size === "full" ? parts : parts.map((part) => ({ ...part, limitS: 5 * part.limitS }));
}
