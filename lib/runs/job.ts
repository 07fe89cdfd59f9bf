import { createHash } from "node:crypto";
import { resolveConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";
import { inProject } from "../core/root";

/** One training run of a study. */
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

/** Fingerprint of the complete configuration without the seed: a row made under another one is not reused. */
export function configHash(job: Job): string {
  const { seed: _seed, ...rest } = jobConfig(job);
  return createHash("sha256").update(JSON.stringify(rest)).digest("hex").slice(0, 12);
}

/** Folder of a run's log, checkpoint and weights. */
export function runFolder(job: Job): string {
  return inProject("data", "runs", job.study, `${job.preset}-${job.variant}-s${job.seed}-${configHash(job)}`);
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
