import type { S2Config } from "../config/schema";

/** A configuration whose number of steps is known: `training.steps`, or what its epochs come to. */
export type TimedConfig = S2Config & { readonly training: { readonly steps: number } };

export function withSteps(config: S2Config, steps: number): TimedConfig {
  return { ...config, training: { ...config.training, steps } };
}

/**
 * Learning rate of step `step` (0-based): linear warm-up, then a cosine down to `finalRate` times the peak.
 * As in the released recipe (spec 5.1), where the cosine ends at 0.
 */
export function learningRate(step: number, config: TimedConfig["training"]): number {
  const warm = Math.max(1, Math.round(config.warmup * config.steps));
  if (step < warm) return (config.learningRate * (step + 1)) / warm;
  const progress = (step - warm) / Math.max(1, config.steps - warm);
  const cosine = 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress)));
  return config.learningRate * (config.finalRate + (1 - config.finalRate) * cosine);
}
