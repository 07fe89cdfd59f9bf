import { z } from "zod";
import { Settings, settingDifferences, shortHash } from "./settings";

/**
 * Version of what the code computes. Raise it by hand, in a commit of its own, when a change of the code changes what a
 * training ends with; tests/runs/identity.test.ts pins a short training's losses and names this line when they move.
 *
 * 0: rows from before runs had ids. 1: runs with ids.
 */
export const numerics = 1;

/** Everything that a run's outcome depends on. */
export const RunIdentity = z.strictObject({
  /** Config values that differ from the schema's defaults, without seed and paths. */
  settings: Settings,
  seed: z.int().min(0),
  /** Fingerprint of scans, sentences, label map and proposals. */
  data: z.string().min(1),
  /** Fingerprint of the contents of starting weights, tokenizer and adapters. */
  weights: z.string().min(1),
  engine: z.string().min(1),
  /** Of matrix products, such as "float32". */
  precision: z.string().min(1),
  numerics: z.int().min(0),
});
export type RunIdentity = z.output<typeof RunIdentity>;

export const runIdPattern = /^[0-9a-f]{12}$/;

/** 12 hexadecimal digits that no other run has. */
export function runId(identity: RunIdentity): string {
  return shortHash(identity);
}

/** One line for each thing in which two identities differ, config values by their path. */
export function identityDifferences(there: RunIdentity, here: RunIdentity): string[] {
  const { settings: theirs, ...other } = there;
  const { settings: ours, ...own } = here;
  return [...settingDifferences(theirs, ours), ...settingDifferences(other, own)];
}
