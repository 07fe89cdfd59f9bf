import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../config/schema";
import { writeFileAtomic } from "../core/files";
import type { ProgressSink } from "../core/progress";
import { Rng } from "../core/rng";
import type { tf } from "../engine/tf";
import { describeModel } from "../model/describe";
import { initParameters } from "../model/initialise";
import { visionPrefix } from "../model/vision";
import { fast3rPrefix } from "../model/reconstruction";
import { Weights } from "../model/weights";
import { loadWeights, resumeCheckpoint, saveCheckpoint, saveWeights } from "./checkpoint";
import type { EncodedScene } from "./data";
import { MetricsLog } from "./metrics-log";
import { checkpointFolders, pretrainedFile } from "./pretrained";
import type { SharedPrompt } from "../model/prompt";
import type { SceneCache } from "./scene-cache";
import { Trainer } from "./trainer";

export interface FineTuneOptions {
  readonly config: S2Config;
  readonly cache: SceneCache;
  readonly scenes: readonly EncodedScene[];
  readonly prompt: SharedPrompt;
  /** Folder of this run: config.json, metrics.jsonl, checkpoint/, model.safetensors. */
  readonly folder: string;
  readonly name: string;
  readonly progress: ProgressSink;
  readonly signal?: AbortSignal;
  /** Steps between checkpoints. */
  readonly checkpointEvery?: number;
}

export interface FineTuned {
  readonly parameters: Map<string, tf.Variable>;
  readonly seconds: number;
}

/** Steps whose numbers are averaged into one line of metrics.jsonl. */
const logEvery = 10;

/**
 * The parameters that a configuration starts from: published checkpoints or the lab's own pretrained parts from their
 * files, the rest by its initial distribution.
 */
export function startingParameters(config: S2Config): Map<string, tf.Variable> {
  const folders = checkpointFolders(config.preset);
  if (folders.length > 0) {
    const weights = Weights.open(folders, config);
    try {
      return weights.load();
    } finally {
      weights.close();
    }
  }
  const parameters = initParameters(describeModel(config), new Rng(config.seed, "init"));
  const part = (prefix: string): string[] => [...parameters.keys()].filter((name) => name.startsWith(`${prefix}.`));
  loadWeights(pretrainedFile(config.preset, "vision"), parameters, part(visionPrefix));
  if (config.reconstruction.enabled) loadWeights(pretrainedFile(config.preset, "reconstruction"), parameters, part(fast3rPrefix));
  return parameters;
}

/**
 * Trains one configuration to its end, going on from the run folder's checkpoint where one fits.
 *
 * @throws Error "stopped at step …" after `signal`; the checkpoint is written first
 */
export async function fineTune(options: FineTuneOptions): Promise<FineTuned> {
  const { config, cache, folder } = options;
  const identity = { config: createHash("sha256").update(JSON.stringify(config)).digest("hex").slice(0, 12), dataFingerprint: cache.index.dataFingerprint };
  writeFileAtomic(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  const parameters = startingParameters(config);
  const trainer = new Trainer(config, cache, options.scenes, options.prompt, parameters);
  const checkpoint = join(folder, "checkpoint");
  const resumed = resumeCheckpoint(checkpoint, parameters, trainer.optimizer, identity);
  const log = new MetricsLog(join(folder, "metrics.jsonl"));
  const first = resumed?.step ?? 0;
  log.truncate(first);
  const started = Date.now();
  const seconds = (): number => (resumed?.seconds ?? 0) + (Date.now() - started) / 1000;
  const { steps } = config.training;
  const sums = new Map<string, [number, number]>();
  const add = (key: string, value: number): void => {
    const [sum, n] = sums.get(key) ?? [0, 0];
    sums.set(key, [sum + value, n + 1]);
  };
  for (let step = first; step < steps; step++) {
    const report = trainer.step(step);
    if (!Number.isFinite(report.total)) throw new Error(`${options.name}: the loss is ${report.total} at step ${step}; lower training.learningRate`);
    for (const key of ["total", "ground", "language", "recon", "anchor", "anchorAttention", "gradNorm", "accuracy"] as const) add(key, report[key]);
    for (const [kind, value] of Object.entries(report.byKind)) add(`accuracy/${kind}`, value);
    if ((step + 1) % logEvery === 0 || step + 1 === steps) {
      const means = Object.fromEntries([...sums].map(([key, [sum, n]]) => [key, Number((sum / n).toPrecision(5))]));
      log.append({ step, seconds: Number(seconds().toFixed(2)), rate: report.rate, ...means });
      const shown = [`loss ${(means["ground"] ?? NaN).toFixed(2)}`, `acc ${(100 * (means["accuracy"] ?? NaN)).toFixed(0)}%`];
      if (config.lossWeights.anchor > 0) shown.push(`anchor ${(means["anchor"] ?? NaN).toFixed(2)}`);
      options.progress({ task: options.name, done: step + 1, total: steps, note: shown.join("  ") });
      sums.clear();
    }
    const due = (step + 1) % (options.checkpointEvery ?? 400) === 0 && step + 1 < steps;
    if (due || options.signal?.aborted === true) {
      saveCheckpoint(checkpoint, parameters, trainer.optimizer, { ...identity, step: step + 1, seconds: seconds() });
    }
    if (options.signal?.aborted === true) throw new Error(`stopped at step ${step + 1} of ${steps}; its checkpoint is kept`);
    // lets messages in, such as the parent's "stop"
    await new Promise((resolve) => setImmediate(resolve));
  }
  saveWeights(join(folder, "model.safetensors"), parameters, { preset: config.preset, steps: String(steps) });
  rmSync(checkpoint, { recursive: true, force: true });
  trainer.optimizer.dispose();
  return { parameters, seconds: seconds() };
}
