import { describe, expect, test } from "vitest";
import { departures, departuresOf, differencesFrom, switchOf } from "../../lib/config/departures";
import { type PresetName, presets } from "../../lib/config/presets";
import { resolveConfig } from "../../lib/config/resolve";

/** Widths, depths, amounts: what "nano" means. */
const sizes = new Set([
  "preset",
  "vision.imageSize",
  "vision.hiddenSize",
  "vision.intermediateSize",
  "vision.layers",
  "vision.heads",
  "language.vocabSize",
  "language.hiddenSize",
  "language.intermediateSize",
  "language.layers",
  "language.heads",
  "language.ropeTheta",
  "structure.heads",
  "positions.rayHidden",
  "reconstruction.encoderSize",
  "reconstruction.hiddenSize",
  "reconstruction.heads",
  "reconstruction.depth",
  "reconstruction.layerDims",
  "reconstruction.featureDim",
  "reconstruction.lastDim",
  "reconstruction.patchSize",
  "lora.rank",
  "training.steps",
  "training.scenes",
  "training.sentences",
  "training.accumulate",
  "data.folder",
  "data.frames",
  "data.pool",
  "pretrained",
  "reconstruction.ownEncoder",
]);

const listed = new Set(departures.flatMap(({ config }) => ("cannotBeSwitched" in config ? [] : config)));

describe.each(["paper", "release"] as const)("against the %s", (reference) => {
  test.each(Object.keys(presets) as PresetName[])(
    "%s: every value that differs, but for its size, is listed",
    (preset) => {
      const found = differencesFrom(resolveConfig({ preset }), preset, reference);
      expect(found.filter((path) => !(preset.startsWith("nano") && sizes.has(path)) && !listed.has(path))).toEqual([]);
    },
  );
});

/** Value at a path such as "data.frames". */
const at = (config: unknown, path: string): unknown =>
  path.split(".").reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], config);

/**
 * What spec 1 to 5 say of the paper, and spec 2, 8 and 13 of the release; written down here without looking at the
 * presets.
 */
const common = {
  "vision.imageSize": 384,
  "vision.layers": 26,
  "language.vocabSize": 151649,
  "language.layers": 28,
  "structure.interView": true,
  "structure.intraView": true,
  "grounding.head": "infonce",
  "grounding.temperature": 0.07,
  "grounding.sharedSkip": false,
  "objects.minShare": 0.5,
  "objects.fallbackShare": 0,
  "lossWeights.ground": 1,
  "lossWeights.recon": 0.3,
  "lossWeights.language": 1,
  "lossWeights.anchor": 0,
  "lora.rank": 64,
  "lora.alpha": 16,
  "lora.dropout": 0.05,
  "lora.fullLayers": 4,
  "training.learningRate": 2e-5,
  "training.warmup": 0.05,
  "training.weightDecay": 0,
  "reconstruction.alpha": 0.2,
  "reconstruction.global": true,
  "data.frames": 16,
  "data.proposals": "detector",
  "data.trainFrames": "uniform",
  "prompt.answer": "category",
};
const facts = {
  paper: {
    ...common,
    "projector.pooling": "average",
    "positions.rayScale": 1,
    "reconstruction.local": true,
    "structure.layout": "paper",
  },
  release: {
    ...common,
    "projector.pooling": "bilinear",
    "positions.rayScale": 5,
    "reconstruction.local": false,
    "reconstruction.units": "released",
    "structure.layout": "released",
    "data.depthHoles": "released",
    "data.evaluationFrames": 32,
    "prompt.evaluation": "gold",
    "prompt.spatialInstruction": "train",
    "prompt.template": "released",
  },
};

test.each(["paper", "release"] as const)(
  "what spec/paper.md says of the %s is so in llava-video-7b, or listed",
  (of) => {
    const config = resolveConfig({ preset: "llava-video-7b" });
    const different = Object.entries(facts[of]).filter(([path, value]) => at(config, path) !== value);
    expect(different.filter(([path]) => !listed.has(path))).toEqual([]);
  },
);

/** What spec 3.2 says of Video-3D-LLM, paper and script. */
const video: Readonly<Record<string, unknown>> = {
  "structure.interView": false,
  "structure.intraView": false,
  "positions.rays": false,
  "positions.coordinatesAt": "pooled",
  "reconstruction.enabled": false,
  "lora.vision": false,
  "lora.fullVision": true,
  "lora.fullLayers": 28,
  "lossWeights.language": 0,
  "prompt.answer": "ground",
  "training.epochs": 1,
  "training.learningRate": 1e-5,
  "training.visionRate": 0.2,
  "training.warmup": 0.03,
  "training.weightDecay": 0,
  "data.frames": 32,
  "data.proposals": "detector",
  "data.trainFrames": "uniform",
};

test("video-3d-llm is held against its own paper and release, not against itself", () => {
  const config = resolveConfig({ preset: "video-3d-llm" });
  for (const [path, value] of Object.entries(video)) expect(at(config, path), path).toBe(value);
  const { scenes, sentences, accumulate } = config.training;
  expect(scenes * sentences * accumulate).toBe(16);
  expect(differencesFrom(config, "video-3d-llm", "paper")).toEqual([]);
  expect(differencesFrom(config, "video-3d-llm", "release")).toEqual(["data.depthHoles"]);
  const other = resolveConfig({ preset: "video-3d-llm", set: ["training.learningRate=2e-5", "positions.rays=true"] });
  expect(differencesFrom(other, "video-3d-llm", "paper").sort()).toEqual(["positions.rays", "training.learningRate"]);
  const named = departuresOf("video-3d-llm").map(({ what }) => what);
  expect(named).toContain("depth holes");
  expect(named).not.toContain("what the projection P reads");
});

test("the ablation `released` gives every value of the release", () => {
  const config = resolveConfig({ preset: "llava-video-7b", ablation: "released" });
  for (const [path, value] of Object.entries(facts.release)) expect(at(config, path), path).toBe(value);
  expect(differencesFrom(config, "llava-video-7b", "release")).toEqual([]);
});

test("each departure of a preset says what switches it, or that nothing can", () => {
  const configs = [
    resolveConfig({ preset: "nano" }),
    resolveConfig({ preset: "llava-video-7b" }),
    resolveConfig({ preset: "llava-video-7b", ablation: "released" }),
  ];
  const paper = departuresOf("llava-video-7b").map(({ what }) => what);
  expect(paper).toContain("pooling");
  expect(paper).not.toContain("anchor loss");
  expect(departuresOf("nano").map(({ what }) => what)).toContain("anchor loss");
  for (const departure of departures) {
    if ("cannotBeSwitched" in departure.config) expect(switchOf(departure)).toMatch(/^cannot be switched: ./);
    else
      for (const path of departure.config)
        expect(
          configs.some((config) => at(config, path) !== undefined),
          path,
        ).toBe(true);
  }
});
