import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { ParameterSpec } from "../core/parameters";
import { inEither, inProject } from "../core/root";
import { tf } from "../engine/tf";
import { readSafetensors } from "../io/safetensors";
import { trainsVision, visionParameters } from "../model/vision";
import { adapterConfigFile } from "./adapter";
import { partOf } from "./checkpoint";
import { Weights } from "./weights";

/** Pretrained weights that a preset starts from. */
export type PretrainedPart = "vision" | "reconstruction";

export function pretrainedFile(preset: string, part: PretrainedPart): string {
  return inEither("data", "pretrained", preset, `${part}.safetensors`);
}

/** What says where a configuration's weights come from. */
export type Origin = Pick<S2Config, "preset" | "checkpoints" | "pretrained">;

/** The file that a configuration takes a part from. */
export function partFile(
  config: Pick<S2Config, "preset" | "pretrained" | "reconstruction">,
  part: PretrainedPart,
): string {
  const own = part === "reconstruction" && config.reconstruction.ownEncoder === true;
  return pretrainedFile(own ? config.preset : pretrainedPreset(config), part);
}

/** The preset whose folder below data/pretrained a configuration starts from. */
export const pretrainedPreset = ({ preset, pretrained }: Origin): string => pretrained ?? preset;

/** Published checkpoints that a preset starts from: every folder in data/pretrained/<preset>; links are followed. */
export function checkpointFolders(preset: string): string[] {
  const top = inProject("data", "pretrained", preset);
  if (!existsSync(top)) return [];
  return readdirSync(top)
    .map((name) => join(top, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
    .sort();
}

/**
 * The folders that a configuration's weights come from: those that it names, or its preset's.
 *
 * @throws UserError when a named one is not there
 */
export function checkpointsOf(config: Origin): {
  readonly bases: string[];
  readonly adapters: string[];
} {
  const paths = config.checkpoints?.map((path) => inProject(path)) ?? checkpointFolders(pretrainedPreset(config));
  const absent = paths.find((path) => !existsSync(path));
  if (absent !== undefined)
    throw new UserError(
      `${absent}: is not there; checkpoints names the folders of LLaVA-Video, SigLIP or Fast3R weights and of adapters`,
    );
  const isAdapter = (path: string): boolean => existsSync(join(path, adapterConfigFile));
  return { bases: paths.filter((path) => !isAdapter(path)), adapters: paths.filter(isAdapter) };
}

/** The tokenizer of a configuration's preset, of the one that it starts from, or beside its language model. */
export function tokenizerFile(config: Origin): string {
  const own = [config.preset, pretrainedPreset(config)].map((preset) =>
    inEither("data", "pretrained", preset, "tokenizer.json"),
  );
  const beside = checkpointsOf(config).bases.map((folder) => join(folder, "tokenizer.json"));
  return [...own, ...beside].find((path) => existsSync(path)) ?? own[0]!;
}

/** The frozen tower's parameters, without adapters. */
const towerSpecs = (config: S2Config): ParameterSpec[] =>
  visionParameters(config).filter(({ name }) => partOf(name) === "vision tower");

/** Opens the checkpoint that holds the vision tower. @throws UserError when none of the folders does */
const openTower = (bases: readonly string[], config: S2Config): Weights =>
  Weights.open(bases, config, ["vision tower"]);

/**
 * The preset's own tower, where the configuration has no checkpoint to take one from.
 *
 * @throws UserError when there is neither
 */
export function requireTower(config: S2Config): string | undefined {
  if (checkpointsOf(config).bases.length > 0) return undefined;
  const file = pretrainedFile(pretrainedPreset(config), "vision");
  if (existsSync(file)) return file;
  throw new UserError(
    `preset "${config.preset}" has no pretrained vision tower in data/pretrained/${config.preset}; make it with: ` +
      `npm run -s s2mllm -- pretrain, or name a checkpoint's folder: --set 'checkpoints=["DIR"]'`,
  );
}

/**
 * The vision tower that scenes are prepared with, from the configuration's checkpoints or its preset's own weights.
 *
 * @throws UserError when there is none, or it is another model's
 */
export function loadTower(config: S2Config): Map<string, tf.Tensor> {
  const { bases } = checkpointsOf(config);
  if (bases.length > 0) {
    const weights = openTower(bases, config);
    try {
      return new Map(towerSpecs(config).map(({ name, shape }) => [name, tf.tensor(weights.values(name), [...shape])]));
    } finally {
      weights.close();
    }
  }
  return new Map(
    [...readSafetensors(requireTower(config)!)].map(([name, t]) => [name, tf.tensor(t.data as Float32Array, t.shape)]),
  );
}

/**
 * Short hash of the vision weights that the prepared features come from; "none" where colours are prepared instead.
 *
 * @throws UserError as `loadTower`
 */
export function visionFingerprint(config: S2Config): string {
  if (trainsVision(config)) return "none";
  const hash = createHash("sha256");
  const { bases } = checkpointsOf(config);
  if (bases.length > 0) {
    const weights = openTower(bases, config);
    try {
      // a row of each tensor tells towers apart without reading a gigabyte
      for (const { name, shape } of towerSpecs(config))
        hash.update(`${name} ${shape.join()}`).update(weights.firstRow(name));
    } finally {
      weights.close();
    }
  } else hash.update(readFileSync(requireTower(config)!));
  return hash.digest("hex").slice(0, 12);
}
