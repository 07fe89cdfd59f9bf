import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { unknownName } from "../core/errors";
import { onInterrupt } from "../core/interrupt";
import type { ProgressSink } from "../core/progress";
import { findAdapter } from "../engine/backend";
import { findInstalled } from "../engine/install/installed";
import { nvidiaGpus } from "../engine/nvidia";
import { Comparison, type Effort, type Member } from "./comparison";
import {
  BENCH_ENGINES,
  type BenchEngine,
  entryOf,
  findTorch,
  launchOf,
  needsPython,
  type Torch,
  usesThreads,
} from "./engines";
import { machineCard } from "./machine";
import type { BenchResult, BenchRow, Refusal } from "./rows";
import { KINDS, type Size } from "./task";
import { writeTaskFiles } from "./task-files";
import { TASK_NAMES, TASKS, type TaskName } from "./tasks";

export interface BenchOptions extends Effort {
  readonly tasks: readonly string[];
  /** What takes part; undefined: whatever this machine has. */
  readonly engines?: readonly string[];
  readonly threads: readonly number[];
  readonly size: Size;
  readonly progress: ProgressSink;
}

/** tfjs wasm takes minutes for a step, and nano takes minutes to compile: these are measured at one task. */
const ALONE: Readonly<Partial<Record<BenchEngine, TaskName>>> = {
  wasm: "transformer",
  "torch-cpu-compiled": "transformer",
  "torch-cuda-compiled": "transformer",
  "jax-cpu": "transformer",
};

/** Whatever this machine has. */
function present(torch: Torch | undefined): BenchEngine[] {
  const gpu = findAdapter().kind === "hardware";
  return BENCH_ENGINES.filter((name) => {
    if (name === "tensorflow") return findInstalled("tensorflow") !== undefined;
    if (name.startsWith("ort-cuda")) return nvidiaGpus().length > 0 && findInstalled("cuda") !== undefined;
    if (name.startsWith("ort-webgpu")) return gpu;
    const { with: runtime, runs, mode } = entryOf(name);
    if (runtime === "jax") return torch?.jax !== undefined;
    if (runtime === "torch")
      return (
        torch !== undefined && (runs === "cpu" || torch.cuda) && (mode === "eager" || !torch.version.startsWith("1."))
      );
    return true;
  });
}

function checkNames(kind: string, names: readonly string[], known: readonly string[]): void {
  for (const name of names) if (!known.includes(name)) throw unknownName(kind, name, known);
}

/**
 * Measures engines and PyTorch side by side.
 *
 * @throws UserError for an unknown task or engine, and after an interrupt
 */
export async function runBench(options: BenchOptions): Promise<BenchResult> {
  checkNames("task", options.tasks, TASK_NAMES);
  checkNames("engine", options.engines ?? [], BENCH_ENGINES);
  const notes: string[] = [];
  let torch: Torch | undefined;
  if (options.engines === undefined || (options.engines as readonly BenchEngine[]).some(needsPython)) {
    try {
      torch = findTorch();
    } catch (error) {
      notes.push((error as Error).message);
    }
  }
  const wanted = options.engines as readonly BenchEngine[] | undefined;
  const engines = (wanted ?? present(torch)).filter((name) => !needsPython(name) || torch !== undefined);
  const most = Math.max(...options.threads);
  /** Which workers a comparison of this task and number of threads has. */
  const members = (task: TaskName, threads: number): Member[] =>
    engines.flatMap((engine): Member[] => {
      if (wanted === undefined && (ALONE[engine] ?? task) !== task) return [];
      if (engine === "wasm" && threads !== options.threads[0]) return [];
      // a GPU is measured once
      if (!usesThreads(engine) && engine !== "wasm" && threads !== most) return [];
      const own = engine === "wasm" ? 1 : threads;
      return [{ engine, threads: own, launch: launchOf(engine, own, torch) }];
    });
  const rows: BenchRow[] = [];
  const refused: Refusal[] = [];
  const about: Record<string, string> = {};
  const tasks = options.tasks as readonly TaskName[];
  const total =
    tasks.flatMap((task) => options.threads.map((t) => members(task, t).length)).reduce((a, b) => a + b, 0) *
    KINDS.length *
    options.rounds;
  let done = 0;
  const stop = new AbortController();
  const forget = onInterrupt(() => stop.abort());
  try {
    for (const name of tasks) {
      const task = TASKS[name](options.size);
      about[name] = task.about;
      const folder = mkdtempSync(join(tmpdir(), "s2-bench-"));
      try {
        writeTaskFiles(folder, task);
        for (const threads of options.threads) {
          for (const kind of KINDS) {
            const before = done;
            const plan = {
              task: name,
              size: options.size,
              kind,
              folder,
              comparedSteps: task.comparedSteps,
              members: members(name, threads),
            };
            const comparison = new Comparison(plan, options, stop.signal, () =>
              options.progress({ task: "bench", done: ++done, total, note: `${name} ${kind}, ${threads} threads` }),
            );
            await comparison.run();
            done = before + plan.members.length * options.rounds;
            rows.push(...comparison.rows);
            for (const refusal of comparison.refusals) {
              // what was not asked for by name may be unable to start
              if (wanted === undefined && !usesThreads(refusal.engine) && !refusal.differs)
                notes.push(`${refusal.engine} left out of ${name} ${kind}: ${refusal.why}`);
              else refused.push(refusal);
            }
          }
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    }
  } finally {
    forget();
  }
  options.progress({ task: "bench", done: total, total });
  return { machine: machineCard(torch), tasks: about, rows, refused, notes };
}

/** 1 and all cores. */
export function defaultThreads(): number[] {
  return [...new Set([1, availableParallelism()])];
}
