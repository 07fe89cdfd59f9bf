import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { Rng } from "../core/rng";
import type { tf } from "../engine/tf";
import { initParameters } from "../model/initialise";
import { adapterConfigFile, loadAdapter } from "./adapter";
import { type ModelPart, partOf } from "./checkpoint";
import { describeModel } from "./describe";
import { checkpointsOf, partFile, pretrainedPreset } from "./pretrained";
import { loadWeights, readWeights } from "./tensor-file";
import { Weights } from "./weights";

/** Where a run's adapter lies in its folder. */
export const adapterFolder = (run: string): string => join(run, "adapter");

/**
 * The parameters that a configuration starts from: published checkpoints or the lab's own pretrained parts from their
 * files, adapters over them, the rest by its initial distribution.
 *
 * @param purpose answers need no reconstruction decoder: where no checkpoint has one, its numbers mean nothing then
 */
export function startingParameters(
  config: S2Config,
  purpose: "training" | "answers" = "training",
): Map<string, tf.Variable> {
  const { bases, adapters } = checkpointsOf(config);
  const fromScratch = config.language.init === "xavier";
  const part = (name: ModelPart): string[] =>
    describeModel(config)
      .map((spec) => spec.name)
      .filter((n) => partOf(n) === name);
  if (bases.length > 0) {
    // a language model that starts from random numbers needs no checkpoint, and takes the lab's own decoder
    const needed: ModelPart[] | undefined = fromScratch
      ? ["vision tower"]
      : purpose === "answers"
        ? ["vision tower", "language model"]
        : undefined;
    const weights = Weights.open([...bases, ...adapters], config, needed);
    try {
      const parameters = weights.load();
      const decoder = part("reconstruction decoder").filter((name) => weights.added.includes(name));
      if (decoder.length > 0 && purpose === "training")
        loadWeights(partFile(config, "reconstruction"), parameters, decoder);
      return parameters;
    } finally {
      weights.close();
    }
  }
  const parameters = initParameters(describeModel(config), new Rng(config.seed, "init"));
  loadWeights(partFile(config, "vision"), parameters, part("vision tower"));
  if (config.reconstruction.enabled && purpose === "training")
    loadWeights(partFile(config, "reconstruction"), parameters, part("reconstruction decoder"));
  for (const folder of adapters) loadAdapter(folder, config, parameters);
  return parameters;
}

/** A configuration that starts from one adapter, over the weights that it starts from anyway. */
export function withAdapter(config: S2Config, adapter: string): S2Config {
  return { ...config, checkpoints: [...checkpointsOf(config).bases, adapter] };
}

/** What an adapter belongs to, in words: the folders of its base's weights. */
export function baseOf(config: S2Config): string {
  const { bases } = checkpointsOf(config);
  return bases.length === 0 ? pretrainedPreset(config) : bases.map((path) => basename(path)).join(" ");
}

/**
 * The parameters of a finished run, for answers: its own weights, or its adapter over what the run started from.
 *
 * @throws UserError when the folder has neither
 */
export function finishedParameters(folder: string, config: S2Config): Map<string, tf.Variable> {
  const own = join(folder, "model.safetensors");
  const adapter = adapterFolder(folder);
  if (existsSync(own)) return readWeights(own, describeModel(config));
  if (!existsSync(join(adapter, adapterConfigFile)))
    throw new UserError(
      `${folder}: no model.safetensors and no adapter/${adapterConfigFile}; expected the folder of a finished run ` +
        "(s2mllm train makes one)",
    );
  return startingParameters(withAdapter(config, adapter), "answers");
}
