import { runChild } from "../../core/child";
import { inProject } from "../../core/root";
import type { OrtEngine } from "./provider";

/** What a trial process is asked for. */
export interface Trial {
  readonly engine: OrtEngine;
  /** Whether the product is computed in half precision. */
  readonly half: boolean;
}

/** A small program whose result is known: rows [[1, 2], [3, 4]] times themselves, plus 1. Halves hold these numbers exactly. */
export const PROBE = { input: [1, 2, 3, 4], result: [8, 11, 16, 23] } as const;

/**
 * Computes a tiny program on a provider in a process of its own, since a broken driver may end the process it is in.
 *
 * @param module what the process runs
 * @param patienceMs a driver that hangs is given up after this many milliseconds
 * @throws Error saying in one line why the provider cannot be used
 */
export async function probe(
  trial: Trial,
  module = inProject("lib", "engine", "ort", "probe-part.ts"),
  patienceMs = 120_000,
): Promise<void> {
  let numbers: number[];
  try {
    numbers = await runChild<Trial, never, number[]>(module, trial, { patienceMs });
  } catch (error) {
    const text = (error as Error).message
      .split("\n")[0]!
      .trim()
      .replace(/^Error: /, "");
    const end = /ended without an answer \((.*)\)$/.exec(text)?.[1];
    const hung = /gave no answer within .*$/.exec(text)?.[0];
    if (hung !== undefined) throw new Error(`its driver ${hung}; update the driver`);
    throw new Error(end === undefined ? text : `its driver ended a trial process (${end}); update the driver`);
  }
  if (PROBE.result.some((want, i) => !(Math.abs(numbers[i]! - want) < 1e-4))) {
    throw new Error(`it computes ${numbers.join(", ")} where ${PROBE.result.join(", ")} is right; update the driver`);
  }
}
