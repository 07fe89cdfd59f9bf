import { UserError } from "../../core/errors";
import { findAdapter } from "../../engine/backend";
import type { EngineName } from "../../engine/choose";
import { findInstalled } from "../../engine/install/installed";
import { nvidiaGpus } from "../../engine/nvidia";
import { findTorch } from "../engines";
import type { BenchResult } from "../rows";
import type { Size } from "../task";
import { type CheckedEngines, type Finding, type Part, partsOf } from "./parts";

/** How a part of the check ended. */
export interface PartResult {
  readonly part: string;
  readonly state: "ok" | "failed" | "no time left";
  readonly seconds: number;
  readonly text: string;
}

export interface CheckResult {
  readonly engines: readonly EngineName[];
  readonly seconds: number;
  readonly parts: readonly PartResult[];
  /** Rows of all bench parts together; undefined where none came out. */
  readonly bench: BenchResult | undefined;
}

/** A check that takes longer is cut off here; tiny sizes are for software drivers, which are slow. */
export const MOST_MINUTES = { full: 8, tiny: 30 } as const satisfies Record<Size, number>;

/** Less than this many seconds are not worth a start. */
const LEAST_S = 5;

/** The engines that run on a GPU of this machine. @throws UserError where there is none */
export function gpuEngines(): EngineName[] {
  const cuda = nvidiaGpus().length > 0;
  const engines: EngineName[] = [
    ...(cuda ? (["ort-cuda"] as const) : []),
    ...(findAdapter().kind === "hardware" ? (["ort-webgpu"] as const) : []),
    ...(cuda && findInstalled("tensorflow")?.recipe === "tensorflow-cuda" ? (["tensorflow"] as const) : []),
  ];
  if (engines.length === 0)
    throw new UserError(
      `gpu check: ${findAdapter().why}; on a machine without a GPU --engines ort-webgpu --tiny takes a software driver`,
    );
  return engines;
}

function torchOnGpu(): boolean {
  try {
    return findTorch().cuda;
  } catch {
    return false;
  }
}

/** Runs parts one after the other; one that fails or overruns its limit does not stop the others. */
export async function runParts(
  parts: readonly Part[],
  minutes: number,
  say: (line: string) => void,
): Promise<{ results: PartResult[]; findings: Finding[] }> {
  const start = performance.now();
  const results: PartResult[] = [];
  const findings: Finding[] = [];
  for (const { name: part, limitS, run } of parts) {
    const began = performance.now();
    const left = 60 * minutes - (began - start) / 1000;
    const end = (state: PartResult["state"], text: string): void => {
      const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
      results.push({ part, state, seconds, text });
      say(`${state === "ok" ? "ok " : "-- "} ${part} (${seconds} s): ${text}`);
    };
    if (left < LEAST_S) {
      end("no time left", `the check has ${minutes} minutes`);
      continue;
    }
    try {
      const finding = await run(1000 * Math.min(limitS, left));
      findings.push(finding);
      end(finding.ok ? "ok" : "failed", finding.text);
    } catch (error) {
      end("failed", (error as Error).message.split("\n")[0]!);
    }
  }
  return { results, findings };
}

function merged(results: readonly BenchResult[]): BenchResult | undefined {
  const [first] = results;
  if (first === undefined) return undefined;
  return {
    machine: first.machine,
    tasks: Object.assign({}, ...results.map(({ tasks }) => tasks)),
    rows: results.flatMap(({ rows }) => rows),
    refused: results.flatMap(({ refused }) => refused),
    notes: [...new Set(results.flatMap(({ notes }) => notes))],
  };
}

/**
 * Shows what a machine's GPU does with the lab: doctor, parity, bytes a step, engines beside PyTorch, a slice of the
 * 7B model, a training. Each part has a time limit.
 *
 * @param engines those of this machine's GPU unless given
 * @throws UserError where there is no GPU and no engine is named
 */
export async function checkGpu(options: {
  readonly engines?: readonly EngineName[];
  readonly size: Size;
  readonly minutes?: number;
  readonly say: (line: string) => void;
}): Promise<CheckResult> {
  const { size, minutes = MOST_MINUTES[size], say } = options;
  const checked: CheckedEngines = { engines: options.engines ?? gpuEngines(), torch: torchOnGpu() };
  const start = performance.now();
  const { results, findings } = await runParts(partsOf(checked, size), minutes, say);
  return {
    engines: checked.engines,
    seconds: Number(((performance.now() - start) / 1000).toFixed(1)),
    parts: results,
    bench: merged(findings.flatMap(({ bench }) => (bench === undefined ? [] : [bench]))),
  };
}
