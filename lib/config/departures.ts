import { ablations } from "./ablations";
import { type PresetName, presets } from "./presets";
import { merge, parseConfig } from "./resolve";
import type { S2Config } from "./schema";

/** Where a preset does something else than its paper or the authors' released code, and why. */
export interface Departure {
  readonly what: string;
  /** Paths of the config values that decide it; or why nothing can. */
  readonly config: readonly string[] | { readonly cannotBeSwitched: string };
  readonly paper: string;
  /** What the released code does, where that is not what the paper says. */
  readonly release?: string;
  readonly here: string;
  readonly why: string;
  /** The presets that it is about; all unless given. */
  readonly presets?: readonly PresetName[];
}

type Reference = "paper" | "release";
type Json = Record<string, unknown>;

/**
 * Video-3D-LLM beside S²-MLLM's model, as its paper (arXiv 2412.00493) and its training script have it: all weights
 * train, in batches of 16 (8 GPUs, 2 scenes each); φ behind the pooling; the answer is the bare <ground>.
 */
const video3dLlm: Json = {
  preset: "video-3d-llm",
  vision: { postNorm: true },
  structure: { interView: false, intraView: false },
  positions: { rays: false, coordinatesAt: "pooled" },
  reconstruction: { enabled: false },
  prompt: { answer: "ground" },
  lossWeights: { recon: 0, language: 0 },
  lora: {
    fullLayers: 28,
    fullVision: true,
    trainFinalNorm: true,
    trainLmHead: true,
    trainNewline: true,
    language: false,
    vision: false,
  },
  training: { accumulate: 16, learningRate: 1e-5, visionRate: 0.2, warmup: 0.03 },
  data: { frames: 32 },
};
/** What its release does besides: holes in depth lie at the camera. */
const video3dLlmReleased: Json = { data: { depthHoles: "released" } };

/** The model of S²-MLLM's paper and of its release, and Video-3D-LLM's own, as configurations. */
function referenceOf(preset: PresetName, reference: Reference): S2Config {
  const model = presets["llava-video-7b"] as Json;
  if (preset === "video-3d-llm")
    return parseConfig(
      merge(merge(model, video3dLlm), reference === "release" ? video3dLlmReleased : {}),
      `${preset}, ${reference}`,
    );
  const change: Json =
    reference === "release"
      ? (ablations.released as Json)
      : { projector: { pooling: "average" }, positions: { rayScale: 1 } };
  return parseConfig(merge(model, change), reference);
}

/** Values of a tree by their paths, such as "data.frames"; lists are values. */
function leaves(value: unknown, path = ""): [string, string][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [[path, JSON.stringify(value)]];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, path === "" ? key : `${path}.${key}`));
}

/** Paths whose values differ between a configuration and what the paper or the release has in its place. */
export function differencesFrom(config: S2Config, preset: PresetName, reference: Reference): string[] {
  const [own, theirs] = [new Map(leaves(config)), new Map(leaves(referenceOf(preset, reference)))];
  return [...new Set([...own.keys(), ...theirs.keys()])].filter((path) => own.get(path) !== theirs.get(path));
}

/** The config values that switch a departure, or why none does. */
export function switchOf({ config }: Departure): string {
  return "cannotBeSwitched" in config ? `cannot be switched: ${config.cannotBeSwitched}` : config.join(", ");
}

/** The departures that a preset's configuration has: by its values, and those that no value decides. */
export function departuresOf(preset: PresetName): readonly Departure[] {
  const config = parseConfig(presets[preset], `preset "${preset}"`);
  const different = new Set([
    ...differencesFrom(config, preset, "paper"),
    ...differencesFrom(config, preset, "release"),
  ]);
  return departures.filter(
    ({ config: paths, presets: of }) =>
      (of?.includes(preset) ?? true) && ("cannotBeSwitched" in paths || paths.some((path) => different.has(path))),
  );
}

export const departures: readonly Departure[] = [
  {
    what: "vision tower",
    config: ["lora.vision"],
    paper: "trained with LoRA",
    here: "frozen at nano",
    why: "its features are then computed once and cached, which is most of a nano step",
  },
  {
    what: "projector",
    config: ["projector.outputNorm"],
    paper: "two linear layers",
    here: "LayerNorm after them at nano",
    why: "brings the tokens to the scale of the position codes",
  },
  {
    what: "grounding heads",
    config: ["grounding.sharedSkip"],
    paper: "separate MLPs for object and sentence",
    here: "a linear skip with one matrix shared by both, at nano",
    why: "comparing positions starts from the identity; without it nano training stays near chance",
  },
  {
    what: "anchor loss",
    config: ["lossWeights.anchor"],
    paper: "none",
    here:
      "while training, landmark nouns pick their box, and the last word of an attribute sentence the " +
      "target's, at nano",
    why: "teaches where the landmark is, before the relation to it",
  },
  {
    what: "anchor attention loss",
    config: ["lossWeights.anchorAttention"],
    paper: "none",
    here: "while training, a landmark noun's attention is drawn to the landmark's patches, at nano",
    why: "a language model that starts from random numbers finds the landmark far earlier",
  },
  {
    what: "language model at the start",
    config: ["language.init", "language.copyValues"],
    paper: "pretrained",
    here: "random at nano; value and output projections start near the identity",
    why: "no public weights exist at this size; a token can then pass on what it attends to",
  },
  {
    what: "what trains in the language model",
    config: ["lora.language", "lora.dropout", "lora.trainLmHead", "lora.trainNewline", "lora.trainFinalNorm"],
    paper: "LoRA on all layers, the last four fully; final norm, token head and newline frozen",
    here: "at nano all four layers fully, without adapters; final norm, token head and newline too",
    why: "there is no pretrained state to stay near",
  },
  {
    what: "weight of the language loss",
    config: ["lossWeights.language"],
    paper: "1",
    here: "0.3 at nano",
    why: "templated answers are learnt within a few hundred steps and would outweigh grounding",
  },
  {
    what: "structure module at the start",
    config: ["structure.outputInit", "structure.dropPath"],
    paper: "drop path; how it starts is not said",
    here: "output projections start at zero and nothing is dropped, at nano",
    why: "the module starts as the identity; runs of minutes do not overfit it",
  },
  {
    what: "scale of the ray encoding",
    config: ["positions.rayScale"],
    paper: "1: no factor is named",
    release: "5",
    here: "5 at full size, 1 at nano",
    why: "the published weights were trained with it; tokens of the small model have unit scale",
  },
  {
    what: "image ids of the reconstruction decoder",
    config: ["reconstruction.imageIds"],
    paper: "drawn at random from a pool",
    here: "0, 1, 2, … in the order of the views, at nano",
    why: "its own decoder was pretrained so, and a few views need no pool",
  },
  {
    what: "length of the training",
    config: ["training.epochs", "training.steps"],
    paper: "one epoch over the sentences",
    here: "1,100 steps at nano, each with other scenes and 24 sentences of each drawn anew",
    why: "sentences that share a room share the encoding of its views, and most of a step's cost is that",
  },
  {
    what: "optimiser",
    config: [
      "training.learningRate",
      "training.beta2",
      "training.weightDecay",
      "training.warmup",
      "training.finalRate",
    ],
    paper: "AdamW, 2e-5, no decay, warm-up over 5 %, cosine to 0",
    here: "1.5e-3, β₂ 0.98, decay 0.02, warm-up over 3 %, cosine to 2 % of it, at nano",
    why: "a small model from random numbers in about a thousand steps",
  },
  {
    what: "views at evaluation",
    config: ["data.evaluationFrames"],
    paper: "16, as in training",
    release: "32, after training on 16",
    here: "as many as in training; under “released” 32, and training then takes 16 of those 32, evenly",
    why: "as the paper's tables say",
  },
  {
    what: "training views",
    config: ["data.trainFrames", "training.rotate"],
    paper: "uniform sampling",
    here: "another draw of the prepared views each step, scenes turned by quarter turns, at nano",
    why: "2,450 rooms are few",
  },
  {
    what: "object features",
    config: ["objects.fallbackShare"],
    paper: "patches more than half inside the box, else a zero vector",
    here: "at nano the best patch counts when none is, from 5 % on",
    why: "a nano patch is coarse: an eighth of the objects would have no feature",
  },
  {
    what: "proposals at test",
    config: ["data.proposals"],
    paper: "Mask3D's boxes",
    here: "the detector's file at full size; at nano true boxes, and a study's rows of both",
    why: "S2-Rooms' detector is a model of one: both bounds are shown",
  },
  {
    what: "prompt",
    config: ["prompt.template"],
    paper: "Qwen's chat form with an instruction",
    here: "image, sentence, answer at nano; a phrase of S2-Rooms is one token, a colour with its noun too",
    why:
      "a small language model gains nothing from a constant text, and cannot learn in minutes to bind " +
      "colours to nouns",
  },
  {
    what: "pooling",
    config: ["projector.pooling"],
    paper: "AvgPool",
    release: "bilinear interpolation",
    here: "bilinear at full size, average at nano",
    why: "the published weights were trained with the release's; a small model takes the paper's own words",
  },
  {
    what: "depth holes",
    config: ["data.depthHoles"],
    paper: "not said",
    release: "a pixel without depth counts as the camera's centre, and has no ray (ψ of the zero vector)",
    here: "masked: no position there; rays are known everywhere",
    why: "patch positions are otherwise drawn toward the camera",
  },
  {
    what: "attention groups",
    config: ["structure.layout"],
    paper: "inter-view by patch, intra-view by view",
    release: "reads tokens in another order: the groups mix patches and views",
    here: "as the paper says",
    why: "the paper's own description",
  },
  {
    what: "units of the reconstruction target",
    config: ["reconstruction.units"],
    paper: "not said",
    release: "depth in millimetres beside cameras in metres, intrinsics cut to whole numbers",
    here: "metres throughout",
    why: "camera baselines otherwise shrink a thousandfold against depth",
  },
  {
    what: "words in front of <ground> at evaluation",
    config: ["prompt.evaluation"],
    paper: "not said",
    release: "the true class",
    here: "the model's own",
    why: "the true class is part of the answer",
  },
  {
    what: "pointmaps",
    config: ["reconstruction.local"],
    paper: "local and global",
    release: "global alone",
    here: "both",
    why: "as the paper's equations say",
  },
  {
    what: "views in the reconstruction loss",
    config: ["reconstruction.scenesPerStep", "reconstruction.viewsPerStep"],
    paper: "all",
    here: "a few neighbouring views of one scene a step at nano",
    why: "the decoder's cost grows with the square of the views",
  },
  {
    what: "what the projection P reads",
    config: { cannotBeSwitched: "P is as wide as what it reads: the published width is the projected tokens'" },
    paper: "the vision tower's output, in its figure",
    release: "what the structure module and the projector make of it",
    here: "as the release",
    why: "the paper's count of trained parameters has P at that width",
    presets: ["llava-video-7b", "nano"],
  },
  {
    what: "precision",
    config: {
      cannotBeSwitched: "it is the engine's (S2_ENGINE_PRECISION), not the model's; geometry is always float32",
    },
    paper: "not said",
    release: "bfloat16 throughout, geometry and boxes too (1 to 2 cm of rounding at 5 m)",
    here: "float32 unless the engine is told otherwise",
    why: "boxes are compared at the accuracy that they have",
  },
  {
    what: "frames that cannot be read",
    config: { cannotBeSwitched: "the release has no such case: its list of frames was made beforehand" },
    paper: "not said",
    release: "a scene's frames are those of a prepared list, all sound",
    here: "a damaged frame is left out and counted, the others are spread evenly",
    why: "one damaged file must not cost a scene",
  },
  {
    what: "parts of the released code that fail",
    config: { cannotBeSwitched: "they are faults: not reproduced" },
    paper: "–",
    release:
      "the ReferIt3D evaluator reads options that its parser lacks; Nr3D's validation list also holds the training " +
      "rows; ScanRefer's preparation reads a key that ScanRefer does not have",
    here: "sentences come from the data sets' own files, each split by its own list",
    why: "a leaked split measures nothing",
    presets: ["llava-video-7b", "nano"],
  },
];
