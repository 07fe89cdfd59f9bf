import { presets } from "../../config/presets";
import { merge, parseConfig } from "../../config/resolve";
import { type TimedConfig, withSteps } from "../../train/schedule";
import type { Size, Task } from "../task";
import { type BatchSizes, modelTask } from "./model";

/** "full" is what a training batch of S2-Rooms has (`batchSizes` over its training rooms). */
const SIZES: Readonly<Record<Size, BatchSizes>> = {
  full: { objects: 16, tokens: 10, labels: 3, anchors: 2 },
  tiny: { objects: 3, tokens: 6, labels: 2, anchors: 1 },
};

const TINY = {
  vision: { imageSize: 16, patchSize: 4, hiddenSize: 12, intermediateSize: 16, layers: 1, heads: 3 },
  language: {
    vocabSize: 23,
    hiddenSize: 16,
    intermediateSize: 20,
    layers: 3,
    heads: 4,
    kvHeads: 2,
    copyValues: false,
    ropeTheta: 100,
  },
  structure: { heads: 3, outputInit: "normal" },
  positions: { rayHidden: 6 },
  reconstruction: {
    encoderSize: 8,
    hiddenSize: 8,
    heads: 2,
    depth: 4,
    layerDims: [4, 4, 4, 4],
    featureDim: 4,
    lastDim: 3,
    patchSize: 2,
    scenesPerStep: 1,
    viewsPerStep: 2,
  },
  training: { scenes: 2, sentences: 3 },
  data: { frames: 2 },
};

function configOf(size: Size): TimedConfig {
  const nano: Record<string, unknown> = { ...presets.nano };
  const config = parseConfig(size === "full" ? nano : merge(nano, TINY), "the nano task");
  return withSteps(config, config.training.steps!);
}

/** The nano preset's training step, and the scores of a batch; vision features are given. */
export function nano(size: Size): Task {
  const config = configOf(size);
  const { scenes, sentences } = config.training;
  const about =
    `S2-MLLM at preset nano: ${scenes} scenes, ${config.data.frames} views, ${sentences} sentences a scene, ` +
    "all losses, AdamW with clipping";
  return modelTask(about, config, SIZES[size]);
}
