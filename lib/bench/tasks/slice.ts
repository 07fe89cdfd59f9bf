import { presets } from "../../config/presets";
import { merge, parseConfig } from "../../config/resolve";
import { type TimedConfig, withSteps } from "../../train/schedule";
import type { Size, Task } from "../task";
import { type BatchSizes, modelTask } from "./model";

const SIZES: Readonly<Record<Size, BatchSizes>> = {
  full: { objects: 50, tokens: 64, labels: 8, anchors: 1 },
  tiny: { objects: 4, tokens: 7, labels: 2, anchors: 1 },
};

/**
 * LLaVA-Video-7B in every width and fewer layers: 1 of SigLIP's 26, 2 of Qwen2's 28 (one trains fully), 4 of Fast3R's
 * 24, and 8,192 of 151,649 words. Nothing is drawn at random in a step, so that PyTorch can do the same.
 */
const SLICE = {
  vision: { layers: 1 },
  language: { layers: 2, vocabSize: 8192 },
  structure: { dropPath: 0 },
  reconstruction: { depth: 4, imageIds: "ordered", scenesPerStep: 1, viewsPerStep: 16 },
  lora: { fullLayers: 1, dropout: 0 },
  // as the release: layers are computed again for their gradients
  training: { accumulate: 1, recompute: true },
};

/** A side of 5 patches with pixels left over: odd as 384 / 14, where maps of the reconstruction heads overshoot. */
const TINY = {
  vision: { imageSize: 22, patchSize: 4, hiddenSize: 12, intermediateSize: 16, heads: 3 },
  language: { vocabSize: 29, hiddenSize: 24, intermediateSize: 20, heads: 4, kvHeads: 2 },
  structure: { heads: 3 },
  positions: { rayHidden: 6 },
  reconstruction: {
    encoderSize: 8,
    hiddenSize: 8,
    heads: 2,
    layerDims: [4, 4, 4, 4],
    featureDim: 4,
    lastDim: 3,
    patchSize: 2,
    viewsPerStep: 3,
  },
  lora: { rank: 2 },
  data: { frames: 3 },
};

function configOf(size: Size): TimedConfig {
  const full = merge({ ...presets["llava-video-7b"] }, SLICE);
  return withSteps(parseConfig(size === "full" ? full : merge(full, TINY), "the slice-7b task"), 64);
}

/** A slice of the paper's model from its pixels to its update: for a GPU. */
export function slice7b(size: Size): Task {
  const config = configOf(size);
  const { vision, language: lm, reconstruction: r, data } = config;
  const about =
    `S2-MLLM at LLaVA-Video-7B's widths (${lm.hiddenSize}, ffn ${lm.intermediateSize}, ${lm.heads} heads, ` +
    `${lm.kvHeads} key heads), ${vision.layers} vision, ${lm.layers} language and ${r.depth} reconstruction layers, ` +
    `${data.frames} frames of ${vision.imageSize} pixels; LoRA, the last language layer trains fully, layers are ` +
    "computed again, AdamW with clipping";
  return modelTask(about, config, SIZES[size]);
}
