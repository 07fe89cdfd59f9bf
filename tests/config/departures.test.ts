import { expect, test } from "vitest";
import { departures } from "../../lib/config/departures";
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
]);

function differences(a: unknown, b: unknown, path: string): string[] {
  const parts = (x: unknown): Record<string, unknown> | undefined =>
    typeof x === "object" && x !== null && !Array.isArray(x) ? (x as Record<string, unknown>) : undefined;
  const [p, q] = [parts(a), parts(b)];
  if (p === undefined || q === undefined) return JSON.stringify(a) === JSON.stringify(b) ? [] : [path];
  return [...new Set([...Object.keys(p), ...Object.keys(q)])].flatMap((key) =>
    differences(p[key], q[key], path === "" ? key : `${path}.${key}`),
  );
}

test("every way in which nano differs from the paper's model, but for its size, is listed", () => {
  const listed = new Set(departures.flatMap((d) => d.config.split(", ")));
  const found = differences(resolveConfig({ preset: "nano" }), resolveConfig({ preset: "llava-video-7b" }), "");
  expect(found).toContain("lossWeights.language");
  expect(found.filter((path) => !sizes.has(path) && !listed.has(path))).toEqual([]);
});
