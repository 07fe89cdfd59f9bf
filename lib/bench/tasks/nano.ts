import { presets } from "../../config/presets";
import { merge, parseConfig } from "../../config/resolve";
import type { S2Config } from "../../config/schema";
import { planTraining } from "../../core/parameters";
import { Rng } from "../../core/rng";
import { NamedStep, nestTensors } from "../../engine/named-step";
import type { ModelInputs, Targets } from "../../model/inputs";
import { pooledSide } from "../../model/pooling";
import { forward } from "../../model/s2mllm";
import { patchSide, visionPrefix } from "../../model/vision";
import { learningRate, type TimedConfig, withSteps } from "../../train/schedule";
import { TrainingStep } from "../../train/training-step";
import { describeModel, trainRules } from "../../weights/describe";
import { integers, type NamedArray, normals, reals, type Size, type Task } from "../task";

/** Sizes of a batch beside those in the config. */
interface BatchSizes {
  /** Boxes a scene. */
  readonly objects: number;
  /** Tokens a sentence. */
  readonly tokens: number;
  /** Supervised tokens and anchor nouns a sentence. */
  readonly labels: number;
  readonly anchors: number;
}

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

/** A batch of random numbers: how long a step takes does not depend on them. */
function batch(config: S2Config, sizes: BatchSizes): Record<string, NamedArray> {
  const rng = new Rng(2, "bench/nano");
  const { scenes: B, sentences: Q } = config.training;
  const { objects: O, tokens: T } = sizes;
  const V = config.data.frames;
  const side = patchSide(config.vision);
  const N = side ** 2;
  const m = pooledSide(side, config.projector.pooling, config.projector.poolStride);
  const P = V * m * (m + 1);
  const L = P + Q * T;
  const { scenesPerStep: S, viewsPerStep: v, patchSize } = config.reconstruction;
  const R = side * patchSize;
  const sentences = B * Q;
  const voxels = (): number => rng.int(300);
  const unit = normals(rng, [B, V, m * m, 3]);
  for (let i = 0; i < unit.data.length; i += 3) {
    const length = Math.hypot(unit.data[i]!, unit.data[i + 1]!, unit.data[i + 2]!);
    for (let k = 0; k < 3; k++) unit.data[i + k]! /= length;
  }
  const members = reals([B, O, V * N], () => 0);
  for (let o = 0; o < B * O; o++) for (let i = 0; i < 4; i++) members.data[o * V * N + rng.int(V * N)]! += 0.25;
  /** Row of token `at(i)` of the sentence that number i of `each` numbers a sentence belongs to. */
  const rows = (each: number, at: (i: number) => number): NamedArray =>
    integers([sentences * each], (i) => {
      const sentence = Math.floor(i / each);
      return Math.floor(sentence / Q) * L + P + (sentence % Q) * T + at(i);
    });
  const { labels, anchors } = sizes;
  const nouns = Array.from({ length: sentences * anchors }, () => rng.int(T - 2));
  const sceneOf = (i: number): number => Math.floor(i / (Q * anchors));
  // the last box of a scene is padding
  const right = reals([B, Q, O + 1], () => 0);
  for (let i = 0; i < sentences; i++) right.data[i * (O + 1) + rng.int(O - 1)] = 1;
  const depth = normals(rng, [S, v, R, R, 3]);
  const local = { shape: depth.shape, data: depth.data.map((x, i) => (i % 3 === 2 ? 2 + 0.2 * x : x)) };
  return {
    "inputs.features": normals(rng, [B, V, N, config.vision.hiddenSize]),
    "inputs.patchVoxels": reals([B, V, N, 3], voxels),
    "inputs.patchKnown": reals([B, V, N], () => (rng.next() < 0.05 ? 0 : 1)),
    "inputs.rays": unit,
    "inputs.objectPatches": members,
    "inputs.objectVoxels": reals([B, O, 3], voxels),
    "inputs.objectMask": reals([B, O], (i) => (i % O === O - 1 && O > 3 ? 0 : 1)),
    "inputs.text": integers([B, Q, T], () => rng.int(config.language.vocabSize)),
    "inputs.groundRows": rows(1, () => T - 1),
    "inputs.reconRows": integers([S, v], (i) => i),
    "inputs.reconImageIds": integers([S, v], (i) => i % v),
    "targets.positives": right,
    "targets.sentenceMask": reals([B, Q], () => 1),
    "targets.labelRows": rows(labels, (i) => T - 1 - labels + (i % labels)),
    "targets.labelIds": integers([sentences * labels], () => rng.int(config.language.vocabSize)),
    "targets.labelWeights": reals([sentences * labels], () => 1 / (sentences * labels)),
    "targets.anchorRows": rows(anchors, (i) => nouns[i]!),
    "targets.anchorScenes": integers([sentences * anchors], sceneOf),
    "targets.anchorObjects": integers([sentences * anchors], (i) => sceneOf(i) * O + rng.int(O - 1)),
    "targets.anchorWeights": reals([sentences * anchors], (i) => (i % 3 === 2 ? 0 : 1)),
    "targets.anchorTextRows": integers([sentences * anchors], (i) => Math.floor(i / anchors) * T + nouns[i]!),
    "targets.anchorTokens": reals([sentences * anchors, P], () => (rng.next() < 0.1 ? 1 : 0)),
    "targets.localPoints": local,
    "targets.globalPoints": { shape: local.shape, data: local.data.map((x, i) => x + (i % 3) * 0.3) },
    "targets.validPoints": reals([S, v, R, R], () => (rng.next() < 0.1 ? 0 : 1)),
  };
}

/** The nano preset's training step as `Trainer` does it, and the scores of a batch; vision features are given. */
export function nano(size: Size): Task {
  const config = configOf(size);
  const { scenes, sentences } = config.training;
  const parameters = describeModel(config).filter(({ name }) => !name.startsWith(visionPrefix));
  const plan = planTraining(
    describeModel(config).map(({ name }) => name),
    trainRules(config),
  );
  const trained = parameters.filter(({ name }) => plan.get(name)!.training === "train");
  const prompt = { before: [], after: [] };
  const steps = 64;
  return {
    about:
      `S2-MLLM at preset nano: ${scenes} scenes, ${config.data.frames} views, ${sentences} sentences a scene, ` +
      "all losses, AdamW with clipping",
    comparedSteps: 3,
    parameters,
    settings: {
      config,
      trained: Object.fromEntries(trained.map(({ name }) => [name, plan.get(name)!.rate])),
      /** Of the first steps; later ones take the last. */
      rates: Array.from({ length: steps }, (_, step) => learningRate(step, config.training)),
    },
    inputs: () => batch(config, SIZES[size]),
    build: (weights, tensors) => {
      const { inputs, targets } = nestTensors<{ inputs: Omit<ModelInputs, "before" | "after">; targets: Targets }>(
        tensors,
      );
      const batch = { inputs: { ...prompt, ...inputs }, targets };
      const kinds = Array.from({ length: scenes * sentences }, () => "all");
      const training = new TrainingStep(config, weights);
      let done = 0;
      const step = (): number[] => {
        const { total, gradNorm, ground, language, recon, anchor, anchorAttention } = training.run(
          Math.min(done++, steps - 1),
          batch,
          kinds,
        );
        return [total, gradNorm, ground, language, recon, anchor, anchorAttention];
      };
      const { reconRows: _rows, reconImageIds: _ids, ...asked } = batch.inputs;
      const answer = new NamedStep((given: ModelInputs) => ({ scores: forward(weights, given, config).scores }));
      return {
        firstSteps: (compared) => Array.from({ length: compared }, step).flat(),
        step,
        inference: () => answer.run(asked).scores,
      };
    },
  };
}
