import { appendFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { textIn } from "../core/files";
import { runsFolder } from "../runs/folder";
import { type Job, jobName } from "./job";

/** A run that ended with an error. */
const Failure = z.strictObject({
  study: z.string(),
  variant: z.string(),
  preset: z.string(),
  seed: z.int().min(0),
  set: z.array(z.string()),
  error: z.string(),
  at: z.iso.datetime(),
});
export type Failure = z.output<typeof Failure>;

const file = (): string => join(runsFolder(), "failures.jsonl");

/** Notes that a job's run ended with an error; the note stays when it is run again. */
export function recordFailure(job: Job, error: string): void {
  mkdirSync(dirname(file()), { recursive: true });
  const failure: Failure = { ...job, set: [...job.set], error, at: new Date().toISOString() };
  appendFileSync(file(), `${JSON.stringify(failure)}\n`);
}

const keyOf = ({ study, preset, set, ...job }: Job): string =>
  JSON.stringify([study, preset, set, jobName({ study, preset, set, ...job })]);

/** The last failure of each job; of some jobs alone. A line that was cut off is passed over. */
export function failuresOf(jobs: readonly Job[]): Failure[] {
  const wanted = new Set(jobs.map(keyOf));
  const found = textIn(file())
    .split("\n")
    .flatMap((line): Failure[] => {
      try {
        return [Failure.parse(JSON.parse(line))];
      } catch {
        return [];
      }
    })
    .filter((failure) => wanted.has(keyOf(failure)));
  return [...new Map(found.map((failure) => [keyOf(failure), failure])).values()];
}
