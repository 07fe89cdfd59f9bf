import { z } from "zod";

/** SigLIP vision tower (paper spec: SigLIP so400m, last layer deleted, no post-norm, no pooling head). */
export const VisionConfig = z.strictObject({
  /** Side of the square input image, pixels. */
  imageSize: z.int().min(1),
  /** Side of a patch, pixels; leftover pixels right and bottom are dropped. */
  patchSize: z.int().min(1),
  hiddenSize: z.int().min(1),
  intermediateSize: z.int().min(1),
  /** Encoder layers that are kept (26 of SigLIP's 27). */
  layers: z.int().min(1),
  heads: z.int().min(1),
  layerNormEps: z.number().positive().default(1e-6),
  /** Keeps SigLIP's norm behind the last layer, as LLaVA's checkpoints do. Nothing reads it: it only counts. */
  postNorm: z.boolean().optional(),
});

/** Qwen2 decoder. */
export const LanguageModelConfig = z.strictObject({
  vocabSize: z.int().min(1),
  hiddenSize: z.int().min(1),
  intermediateSize: z.int().min(1),
  layers: z.int().min(1),
  heads: z.int().min(1),
  kvHeads: z.int().min(1),
  ropeTheta: z.number().positive().default(1e6),
  rmsNormEps: z.number().positive().default(1e-6),
  /** Most tokens of a sequence: prompt, views and one sentence with its answer (Qwen2: 32,768). */
  window: z.int().min(1).default(32768),
  /**
   * How new weights of the whole model start. "huggingface": N(0, 0.02), for modules added to a pretrained model.
   * "xavier": Xavier with word embeddings N(0, 1), for training from random numbers.
   */
  init: z.enum(["huggingface", "xavier"]).default("huggingface"),
  /**
   * Value and output projections start as 0.7 times the identity, so that a token passes on what it attends to. Needs
   * kvHeads = heads.
   */
  copyValues: z.boolean().default(false),
});

/** LLaVA's two-layer projector and the pooling of its tokens. */
export const ProjectorConfig = z.strictObject({
  /** "layer": a LayerNorm without weights after the projector. Departs from the paper; needed to train from scratch. */
  outputNorm: z.enum(["none", "layer"]).default("none"),
  /** How the patch grid is halved before the language model (released code: bilinear; paper: average). */
  pooling: z.enum(["bilinear", "average", "max"]).default("bilinear"),
  poolStride: z.int().min(1).default(2),
});

/** Structure-enhanced module: inter-view attention, intra-view attention, MLP. */
export const StructureConfig = z.strictObject({
  interView: z.boolean().default(true),
  intraView: z.boolean().default(true),
  heads: z.int().min(1).default(12),
  mlpRatio: z.number().positive().default(4),
  dropPath: z.number().min(0).max(1).default(0.1),
  layerNormEps: z.number().positive().default(1e-6),
  /**
   * "paper": groups by patch across views, then by view. "released": the authors' code reads the flat index as
   * position*V + view.
   */
  layout: z.enum(["paper", "released"]).default("paper"),
  /** "zero": output layers start at 0, so the block starts as the identity. */
  outputInit: z.enum(["normal", "zero"]).default("normal"),
});

const Point = z.tuple([z.number(), z.number(), z.number()]);

/**
 * Multi-level position encoding: φ of world coordinates on patches and box centres, ψ of ray directions on pooled
 * tokens.
 */
export const PositionConfig = z.strictObject({
  /** φ on patch tokens. */
  coordinates: z.boolean().default(true),
  /** ψ on pooled tokens. */
  rays: z.boolean().default(true),
  /** φ of the box centre on object features. */
  boxCentres: z.boolean().default(true),
  /** Factor on φ of patches; 1 unless given. */
  coordinateScale: z.number().min(0).optional(),
  /** Share of the patches whose coordinate φ does not get; box membership and SG's target keep the true depth. */
  holes: z.number().min(0).max(1).optional(),
  /** Error of the coordinates that φ gets, alike for all of a view: standard deviation of each axis, metres. */
  shift: z.number().min(0).optional(),
  /** S2-MLLM adds φ to patches before pooling; Video-3D-LLM after it. */
  coordinatesAt: z.enum(["patches", "pooled"]).default("patches"),
  /** Edge of a voxel, metres. */
  voxel: z.number().positive().default(0.1),
  /** Range of world coordinates, metres. */
  min: Point.default([-15, -15, -5]),
  max: Point.default([15, 15, 5]),
  /** Width of ψ's hidden layer. */
  rayHidden: z.int().min(1).default(512),
  /** Factor on ψ (5 in the released code; the paper names none). */
  rayScale: z.number().default(5),
});

/** Object features: mean of the patches inside the box. */
export const ObjectConfig = z.strictObject({
  /**
   * Which grid the features are read from (14-pixel patches, or 27-pixel cells of the pooled map), and whether φ of the
   * centre is added ("-pe").
   */
  features: z.enum(["patch14-pe", "patch14", "patch27-pe", "patch27"]).default("patch14-pe"),
  /** Share of a patch's pixels that must lie inside the box; the count is floored as in the released code. */
  minShare: z.number().min(0).max(1).default(0.5),
  /** When no patch qualifies, take the best one if at least this share of it is inside; 0: never (the paper). */
  fallbackShare: z.number().min(0).max(1).default(0),
  /** Features from the one view that shows most of the object, in place of all. */
  oneView: z.boolean().optional(),
});

export const GroundingConfig = z.strictObject({
  head: z.enum(["infonce", "mlp"]).default("infonce"),
  temperature: z.number().positive().default(0.07),
  /** Departs from the paper: z = norm(S x + MLP(x)) with one matrix S, identity at start, shared by both heads. */
  sharedSkip: z.boolean().default(false),
  /**
   * Departs from the paper: the state of an anchor noun after this decoder layer must pick the anchor by position alone
   * (training only).
   */
  anchorLayer: z.int().min(1).default(2),
});

/** Frozen Fast3R decoder and DPT pointmap heads, training only. */
export const ReconstructionConfig = z.strictObject({
  /** false: no branch at all, and no projection P. */
  enabled: z.boolean().default(true),
  /** The decoder was pretrained behind an encoder of its own: its weights are in the preset's own folder. */
  ownEncoder: z.boolean().optional(),
  /** Width that the decoder's input linear expects (1024 in Fast3R). */
  encoderSize: z.int().min(1),
  hiddenSize: z.int().min(1),
  heads: z.int().min(1),
  depth: z.int().min(1),
  mlpRatio: z.number().positive().default(4),
  layerDims: z.tuple([z.int(), z.int(), z.int(), z.int()]),
  featureDim: z.int().min(2),
  /** Channels between the head's last two convolutions. */
  lastDim: z.int().min(1),
  /** Output pixels a patch side (14 in Fast3R as S2-MLLM uses it). */
  patchSize: z.int().min(1),
  /** Global pointmap: frame of the first view. */
  global: z.boolean().default(true),
  /** Local pointmap: each view's own frame (in the paper; absent from the released code). */
  local: z.boolean().default(true),
  /** "released": the authors' targets, depth in millimetres beside cameras in metres and whole-numbered intrinsics. */
  units: z.enum(["metres", "released"]).default("metres"),
  /** Weight of the log-confidence term. */
  alpha: z.number().min(0).default(0.2),
  /** "random": later views draw distinct rows of the image-index table each forward (Fast3R); "ordered": 0, 1, 2, … */
  imageIds: z.enum(["random", "ordered"]).default("random"),
  /** Fast3R's inference scale of attention scores, sqrt(ln 137 / ln 20). */
  scoreBias: z.boolean().default(false),
  /** The loss is computed on this many scenes of a batch and this many neighbouring views of each; 0: all. */
  scenesPerStep: z.int().min(0).default(0),
  viewsPerStep: z.int().min(0).default(0),
});

export const LoraConfig = z.strictObject({
  rank: z.int().min(1).default(64),
  alpha: z.number().positive().default(16),
  dropout: z.number().min(0).max(1).default(0.05),
  /** The last this many decoder layers train fully (base weights too). */
  fullLayers: z.int().min(0).default(4),
  /** false: the vision tower is frozen and its features can be cached. */
  vision: z.boolean().default(true),
  /** The vision tower's own weights train: full fine-tuning, as the baseline Video-3D-LLM. */
  fullVision: z.boolean().optional(),
  /** Adapters on the language model and the projection P; false where all of their weights train anyway. */
  language: z.boolean().default(true),
  /** Frozen in the paper because they are pretrained; a language model that starts from random numbers trains them. */
  trainLmHead: z.boolean().default(false),
  trainNewline: z.boolean().default(false),
  trainFinalNorm: z.boolean().default(false),
});

export const LossWeights = z.strictObject({
  /** λ_g */
  ground: z.number().min(0).default(1),
  /** λ_r */
  recon: z.number().min(0).default(0.3),
  /** Share of the training after which λ_r counts; from the start unless given. */
  reconFrom: z.number().min(0).max(1).optional(),
  /** λ_l */
  language: z.number().min(0).default(1),
  /** Anchor grounding, training only; not in the paper. */
  anchor: z.number().min(0).default(0),
  /** Attention of anchor nouns on the image tokens that show the anchor, training only; not in the paper. */
  anchorAttention: z.number().min(0).default(0),
});

export const PromptConfig = z.strictObject({
  /** "released": Qwen's ChatML turns with the authors' instruction. "compact": image, description, answer. */
  template: z.enum(["released", "compact"]).default("released"),
  /** When the user turn has the sentence on spatial relations; in the release's training, not in its evaluation. */
  spatialInstruction: z.enum(["train", "both", "never"]).default("train"),
  /** "category": "The {category} is located at <ground> …"; "ground": the bare <ground>. */
  answer: z.enum(["category", "ground"]).default("category"),
  /**
   * What stands before <ground> at evaluation. "generated": the model's own words; "gold": the true category (the
   * released evaluators' leak); "object": the word "object".
   */
  evaluation: z.enum(["generated", "gold", "object"]).default("generated"),
});

export const TrainingConfig = z.strictObject({
  /** Steps of the whole training, in place of what `epochs` come to. */
  steps: z.int().min(1).optional(),
  /**
   * Passes over the training sentences: each sentence once a pass, in a seeded order, those of a scene in groups of
   * `sentences` (see dataloader/sampling.ts). Without it scenes and sentences are drawn anew for each step.
   */
  epochs: z.number().positive().optional(),
  /** Scenes a batch. */
  scenes: z.int().min(1),
  /** Sentences of each scene, sharing one encoding of its views. */
  sentences: z.int().min(1),
  /** Batches whose mean gradient makes one update. */
  accumulate: z.int().min(1).default(1),
  learningRate: z.number().positive(),
  /** Factor on the learning rate of the vision tower (released: 2e-4 / 2e-5). */
  visionRate: z.number().min(0).default(10),
  beta1: z.number().default(0.9),
  beta2: z.number().default(0.999),
  epsilon: z.number().positive().default(1e-8),
  weightDecay: z.number().min(0).default(0),
  /** Share of the steps in which the learning rate rises linearly. */
  warmup: z.number().min(0).max(1).default(0.05),
  /** The cosine ends at this share of the learning rate. */
  finalRate: z.number().min(0).max(1).default(0),
  clipNorm: z.number().positive().default(1),
  /**
   * Activation checkpointing: layers keep their inputs only and run again for their gradients. A third more work for
   * less memory.
   */
  recompute: z.boolean().optional(),
  /** Turn each training scene by a random multiple of 90° about the vertical. */
  rotate: z.boolean().default(false),
});

/** How depth images are read. What is not given is the data set's own (its dataset.json), else its layout's. */
export const DepthConfig = z.strictObject({
  /** Units of a depth image a metre: 1000 in ScanNet, 5000 in TUM RGB-D. */
  scale: z.number().positive().optional(),
  /** Values of a depth image that mean "not measured", beside 0. */
  invalid: z.array(z.int().min(0).max(65535)).optional(),
  /** Depth beyond this counts as not measured, metres. */
  far: z.number().positive().optional(),
});

/** What a sound scene looks like; what is not given is the data set's own (its dataset.json), else the lab's. */
export const SceneChecks = z.strictObject({
  /** How far a pose's rotation may be from orthonormal, the largest entry of |RᵀR - 1|. */
  rotation: z.number().positive().optional(),
  /** Depth beyond this is implausible, metres. */
  farthest: z.number().positive().optional(),
  /** Share of a frame's measured pixels that may be implausible. */
  beyond: z.number().min(0).max(1).optional(),
  /** How far a colour image's ratio of width to height may be from its depth image's, as a share of it. */
  aspect: z.number().positive().optional(),
  /** Share of a frame's pixels that must be measured. */
  measured: z.number().min(0).max(1).optional(),
  /** How far from the mesh, or from what another frame measured, a point may lie, metres. */
  tolerance: z.number().positive().optional(),
  /** Share of the frames' points that must lie on the mesh; 0: not looked at. */
  onMesh: z.number().min(0).max(1).optional(),
  /** Share of the frames' points that must lie in the objects' boxes; 0: not looked at. */
  inBoxes: z.number().min(0).max(1).optional(),
  /** Share of points seen by two neighbouring frames that must coincide, in a scan without a mesh; 0: not looked at. */
  neighbours: z.number().min(0).max(1).optional(),
});

export const DataConfig = z.strictObject({
  /** Folder in ScanNet's layout, relative to the project. */
  folder: z.string(),
  /** Views a scene that the model sees. */
  frames: z.int().min(1),
  /** Views a scene that evaluation sees; as many as `frames` unless given (the release: 32 after training on 16). */
  evaluationFrames: z.int().min(1).optional(),
  /**
   * Views a scene that are prepared (uniformly sampled from the scene); training draws `frames` of them; 0: as many as
   * `frames`.
   */
  pool: z.int().min(0).default(0),
  /**
   * Maximum coverage instead of uniform sampling (Video-3D-LLM): the frames that add most of the scene, one after the
   * other, until this share of what can be seen is reached; 1: as many as are prepared. Where fewer do, some stand
   * there twice.
   */
  coverage: z.number().gt(0).max(1).optional(),
  /** Sets of sentences to train and test on; ScanRefer's unless given. */
  sentences: z
    .array(z.enum(["scanrefer", "nr3d", "sr3d"]))
    .min(1)
    .optional(),
  /** How often a pass (`training.epochs`) takes each sentence of a set; 1 unless given, 0.5: another half each pass. */
  sentenceWeights: z
    .strictObject({
      scanrefer: z.number().positive().optional(),
      nr3d: z.number().positive().optional(),
      sr3d: z.number().positive().optional(),
    })
    .optional(),
  /** ReferIt3D's own filters on Nr3D and Sr3D; none unless given, as in the released code. */
  referFilters: z
    .strictObject({
      /** Only sentences that name the target's class. */
      mentionsTargetClass: z.boolean().optional(),
      /** Only sentences of at most this many tokens (ReferIt3D: 24). */
      maxTokens: z.int().min(1).optional(),
    })
    .optional(),
  depth: DepthConfig.optional(),
  checks: SceneChecks.optional(),
  /** "uniform": the same views each time, as the paper; "random": another draw of the pool in each training step. */
  trainFrames: z.enum(["uniform", "random"]).default("uniform"),
  /** The views are neighbours in the prepared ones (they overlap) in place of spread over them. */
  neighbours: z.boolean().optional(),
  /** Trains on this many scenes, the first of the list; all unless given. */
  trainScenes: z.int().min(1).optional(),
  /**
   * Training offers boxes that are off: centre and size of each by a normal error whose standard deviation, as a share
   * of the edge, is drawn from 0 to this much for each scene of a batch. True boxes unless given.
   */
  boxNoise: z.number().positive().max(1).optional(),
  /** The language-only baseline: all vision features are zero. */
  blind: z.boolean().default(false),
  /** Baseline: in place of the views one token a proposal, with its place and size, and its class where "labelled". */
  boxes: z.enum(["plain", "labelled"]).optional(),
  /** "masked": pixels without depth have no position. "released": they count as the camera's centre, without a ray. */
  depthHoles: z.enum(["masked", "released"]).default("masked"),
  /** Proposals at test: ground-truth boxes, or the detector's file. */
  proposals: z.enum(["gt", "detector"]).default("gt"),
});

/** One experiment, complete and closed: an unknown key is an error. */
export const S2Config = z.strictObject({
  preset: z.string(),
  seed: z.int().min(0).default(0),
  /**
   * Where the weights come from: folders of published checkpoints (LLaVA-Video, SigLIP, Fast3R) and PEFT adapters,
   * relative to the project. Without it the preset's own, data/pretrained/<preset>.
   */
  checkpoints: z.array(z.string()).min(1).optional(),
  /** Preset whose pretrained weights and tokenizer are taken where there are no checkpoints; its own unless given. */
  pretrained: z.string().optional(),
  vision: VisionConfig,
  language: LanguageModelConfig,
  projector: ProjectorConfig.prefault({}),
  structure: StructureConfig.prefault({}),
  positions: PositionConfig.prefault({}),
  objects: ObjectConfig.prefault({}),
  grounding: GroundingConfig.prefault({}),
  reconstruction: ReconstructionConfig,
  lora: LoraConfig.prefault({}),
  lossWeights: LossWeights.prefault({}),
  prompt: PromptConfig.prefault({}),
  training: TrainingConfig,
  data: DataConfig,
});
export type S2Config = z.output<typeof S2Config>;
export type S2ConfigInput = z.input<typeof S2Config>;
