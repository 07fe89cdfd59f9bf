/** Where this project does something else than the paper or its released code, and why. */
export interface Departure {
  readonly what: string;
  /** The config value that decides it, where there is one. */
  readonly config: string;
  readonly paper: string;
  readonly here: string;
  readonly why: string;
}

export const departures: readonly Departure[] = [
  {
    what: "vision tower",
    config: "lora.vision",
    paper: "trained with LoRA",
    here: "frozen at nano",
    why: "its features are then computed once and cached, which is most of a nano step",
  },
  {
    what: "projector",
    config: "projector.outputNorm",
    paper: "two linear layers",
    here: "LayerNorm after them at nano",
    why: "brings the tokens to the scale of the position codes",
  },
  {
    what: "grounding heads",
    config: "grounding.sharedSkip",
    paper: "separate MLPs for object and sentence",
    here: "a linear skip with one matrix shared by both, at nano",
    why: "comparing positions starts from the identity; without it nano training stays near chance",
  },
  {
    what: "anchor loss",
    config: "lossWeights.anchor",
    paper: "none",
    here:
      "while training, landmark nouns pick their box, and the last word of an attribute sentence the " +
      "target's, at nano",
    why: "teaches where the landmark is, before the relation to it",
  },
  {
    what: "anchor attention loss",
    config: "lossWeights.anchorAttention",
    paper: "none",
    here: "while training, a landmark noun's attention is drawn to the landmark's patches, at nano",
    why: "a language model that starts from random numbers finds the landmark far earlier",
  },
  {
    what: "language model at the start",
    config: "language.init, language.copyValues",
    paper: "pretrained",
    here: "random at nano; value and output projections start near the identity",
    why: "no public weights exist at this size; a token can then pass on what it attends to",
  },
  {
    what: "what trains in the language model",
    config: "lora.language, lora.dropout, lora.trainLmHead, lora.trainNewline, lora.trainFinalNorm",
    paper: "LoRA on all layers, the last four fully; final norm, token head and newline frozen",
    here: "at nano all four layers fully, without adapters; final norm, token head and newline too",
    why: "there is no pretrained state to stay near",
  },
  {
    what: "weight of the language loss",
    config: "lossWeights.language",
    paper: "1",
    here: "0.3 at nano",
    why: "templated answers are learnt within a few hundred steps and would outweigh grounding",
  },
  {
    what: "structure module at the start",
    config: "structure.outputInit, structure.dropPath",
    paper: "drop path; how it starts is not said",
    here: "output projections start at zero and nothing is dropped, at nano",
    why: "the module starts as the identity; runs of minutes do not overfit it",
  },
  {
    what: "scale of the ray encoding",
    config: "positions.rayScale",
    paper: "5",
    here: "1 at nano",
    why: "tokens of the small model are normalised to unit scale",
  },
  {
    what: "image ids of the reconstruction decoder",
    config: "reconstruction.imageIds",
    paper: "drawn at random from a pool",
    here: "0, 1, 2, … in the order of the views, at nano",
    why: "its own decoder was pretrained so, and a few views need no pool",
  },
  {
    what: "optimiser",
    config: "training.learningRate, training.beta2, training.weightDecay, training.warmup, training.finalRate",
    paper: "AdamW, 2e-5, no decay, warm-up over 5 %, cosine to 0",
    here: "1.5e-3, β₂ 0.98, decay 0.02, warm-up over 3 %, cosine to 2 % of it, at nano",
    why: "a small model from random numbers in about a thousand steps",
  },
  {
    what: "training views",
    config: "data.trainFrames, training.rotate",
    paper: "uniform sampling",
    here: "another draw of the prepared views each step, scenes turned by quarter turns, at nano",
    why: "2,450 rooms are few",
  },
  {
    what: "object features",
    config: "objects.fallbackShare",
    paper: "patches more than half inside the box, else a zero vector",
    here: "at nano the best patch counts when none is, from 5 % on",
    why: "a nano patch is coarse: an eighth of the objects would have no feature",
  },
  {
    what: "prompt",
    config: "prompt.template",
    paper: "Qwen's chat form with an instruction",
    here: "image, sentence, answer at nano; a phrase of S2-Rooms is one token, a colour with its noun too",
    why:
      "a small language model gains nothing from a constant text, and cannot learn in minutes to bind " +
      "colours to nouns",
  },
  {
    what: "pooling",
    config: "projector.pooling",
    paper: "AvgPool; the released code interpolates",
    here: "average at nano, interpolation at full size",
    why: "the paper's own words, and the released checkpoint layout where it matters",
  },
  {
    what: "depth holes",
    config: "–",
    paper: "a missing depth counts as the camera's centre",
    here: "masked: no position there",
    why: "patch positions are otherwise drawn toward the camera",
  },
  {
    what: "attention groups",
    config: "structure.layout",
    paper: "inter-view by patch, intra-view by view; the released code groups wrongly",
    here: "as the paper says",
    why: "the released order of axes mixes patches and views; “released” restores it for comparison",
  },
  {
    what: "units of the reconstruction target",
    config: "–",
    paper: "released code mixes millimetres and metres",
    here: "metres throughout",
    why: "camera baselines otherwise shrink a thousandfold against depth",
  },
  {
    what: "evaluation",
    config: "prompt.evaluation",
    paper: "released evaluators feed the true class before <ground>",
    here: "the model's own words stand there",
    why: "the true class is part of the answer; “gold” restores the leak for comparison",
  },
  {
    what: "pointmaps",
    config: "reconstruction.local",
    paper: "local and global; the released code has only global",
    here: "both",
    why: "as the paper's equations say",
  },
  {
    what: "views in the reconstruction loss",
    config: "reconstruction.scenesPerStep, reconstruction.viewsPerStep",
    paper: "all",
    here: "a few neighbouring views of one scene a step at nano",
    why: "the decoder's cost grows with the square of the views",
  },
];
