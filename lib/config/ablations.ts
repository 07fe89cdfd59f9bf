/** What reads views, or is trained on them, where there are none. */
const withoutViews = {
  structure: { interView: false, intraView: false },
  positions: { rays: false },
  reconstruction: { enabled: false },
  lossWeights: { recon: 0 },
} as const;

/** All in which the authors' release trains otherwise than the paper says. */
const releasedTraining = {
  structure: { layout: "released" },
  projector: { pooling: "bilinear" },
  positions: { rayScale: 5 },
  reconstruction: { local: false, units: "released" },
  data: { depthHoles: "released" },
} as const;

/** Named differences from a preset: what each arm of a study changes, and nothing else. */
export const ablations = {
  full: {},
  /** The same again, run with other seeds: what two arms that do not differ look like (an A/A control). */
  again: {},
  /** Spatial guidance off: no reconstruction branch, no projection P. */
  "no-sg": { reconstruction: { enabled: false }, lossWeights: { recon: 0 } },
  /** Multi-level position encoding off on patches and tokens; φ of box centres kept. */
  "no-mpe": { positions: { coordinates: false, rays: false } },
  /** The stronger form: no coordinate reaches the model. The anchor loss goes too, since it reads box positions. */
  "no-mpe-boxes": {
    positions: { coordinates: false, rays: false, boxCentres: false },
    lossWeights: { anchor: 0, anchorAttention: 0 },
  },
  /** Position encoding off, without the anchor loss that this arm cannot satisfy. */
  "no-mpe-no-anchor": {
    positions: { coordinates: false, rays: false },
    lossWeights: { anchor: 0, anchorAttention: 0 },
  },
  /** Without the losses on anchors, to lay over an arm that cannot satisfy them. */
  "no-anchor": { lossWeights: { anchor: 0, anchorAttention: 0 } },
  /** φ of box centres off, the rest kept. */
  "no-box-phi": { positions: { boxCentres: false } },
  "no-phi": { positions: { coordinates: false } },
  "no-psi": { positions: { rays: false } },
  /** Structure-enhanced module off. */
  "no-attn": { structure: { interView: false, intraView: false } },
  "inter-only": { structure: { intraView: false } },
  "intra-only": { structure: { interView: false } },
  /** Language guidance off: bare <ground> answer and no language loss. */
  "no-lg": { lossWeights: { language: 0 }, prompt: { answer: "ground" } },
  /**
   * Without the four components above, and with one of them alone. The paper does not say what its base keeps; here φ
   * of box centres, as in no-mpe.
   */
  base: {
    reconstruction: { enabled: false },
    positions: { coordinates: false, rays: false },
    structure: { interView: false, intraView: false },
    lossWeights: { recon: 0, language: 0 },
    prompt: { answer: "ground" },
  },
  "only-sg": {
    positions: { coordinates: false, rays: false },
    structure: { interView: false, intraView: false },
    lossWeights: { language: 0 },
    prompt: { answer: "ground" },
  },
  "only-mpe": {
    reconstruction: { enabled: false },
    structure: { interView: false, intraView: false },
    lossWeights: { recon: 0, language: 0 },
    prompt: { answer: "ground" },
  },
  "only-attn": {
    reconstruction: { enabled: false },
    positions: { coordinates: false, rays: false },
    lossWeights: { recon: 0, language: 0 },
    prompt: { answer: "ground" },
  },
  "only-lg": {
    reconstruction: { enabled: false },
    positions: { coordinates: false, rays: false },
    structure: { interView: false, intraView: false },
    lossWeights: { recon: 0 },
  },
  "frames-2": { data: { frames: 2 } },
  "frames-4": { data: { frames: 4 } },
  "frames-12": { data: { frames: 12 } },
  /** Views and scenes that are few. */
  "frames-1": { data: { frames: 1 } },
  "frames-3": { data: { frames: 3 } },
  "frames-5": { data: { frames: 5 } },
  "frames-8": { data: { frames: 8 } },
  /** Trained on boxes that are off by up to so much of their edge; evaluation offers what it says. */
  "noise-trained": { data: { boxNoise: 0.4 } },
  "scenes-200": { data: { trainScenes: 200 } },
  /** Views that are neighbours, so that they overlap. */
  neighbours: { data: { neighbours: true } },
  /** Object features from one view, so that only attention brings the others' in. */
  "one-view-objects": { objects: { oneView: true } },
  /** Poor geometry that reaches φ alone; box membership and SG's target keep the true depth. */
  "phi-holes-50": { positions: { holes: 0.5 } },
  "phi-holes-90": { positions: { holes: 0.9 } },
  "phi-shift": { positions: { shift: 0.3 } },
  /** Encodings weighed against the visual features. */
  "phi-x0.3": { positions: { coordinateScale: 0.3 } },
  "phi-x3": { positions: { coordinateScale: 3 } },
  "phi-x10": { positions: { coordinateScale: 10 } },
  "psi-x0.3": { positions: { rayScale: 0.3 } },
  "psi-x3": { positions: { rayScale: 3 } },
  "psi-x10": { positions: { rayScale: 10 } },
  /** Other rooms to train on; lib/datasets/rooms/config.ts says what is special about each. */
  "viewpoint-rooms": { data: { folder: "data/rooms/viewpoint" } },
  "holes-50": { data: { folder: "data/rooms/holes-50" } },
  "holes-90": { data: { folder: "data/rooms/holes-90" } },
  "poses-off": { data: { folder: "data/rooms/poses-off" } },
  "frames-24-rooms": { data: { folder: "data/rooms/frames-24", pool: 24 } },
  "frames-16": { data: { frames: 16 } },
  "frames-24": { data: { frames: 24 } },
  /** Baseline: sentence and boxes only. */
  "language-only": { data: { blind: true }, reconstruction: { enabled: false }, lossWeights: { recon: 0 } },
  /** Baseline: a transformer over sentence and boxes, without and with the boxes' true classes; 32 tokens for boxes. */
  "boxes-only": { ...withoutViews, data: { boxes: "plain", frames: 2 } },
  "boxes-labels": { ...withoutViews, data: { boxes: "labelled", frames: 2 } },
  /**
   * Video-3D-LLM at this preset's size: no structure module, no ψ, no reconstruction, no language loss on grounding, φ
   * behind the pooling. The additions that nano needs to learn at all are kept.
   */
  "video-3d-llm": {
    structure: { interView: false, intraView: false },
    positions: { rays: false, coordinatesAt: "pooled" },
    reconstruction: { enabled: false },
    lossWeights: { recon: 0, language: 0 },
    prompt: { answer: "ground" },
  },
  /** The two additions that nano training needs, removed. */
  "no-shared-skip": { grounding: { sharedSkip: false } },
  "no-anchor-loss": { lossWeights: { anchor: 0 } },
  "no-anchor-attention": { lossWeights: { anchorAttention: 0 } },
  /** Weight of the reconstruction loss; 0.3 in the paper. */
  "recon-0.1": { lossWeights: { recon: 0.1 } },
  "recon-1": { lossWeights: { recon: 1 } },
  /** The reconstruction loss begins when grounding has all but converged. */
  "recon-late": { lossWeights: { reconFrom: 0.7 } },
  /** The release's departures one by one. */
  "released-layout": { structure: { layout: "released" } },
  "released-units": { reconstruction: { units: "released" } },
  "released-pooling": { projector: { pooling: "bilinear" } },
  "released-holes": { data: { depthHoles: "released" } },
  "released-rays": { positions: { rayScale: 5 } },
  /** Global pointmaps alone. */
  "released-global": { reconstruction: { local: false } },
  /** With this preset's views and prompt. */
  "released-training": releasedTraining,
  /** The authors' released behaviour where it differs from the paper; `departures` lists what cannot be restored. */
  released: {
    ...releasedTraining,
    prompt: { spatialInstruction: "train", evaluation: "gold" },
    data: { ...releasedTraining.data, evaluationFrames: 32 },
  },
} as const;
export type AblationName = keyof typeof ablations;
