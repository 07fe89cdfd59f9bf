import { resolveConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";
import { studyNamed } from "./definitions";
import type { EvaluationName } from "./evaluations";

/** One training run that a study asks for. */
export interface Job {
  readonly study: string;
  readonly variant: string;
  readonly preset: string;
  readonly seed: number;
  /** Overrides "a.b=3" on top of preset and variant. */
  readonly set: readonly string[];
}

export function jobConfig(job: Job): S2Config {
  return resolveConfig({ preset: job.preset, ablation: job.variant, set: job.set, seed: job.seed });
}

export function jobName(job: Job): string {
  return `${job.variant}-s${job.seed}`;
}

/** The arm of an A/A control, and how far its seeds lie from those of the arm that it repeats. */
const again = { variant: "again", seeds: 1000 } as const;

/** Every combination of variant and seed. */
export function jobsOf(request: {
  readonly study: string;
  readonly preset: string;
  readonly variants: readonly string[];
  readonly seeds: readonly number[];
  readonly set?: readonly string[];
}): Job[] {
  const { study, preset, variants, seeds, set = [] } = request;
  return variants.flatMap((variant) =>
    seeds.map((seed): Job => {
      const moved = variant.split("+").includes(again.variant) ? seed + again.seeds : seed;
      return { study, variant, preset, seed: moved, set };
    }),
  );
}

/** The seeds that some rows were asked with, each once: those of a repeated arm lie elsewhere. */
export function seedsOf(rows: readonly { readonly variant: string; readonly seed: number }[]): number[] {
  const asked = rows.map(({ variant, seed }) =>
    variant.split("+").includes(again.variant) ? seed - again.seeds : seed,
  );
  return [...new Set(asked)].sort((a, b) => a - b);
}

/** Whether a job is as its study's protocol states it. */
const stated = ({ study, preset, set }: Omit<Job, "variant" | "seed">): boolean =>
  preset === studyNamed(study).protocol.preset && set.length === 0;

/** Version of the protocol that a job's rows are of; 0: none, a first look by another preset or with other values. */
export function protocolOf(job: Omit<Job, "variant" | "seed">): number {
  return stated(job) ? studyNamed(job.study).protocol.version : 0;
}

/** What a job's run is evaluated on: as stated; of a first look the held-out scenes of its own data. */
export function evaluationsOf(job: Omit<Job, "variant" | "seed">): readonly EvaluationName[] {
  return stated(job) ? studyNamed(job.study).protocol.evaluations : ["val"];
}
