import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../config/schema";
import { codeVersion, inProject } from "../core/root";
import { dataFingerprint } from "../datasets/fingerprint";
import { isSynthetic } from "../datasets/rooms/config";
import { enginePrecision } from "../engine/choose";
import { contentOf } from "../io/file-digest";
import { dataName, type RunRecord } from "../runs/folder";
import { numerics, type RunIdentity, runId } from "../runs/identity";
import { changesOf, settingsOf } from "../runs/settings";
import { checkpointsOf, partFile, tokenizerFile } from "../weights/pretrained";

/** What weights are read from in a folder of a checkpoint or an adapter. */
const weightFiles = /\.(?:safetensors|bin|index\.json)$|^(?:adapter_)?config\.json$/;

/**
 * Fingerprint of what a configuration starts from: weights, adapters and tokenizer, by content; paths do not count.
 * Files beyond 64 MB are sampled (`contentOf` says how).
 */
export function startingFingerprint(config: S2Config): string {
  const { bases, adapters } = checkpointsOf(config);
  const own =
    bases.length > 0
      ? []
      : // all of a preset's parts, whichever an arm uses: arms of one study start from the same weights
        (["vision", "reconstruction"] as const).map((part) => partFile(config, part));
  const inFolders = [...bases, ...adapters].flatMap((path) =>
    statSync(path).isDirectory()
      ? readdirSync(path)
          .filter((name) => weightFiles.test(name))
          .sort()
          .map((name) => join(path, name))
      : [path],
  );
  const hash = createHash("sha256");
  for (const file of [...own, ...inFolders, tokenizerFile(config)])
    hash.update(existsSync(file) ? contentOf(file, statSync(file).size) : "absent").update("\0");
  return hash.digest("hex").slice(0, 12);
}

/** Everything that the outcome of training a configuration on this machine, by the engine of now, depends on. */
export function identify(config: S2Config, engine: string): RunIdentity {
  return {
    settings: settingsOf(config),
    seed: config.seed,
    data: dataFingerprint(inProject(config.data.folder)),
    weights: startingFingerprint(config),
    engine,
    precision: enginePrecision(),
    numerics,
  };
}

/** The record of a run that is about to begin. @param variant name of the ablation that the configuration comes from */
export function newRun(config: S2Config, variant: string, engine: string): RunRecord {
  const folder = inProject(config.data.folder);
  const identity = identify(config, engine);
  return {
    format: 1,
    id: runId(identity),
    preset: config.preset,
    variant,
    changes: changesOf(config, variant),
    identity,
    config,
    data: dataName(folder),
    synthetic: isSynthetic(folder),
    commit: codeVersion(),
    begun: new Date().toISOString(),
  };
}
