import { totalmem } from "node:os";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { planTraining, sizeOf } from "../core/parameters";
import { Rng } from "../core/rng";
import { SentenceOrder } from "../dataloader/sampling";
import type { Query } from "../datasets/scene";
import type { EngineName } from "../engine/choose";
import { pooledSide } from "../model/pooling";
import { structureEnabled } from "../model/structure";
import { patchSide } from "../model/vision";
import { partOf } from "../weights/checkpoint";
import { describeModel, trainRules } from "../weights/describe";

/**
 * What is done with the model: training steps; answers with all weights in memory; answers, or the gradients of one
 * batch, with weights read part by part.
 */
export type Work = "train" | "answer" | "stream" | "stream-train";

/** One estimate; bytes and multiplications, both counted from shapes. */
export interface Estimate {
  readonly work: Work;
  /** Bytes by what holds them. */
  readonly memory: Readonly<Record<string, number>>;
  readonly bytes: number;
  /** Floating-point operations of one step or of one pass. */
  readonly flops: number;
  readonly visualTokens: number;
}

/** Tokens of a prompt around the image and of one sentence with its answer; what the templates come to, roughly. */
const promptTokens = { released: { shared: 52, sentence: 64 }, compact: { shared: 0, sentence: 20 } } as const;
/** Proposals a scene: what Mask3D is cut to (spec 6.4). */
const proposals = 50;
const float = 4;
/** What Node, the engine and its libraries take before any tensor. */
const program = { "Node and engine": 0.3e9 };

/** A stack of transformer layers on `rows` tokens. */
interface Stack {
  readonly layers: number;
  readonly rows: number;
  /** Token pairs that attention computes, over all sequences: rows times keys. */
  readonly pairs: number;
  readonly width: number;
  readonly heads: number;
  /** Width between the MLP's layers, and how many such tensors a layer makes. */
  readonly inner: number;
  readonly inners: number;
  /** Weights of all its linear layers, adapters included. */
  readonly weights: number;
  /** Share of the weights that train. */
  readonly trained: number;
  /** A gradient passes through it. */
  readonly differentiated: boolean;
}

/** Numbers that one layer keeps for its gradient: about ten of the stream's width, the MLP's, the attention weights. */
const keptBy = (s: Stack): number => 10 * s.rows * s.width + s.inners * s.rows * s.inner + s.heads * s.pairs;
/** Numbers that one layer has in hand at once: scores before and after softmax, or the MLP's. */
const workingOf = (s: Stack): number =>
  3 * s.rows * s.width + Math.max(2 * s.heads * s.pairs, s.inners * s.rows * s.inner);
const forwardOf = (s: Stack): number => 2 * s.rows * s.weights + 4 * s.layers * s.pairs * s.width;
/** Gradients of the inputs everywhere behind something trained, gradients of the weights where they train. */
const backwardOf = (s: Stack): number =>
  s.differentiated ? 2 * s.rows * s.weights * (1 + s.trained) + 8 * s.layers * s.pairs * s.width : 0;

/** A tally of a model's numbers by a key of their names. */
export function countBy(
  config: S2Config,
  key: (name: string) => string,
): Map<string, { all: number; trained: number; largest: number }> {
  const specs = describeModel(config);
  const plan = planTraining(
    specs.map(({ name }) => name),
    trainRules(config),
  );
  const counts = new Map<string, { all: number; trained: number; largest: number }>();
  for (const { name, shape } of specs) {
    const entry = counts.get(key(name)) ?? { all: 0, trained: 0, largest: 0 };
    const size = sizeOf(shape);
    entry.all += size;
    if (plan.get(name)!.training === "train") entry.trained += size;
    entry.largest = Math.max(entry.largest, size);
    counts.set(key(name), entry);
  }
  return counts;
}

function stacksOf(config: S2Config, training: boolean): { stacks: Stack[]; visualTokens: number } {
  const { vision, language: lm, structure, reconstruction: r, data, prompt } = config;
  const [B, Q] = training ? [config.training.scenes, config.training.sentences] : [1, 1];
  const N = patchSide(vision) ** 2;
  const m = pooledSide(patchSide(vision), config.projector.pooling, config.projector.poolStride);
  const views = B * data.frames;
  const visualTokens = data.frames * m * (m + 1);
  const { shared, sentence } = promptTokens[prompt.template];
  const prefix = shared + visualTokens;
  const counts = countBy(config, (name) =>
    /^(?:model\.embed_tokens|lm_head)\./.test(name)
      ? "table"
      : name.includes("mm_projector")
        ? "projector"
        : name.startsWith("st_attention")
          ? "structure"
          : (partOf(name.replace(/\.lora_[AB]\.weight$/, ".weight")) ?? "heads"),
  );
  const of = (key: string): { weights: number; trained: number } => {
    const { all, trained } = counts.get(key) ?? { all: 0, trained: 0 };
    return { weights: all, trained: all === 0 ? 0 : trained / all };
  };
  const tower = of("vision tower");
  const seen = r.viewsPerStep === 0 ? data.frames : Math.min(r.viewsPerStep, data.frames);
  const shown = r.scenesPerStep === 0 ? B : Math.min(r.scenesPerStep, B);
  const stacks: Stack[] = [
    // a frozen tower's features are prepared once, not in every step
    ...(training && tower.trained === 0
      ? []
      : [
          {
            ...tower,
            layers: vision.layers,
            rows: views * N,
            pairs: views * N * N,
            width: vision.hiddenSize,
            heads: vision.heads,
            inner: vision.intermediateSize,
            inners: 2,
            differentiated: tower.trained > 0,
          },
        ]),
    ...(structureEnabled(structure)
      ? [
          {
            ...of("structure"),
            layers: 1,
            rows: views * N,
            pairs: views * N * (N + data.frames),
            width: vision.hiddenSize,
            heads: structure.heads,
            inner: Math.round(vision.hiddenSize * structure.mlpRatio),
            inners: 2,
            differentiated: true,
          },
        ]
      : []),
    {
      ...of("projector"),
      layers: 1,
      rows: views * N,
      pairs: 0,
      width: lm.hiddenSize,
      heads: 0,
      inner: lm.hiddenSize,
      inners: 2,
      differentiated: true,
    },
    {
      ...of("language model"),
      layers: lm.layers,
      rows: B * (prefix + Q * sentence),
      pairs: B * (prefix * prefix + Q * sentence * (prefix + sentence)),
      width: lm.hiddenSize,
      heads: lm.heads,
      inner: lm.intermediateSize,
      inners: 4,
      differentiated: true,
    },
    ...(training && r.enabled && config.lossWeights.recon > 0
      ? [
          {
            ...of("reconstruction decoder"),
            layers: r.depth,
            rows: shown * seen * N,
            pairs: shown * (seen * N) ** 2,
            width: r.hiddenSize,
            heads: r.heads,
            inner: Math.round(r.hiddenSize * r.mlpRatio),
            inners: 2,
            differentiated: true,
          },
        ]
      : []),
  ];
  return { stacks, visualTokens };
}

/** Maps of the reconstruction heads: the finest fusion step and the output convolutions, for every view and head. */
function mapsOf(config: S2Config): { kept: number; flops: number } {
  const { reconstruction: r, vision, training, data, lossWeights } = config;
  if (!r.enabled || lossWeights.recon === 0) return { kept: 0, flops: 0 };
  const views =
    (r.scenesPerStep === 0 ? training.scenes : Math.min(r.scenesPerStep, training.scenes)) *
    (r.viewsPerStep === 0 ? data.frames : Math.min(r.viewsPerStep, data.frames));
  const heads = Number(r.global) + Number(r.local);
  const side = patchSide(vision);
  const fine = (8 * side) ** 2,
    full = (r.patchSize * side) ** 2,
    F = r.featureDim;
  const per = fine * F * 8 + full * (F / 2 + 2 * r.lastDim);
  // four 3x3 convolutions on the finest grid and a third of that below it; two on the output
  const work = 2 * 9 * (fine * F * F * 4 * (4 / 3) + fine * F * (F / 2) + full * (F / 2) * r.lastDim);
  return { kept: views * heads * per, flops: 2 * views * heads * work };
}

/** Bytes of a batch's views: their features and which box each patch belongs to. */
function inputBytes(config: S2Config, scenes: number): number {
  const patches = scenes * config.data.frames * patchSide(config.vision) ** 2;
  return patches * (proposals + config.vision.hiddenSize) * float;
}

/**
 * Bytes of float32 activations in a training step whose layers are computed again: the inputs that the layers keep,
 * what one part of the model (a layer, or one of the reconstruction heads) has in hand at most, and the batch.
 */
export function activationsOf(config: S2Config): { streams: number; part: number; batch: number } {
  const { stacks } = stacksOf(config, true);
  const parts = stacks.map((s) => (s.differentiated ? keptBy(s) : 0) + workingOf(s));
  return {
    streams: stacks.reduce((n, s) => n + (s.differentiated ? s.layers * s.rows * s.width : 0), 0) * float,
    part: Math.max(...parts, mapsOf(config).kept / 2) * float,
    batch: inputBytes(config, config.training.scenes),
  };
}

/**
 * Memory and work of one training step, or of one answered sentence, from shapes alone. Float32 throughout;
 * half-precision weights are widened when they are read.
 *
 * Meant to tell a run that fits from one that does not: within about a factor of 2 of what is measured at nano size.
 */
export function estimate(config: S2Config, work: Work): Estimate {
  const training = work === "train" || work === "stream-train";
  const { stacks, visualTokens } = stacksOf(config, training);
  const byTraining = countBy(config, (name) =>
    !training && partOf(name) === "reconstruction decoder" ? "idle" : "used",
  ).get("used")!;
  const flops = stacks.reduce((n, s) => n + forwardOf(s) + (training ? backwardOf(s) : 0), 0);
  const inputs = inputBytes(config, training ? config.training.scenes : 1);
  const widest = Math.max(...stacks.map(workingOf)) * float;
  let memory: Record<string, number>;
  if (work === "train") {
    const maps = mapsOf(config);
    // recomputed layers keep their inputs; one at a time has the rest in hand
    const most = Math.max(...stacks.map(keptBy));
    const recompute = config.training.recompute === true;
    const keptOf = (s: Stack): number =>
      recompute ? s.layers * s.rows * s.width + (keptBy(s) === most ? most : 0) : s.layers * keptBy(s);
    const trained = byTraining.trained * float;
    memory = {
      ...program,
      weights: byTraining.all * float,
      gradients: trained,
      "optimiser's moments": 2 * trained,
      ...(config.training.accumulate > 1 ? { "gathered gradients": 2 * trained } : {}),
      // the step is one program: it ends with the new weights and moments beside the old ones
      "updated weights and moments": 3 * trained,
      activations:
        stacks.reduce((n, s) => n + (s.differentiated ? keptOf(s) : workingOf(s)), 0) * float +
        maps.kept * float +
        widest,
      inputs,
    };
    const again = recompute ? stacks.reduce((n, s) => n + (s.differentiated ? forwardOf(s) : 0), 0) : 0;
    return { work, memory, bytes: sum(memory), flops: flops + again + maps.flops, visualTokens };
  }
  // streams between the layers stay until the pass ends
  const streams = stacks.reduce((n, s) => n + s.layers * s.rows * s.width, 0) * float;
  if (work === "answer")
    memory = { ...program, weights: byTraining.all * float, activations: widest + streams, inputs };
  else {
    const part = countBy(config, (name) => /^(.*\.layers\.\d+)\./.exec(name)?.[1] ?? name);
    const largest = Math.max(...[...part.values()].map(({ all }) => all)) * float;
    // a part's numbers are held as they are read, and as the engine takes them
    memory = { ...program, "largest part's weights": 2 * largest, activations: widest + streams, inputs };
    if (training) {
      // word embeddings stay, with a gradient of their own; a part on its way back has its gradients twice and all that
      // it keeps: a layer, or one of the two reconstruction heads
      const { hiddenSize, vocabSize } = config.language;
      Object.assign(memory, {
        gradients: byTraining.trained * float,
        "word embeddings": 2 * vocabSize * hiddenSize * float,
        "largest part's gradients": largest,
        activations: widest + streams + Math.max(...stacks.map(keptBy), mapsOf(config).kept / 2) * float,
      });
      return {
        work,
        memory,
        bytes: sum(memory),
        flops: flops + stacks.reduce((n, s) => n + forwardOf(s), 0) + (4 / 3) * mapsOf(config).flops,
        visualTokens,
      };
    }
  }
  return { work, memory, bytes: sum(memory), flops, visualTokens };
}

/** How long a training is. */
export interface TrainingLength {
  /** Passes over the sentences; a share of them where the steps are given. */
  readonly epochs: number;
  /** Sentences of one pass. */
  readonly sentences: number;
  /** Updates, and the batches that they take together. */
  readonly steps: number;
  readonly batches: number;
}

/** @param sets the set that each sentence of each scene comes from (`trainingSets`) */
export function trainingLength(config: S2Config, sets: readonly (readonly Query["dataset"][])[]): TrainingLength {
  const { epochs, steps, scenes, sentences, accumulate } = config.training;
  if (epochs === undefined) {
    const all = sets.reduce((n, own) => n + own.length, 0);
    const seen = sets.reduce((n, own) => n + Math.min(own.length, sentences), 0) / Math.max(1, sets.length);
    const batches = steps! * accumulate;
    return { epochs: (batches * scenes * seen) / all, sentences: all, steps: steps!, batches };
  }
  const order = new SentenceOrder(sets, config, new Rng(config.seed, "train").fork("data"));
  const all = order.epoch(0).reduce((n, group) => n + group.sentences.length, 0);
  if (steps === undefined) {
    const batches = order.batches(epochs);
    return { epochs, sentences: all, steps: Math.ceil(batches / accumulate), batches };
  }
  const batches = steps * accumulate;
  return { epochs: (batches * scenes) / order.epoch(0).length, sentences: all, steps, batches };
}

const sum = (parts: Readonly<Record<string, number>>): number => Object.values(parts).reduce((a, b) => a + b, 0);

/** Bytes that an engine can have on this machine; undefined where the lab cannot know, as for a GPU. */
export function memoryOf(engine: EngineName): number | undefined {
  // 0 or more than the machine has: no limit is set
  const constrained = process.constrainedMemory();
  const machine = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  if (engine === "wasm") return Math.min(machine, 4 * 2 ** 30);
  return engine === "ort-cpu" || engine === "cpu" ? machine : undefined;
}

export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(bytes < 1e10 ? 1 : 0)} GB`;

/** The parts of an estimate, largest first: "weights 32.1 GB, …". */
export function memoryText({ memory }: Estimate): string {
  return Object.entries(memory)
    .sort((a, b) => b[1] - a[1])
    .map(([name, bytes]) => `${name} ${gigabytes(bytes)}`)
    .join(", ");
}

/**
 * Refuses a run that cannot fit.
 *
 * @param processes runs side by side
 * @throws UserError with what is needed, what there is, and what to change
 */
export function requireMemory(config: S2Config, work: Work, engine: EngineName, processes = 1): void {
  const available = memoryOf(engine);
  const needed = estimate(config, work);
  const total = needed.bytes * processes;
  if (available === undefined || total <= available) return;
  const several = processes > 1 ? ` for each of ${processes} runs side by side` : "";
  const verb = work === "train" || work === "stream-train" ? "training" : "answering";
  throw new UserError(
    `preset ${config.preset} does not fit: ${verb} on ${config.data.frames} frames needs about ` +
      `${gigabytes(needed.bytes)}${several} (${memoryText(needed)}), ${engine} has ${gigabytes(available)} here; ` +
      "use a smaller preset, fewer frames (--set data.frames=8)" +
      `${processes > 1 ? ", fewer processes" : ""} or a machine with more memory`,
  );
}
