import { fork } from "node:child_process";
import { extname, join } from "node:path";
import type { Precision } from "../lower/rules/common";
import type { OrtEngine } from "./provider";

/** What a trial process is asked for. */
export interface Trial {
  readonly engine: OrtEngine;
  /** In what the product is computed. */
  readonly precision: Precision;
}

/** What it answers: the numbers of the program, or why there are none. */
export type TrialAnswer = { readonly numbers: readonly number[] } | { readonly error: string };

/**
 * A small program whose result is known: rows [[1, 2], [3, 4]] times themselves, plus 1. Halves hold these numbers
 * exactly.
 */
export const PROBE = { input: [1, 2, 3, 4], result: [8, 11, 16, 23] } as const;

/** Runs a trial in a process of its own. @throws Error saying how the process ended without an answer */
function answerOf(trial: Trial, module: string, patienceMs: number): Promise<TrialAnswer> {
  return new Promise((resolve, reject) => {
    // in a checkout these are TypeScript sources, which a child reads with tsx
    const execArgv = extname(module) === ".ts" ? ["--import", require.resolve("tsx")] : [];
    const child = fork(module, [], { execArgv });
    const giveUp = setTimeout(() => {
      reject(new Error(`its driver gave no answer within ${patienceMs / 1000} s; update the driver`));
      child.kill("SIGKILL");
    }, patienceMs);
    child.once("message", (answer: TrialAnswer) => resolve(answer));
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      clearTimeout(giveUp);
      // after an answer this changes nothing
      reject(new Error(`its driver ended a trial process (${signal ?? `exit status ${code}`}); update the driver`));
    });
    child.send(trial);
  });
}

/**
 * Computes a tiny program on a provider in a process of its own, since a broken driver may end the process it is in.
 *
 * @param module what the process runs
 * @param patienceMs a driver that hangs is given up after this many milliseconds
 * @throws Error saying in one line why the provider cannot be used
 */
export async function probe(
  trial: Trial,
  module = join(__dirname, `trial${extname(__filename)}`),
  patienceMs = 120_000,
): Promise<void> {
  const answer = await answerOf(trial, module, patienceMs);
  if ("error" in answer) throw new Error(answer.error.split("\n")[0]!.trim());
  const { numbers } = answer;
  if (PROBE.result.some((want, i) => !(Math.abs(numbers[i]! - want) < 1e-4))) {
    throw new Error(`it computes ${numbers.join(", ")} where ${PROBE.result.join(", ")} is right; update the driver`);
  }
}
