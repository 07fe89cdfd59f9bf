import type { S2Config } from "../../config/schema";
import { type ParameterSpec, planTraining } from "../../core/parameters";
import { Rng } from "../../core/rng";
import { NamedStep, nestTensors } from "../../engine/named-step";
import type { tf } from "../../engine/tf";
import type { ModelInputs, Targets } from "../../model/inputs";
import { pooledSide } from "../../model/pooling";
import { forward } from "../../model/s2mllm";
import { patchSide, trainsVision, visionPrefix } from "../../model/vision";
import { learningRate, type TimedConfig } from "../../train/schedule";
import { TrainingStep } from "../../train/training-step";
import { describeModel, trainRules } from "../../weights/describe";
import { integers, type NamedArray, normals, reals, type Task } from "../task";

/** Sizes of a batch beside those in the config. */
export interface BatchSizes {
  /** Boxes a scene. */
  readonly objects: number;
  /** Tokens a sentence. */
  readonly tokens: number;
  /** Supervised tokens and anchor nouns a sentence. */
  readonly labels: number;
  readonly anchors: number;
}

/** A batch of random numbers: how long a step takes does not depend on them. */
function batch(config: S2Config, sizes: BatchSizes): Record<string, NamedArray> {
  const rng = new Rng(2, "bench/nano");
  const { scenes: B, sentences: Q } = config.training;
  const { objects: O, tokens: T } = sizes;
  const V = config.data.frames;
  const { imageSize, hiddenSize } = config.vision;
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
    // a frozen tower's features are given
    ...(trainsVision(config)
      ? { "inputs.pixels": normals(rng, [B, V, imageSize, imageSize, 3], 0.5) }
      : { "inputs.features": normals(rng, [B, V, N, hiddenSize]) }),
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

/** Adapters that do something: they start as zero otherwise. */
const adapted = (spec: ParameterSpec): ParameterSpec =>
  spec.name.endsWith(".lora_B.weight") ? { ...spec, init: { kind: "normal", std: 0.02 } } : spec;

/** How many steps have a learning rate of their own; later ones take the last. */
const STEPS = 64;

/** The training step of a config as `Trainer` does it, and the scores of a batch. */
export function modelTask(about: string, config: TimedConfig, sizes: BatchSizes): Task {
  const { scenes, sentences } = config.training;
  const described = describeModel(config);
  const parameters = described
    .filter(({ name }) => trainsVision(config) || !name.startsWith(visionPrefix))
    .map(adapted);
  const plan = planTraining(
    described.map(({ name }) => name),
    trainRules(config),
  );
  const trained = parameters.filter(({ name }) => plan.get(name)!.training === "train");
  return {
    about,
    comparedSteps: 3,
    parameters,
    settings: {
      config,
      trained: Object.fromEntries(trained.map(({ name }) => [name, plan.get(name)!.rate])),
      rates: Array.from({ length: STEPS }, (_, step) => learningRate(step, config.training)),
    },
    inputs: () => batch(config, sizes),
    build: (weights, tensors) => {
      const prompt = { before: [], after: [] };
      const nested = (given: tf.NamedTensorMap): { inputs: ModelInputs; targets: Targets } => {
        const { inputs, targets } = nestTensors<{ inputs: Omit<ModelInputs, "before" | "after">; targets: Targets }>(
          given,
        );
        return { inputs: { ...prompt, ...inputs }, targets };
      };
      const held = nested(tensors);
      const kinds = Array.from({ length: scenes * sentences }, () => "all");
      const training = new TrainingStep(config, weights);
      let done = 0;
      const step = (fresh?: tf.NamedTensorMap): number[] => {
        const { total, gradNorm, ground, language, recon, anchor, anchorAttention } = training.run(
          Math.min(done++, STEPS - 1),
          fresh === undefined ? held : nested(fresh),
          kinds,
        );
        return [total, gradNorm, ground, language, recon, anchor, anchorAttention];
      };
      const { reconRows: _rows, reconImageIds: _ids, ...asked } = held.inputs;
      const answer = new NamedStep((given: ModelInputs) => ({ scores: forward(weights, given, config).scores }));
      return {
        firstSteps: (compared) => Array.from({ length: compared }, () => step()).flat(),
        step,
        inference: () => answer.run(asked).scores,
      };
    },
  };
}
