/** Named differences from a preset: what each arm of a study changes, and nothing else. */
export const ablations = {
  full: {},
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
  "frames-16": { data: { frames: 16 } },
  "frames-24": { data: { frames: 24 } },
  /** Baseline: sentence and boxes only. */
  "language-only": { data: { blind: true }, reconstruction: { enabled: false }, lossWeights: { recon: 0 } },
  /** The two additions that nano training needs, removed. */
  "no-shared-skip": { grounding: { sharedSkip: false } },
  "no-anchor-loss": { lossWeights: { anchor: 0 } },
  "no-anchor-attention": { lossWeights: { anchorAttention: 0 } },
  /** The authors' released behaviour where it differs from the paper; `departures` lists what cannot be restored. */
  released: {
    structure: { layout: "released" },
    projector: { pooling: "bilinear" },
    positions: { rayScale: 5 },
    reconstruction: { local: false, units: "released" },
    prompt: { spatialInstruction: "train", evaluation: "gold" },
    data: { depthHoles: "released", evaluationFrames: 32 },
  },
} as const;
export type AblationName = keyof typeof ablations;
