import { resolveConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";

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

/** Every combination of variant and seed. */
export function jobsOf(request: {
  readonly study: string;
  readonly preset: string;
  readonly variants: readonly string[];
  readonly seeds: readonly number[];
  readonly set?: readonly string[];
}): Job[] {
  const { study, preset, variants, seeds, set = [] } = request;
  return variants.flatMap((variant) => seeds.map((seed): Job => ({ study, variant, preset, seed, set })));
}
