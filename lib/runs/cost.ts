import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { runsFolder } from "./folder";
import { problemsOf, resultsFolder } from "./results";

/** What a run cost where it ran, measured beside whatever else the machine did. */
export const RunCost = z.strictObject({
  engine: z.string(),
  /** Threads of the engine; absent where it took all cores. */
  threads: z.int().min(1).optional(),
  /** Mean of a training step, compiling included. */
  stepSeconds: z.number().positive(),
  /** Mean of a sentence, the sentences of a scene answered together. */
  answerSeconds: z.number().positive(),
  /** Most memory of the process, over training and answers, MB. */
  peakMB: z.number().positive(),
});
export type RunCost = z.output<typeof RunCost>;

export const costName = "cost.json";

/** Where a run's cost lies once it is published. */
export const publishedCost = (run: string): string => join(resultsFolder(), "cost", `${run}.json`);

/** What a run cost; undefined where it was not measured. @throws UserError when the file is damaged */
export function readCost(run: string): RunCost | undefined {
  const file = [join(runsFolder(), run, costName), publishedCost(run)].find((path) => existsSync(path));
  if (file === undefined) return undefined;
  try {
    return RunCost.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    const why = error instanceof z.ZodError ? problemsOf(error) : `not JSON (${(error as Error).message})`;
    throw new UserError(`${file}: ${why}; delete it; the run's row stays, without a cost`);
  }
}
