import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { takeMessages } from "../core/interrupt";
import type { ProgressSink } from "../core/progress";
import type { SceneCache } from "../dataloader/prepared-scenes";
import { type EncodedScene, longestAnswer } from "../dataloader/sentences";
import { overflowAdvice } from "../engine/choose";
import { tf } from "../engine/tf";
import type { SharedPrompt } from "../model/prompt";
import { type RunFolder, recordConfig, type StoredRun, sayOnce, type Trained, verified } from "../runs/folder";
import { adapterConfigFile, requireAdapters, saveAdapter } from "../weights/adapter";
import { writeMaxNewTokens } from "../weights/hf-config";
import { adapterFolder, baseOf, finishedParameters, startingParameters } from "../weights/parameters";
import { saveWeights } from "../weights/tensor-file";
import { resumeCheckpoint, saveCheckpoint } from "./checkpoint";
import { MetricsLog, readMetrics } from "./metrics-log";
import { trainingSignatures } from "./signatures";
import { Trainer } from "./trainer";

export interface FineTuneOptions {
  readonly config: S2Config;
  readonly cache: SceneCache;
  readonly scenes: readonly EncodedScene[];
  readonly prompt: SharedPrompt;
  /** Takes metrics.jsonl, checkpoint/, generation_config.json, and the weights as model.safetensors or adapter/. */
  readonly run: RunFolder;
  readonly name: string;
  readonly progress: ProgressSink;
  readonly signal?: AbortSignal;
  /** Steps between checkpoints. */
  readonly checkpointEvery?: number;
  /** What is kept of a finished run: model.safetensors unless given, adapter/ in PEFT's layout, or both. */
  readonly keep?: Kept;
}

export const keptForms = ["model", "adapter", "both"] as const;
export type Kept = (typeof keptForms)[number];

const weightsFile = "model.safetensors";

export interface FineTuned {
  readonly steps: number;
  readonly parameters: Map<string, tf.Variable>;
  readonly seconds: number;
}

/** Steps whose numbers are averaged into one line of metrics.jsonl. */
const logEvery = 10;

/**
 * The configuration and parameters of a stored run, for answers; its weights are compared with their checksums first.
 *
 * @throws UserError when the training did not come to its end, or the weights are not what it wrote
 */
export function storedParameters({ record, folder }: StoredRun): {
  readonly config: S2Config;
  readonly parameters: Map<string, tf.Variable>;
} {
  const config = recordConfig(record, folder);
  verified(folder, existsSync(join(folder, weightsFile)) ? weightsFile : "adapter");
  return { config, parameters: finishedParameters(folder, config) };
}

/** Writes what is to be kept of trained parameters and is not there yet. */
function keepWeights(
  run: RunFolder,
  config: S2Config,
  parameters: ReadonlyMap<string, tf.Variable>,
  keep: Kept,
  { steps, seconds }: Trained,
): void {
  // what lies there without a manifest is of a training that was killed while it wrote
  const there = (name: string): boolean => run.trained !== undefined && existsSync(run.file(name));
  if (keep !== "adapter" && !there(weightsFile))
    run.adopt(weightsFile, (file) => saveWeights(file, parameters, { preset: config.preset, steps: String(steps) }));
  if (keep !== "model" && !there(join("adapter", adapterConfigFile)))
    saveAdapter(
      adapterFolder(run.path),
      config,
      (name) => parameters.get(name)!.dataSync() as Float32Array,
      baseOf(config),
    );
  run.seal({ steps, seconds });
}

/**
 * Trains one configuration to its end, going on from the run folder's checkpoint where one fits. A finished training is
 * not done again: its weights are read.
 *
 * @throws UserError, before the first step, when an adapter is wanted of a configuration that has none; or
 * "stopped after …" after `signal`; the checkpoint is written first
 */
export async function fineTune(options: FineTuneOptions): Promise<FineTuned> {
  const { config, cache, run } = options;
  const keep = options.keep ?? "model";
  if (keep !== "model") requireAdapters(config);
  const done = run.trained;
  if (done !== undefined) {
    const { parameters } = storedParameters({ record: run.record, folder: run.path });
    keepWeights(run, config, parameters, keep, done);
    return { parameters, ...done };
  }
  const identity = { config: run.record.id, dataFingerprint: cache.index.dataFingerprint };
  const parameters = startingParameters(config);
  const trainer = new Trainer(config, cache, options.scenes, options.prompt, parameters);
  const checkpoint = run.file("checkpoint");
  const resumed = resumeCheckpoint(checkpoint, parameters, trainer.optimizer, identity);
  const log = new MetricsLog(run.file("metrics.jsonl"), Date.parse(run.record.begun) / 1000);
  const first = resumed?.step ?? 0;
  log.truncate(first);
  const lines = existsSync(log.file) ? readMetrics(log.file) : [];
  let signatures: readonly string[] = [];
  const started = Date.now();
  const seconds = (): number => (resumed?.seconds ?? 0) + (Date.now() - started) / 1000;
  const { steps } = trainer;
  const sums = new Map<string, [number, number]>();
  const add = (key: string, value: number): void => {
    const [sum, n] = sums.get(key) ?? [0, 0];
    sums.set(key, [sum + value, n + 1]);
  };
  let kept = resumed?.step;
  const goOn = (): string =>
    kept === undefined
      ? "no checkpoint was kept yet"
      : `the same command goes on from step ${kept}, kept in ${checkpoint}`;
  const doStep = (step: number): ReturnType<Trainer["step"]> => {
    try {
      return trainer.step(step);
    } catch (error) {
      const where = `step ${step} of ${steps} failed on ${tf.getBackend()}`;
      const text = `${options.name}: ${where} (${goOn()}): ${(error as Error).message}`;
      throw error instanceof UserError ? new UserError(text) : new Error(text, { cause: error });
    }
  };
  const keepState = (step: number): void => {
    saveCheckpoint(checkpoint, parameters, trainer.optimizer, { ...identity, step, seconds: seconds() });
    kept = step;
  };
  for (let step = first; step < steps; step++) {
    // what asks to stop comes in here: no step is begun after it
    await takeMessages();
    if (options.signal?.aborted === true) {
      if (kept !== step) keepState(step);
      throw new UserError(`stopped after ${step} of ${steps} steps; its checkpoint is kept`);
    }
    const report = doStep(step);
    // a gradient without a number spoils the weights one step before the loss shows it
    for (const [what, value] of [
      ["loss", report.total],
      ["gradient's norm", report.gradNorm],
    ] as const) {
      if (!Number.isFinite(value))
        throw new UserError(
          `${options.name}: the ${what} is ${value} at step ${step}; ${overflowAdvice()}lower training.learningRate, ` +
            `or name the first tensor with S2_ENGINE_DEBUG=1 (${goOn()})`,
        );
    }
    for (const key of [
      "total",
      "ground",
      "language",
      "recon",
      "anchor",
      "anchorAttention",
      "gradNorm",
      "accuracy",
    ] as const)
      add(key, report[key]);
    for (const [kind, value] of Object.entries(report.byKind)) add(`accuracy/${kind}`, value);
    if ((step + 1) % logEvery === 0 || step + 1 === steps) {
      const means = Object.fromEntries([...sums].map(([key, [sum, n]]) => [key, Number((sum / n).toPrecision(5))]));
      const line = { step, seconds: Number(seconds().toFixed(2)), rate: report.rate, ...means };
      log.append(line);
      lines.push(line);
      const shows = trainingSignatures(lines, steps);
      for (const text of shows) sayOnce(`${options.name}: failure signature: ${text}`);
      if (shows.length > signatures.length) run.keepSignatures(shows);
      signatures = shows;
      const shown = [`loss ${(means.ground ?? NaN).toFixed(2)}`, `acc ${(100 * (means.accuracy ?? NaN)).toFixed(0)}%`];
      if (config.lossWeights.anchor > 0) shown.push(`anchor ${(means.anchor ?? NaN).toFixed(2)}`);
      options.progress({ task: options.name, done: step + 1, total: steps, note: shown.join("  ") });
      sums.clear();
    }
    if ((step + 1) % (options.checkpointEvery ?? 400) === 0 && step + 1 < steps) keepState(step + 1);
  }
  const took = Number(seconds().toFixed(1));
  writeMaxNewTokens(run.path, longestAnswer(options.scenes));
  keepWeights(run, config, parameters, keep, { steps, seconds: took });
  rmSync(checkpoint, { recursive: true, force: true });
  trainer.optimizer.dispose();
  return { parameters, steps, seconds: took };
}
