import { expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { GPU_BYTES, gpuEstimate, gpuLines, PCIE_RATE } from "../../lib/train/gpu-estimate";

// llava-video-7b by hand, from the paper's and the checkpoints' sizes
const TRAINED = 1_767_499_776; // the paper's 1767.50 M
const LAYER = 2 * (3584 * 3584 + 3584) - 3584 + 2 * (3584 * 512 + 512) + 3 * 3584 * 18_944 + 2 * 3584;
const VISION_LAYER = 4 * (1152 * 1152 + 1152) + 4 * 1152 + (1152 * 4304 + 4304) + (4304 * 1152 + 1152);
const TOWER = 3 * 14 * 14 * 1152 + 1152 + 729 * 1152 + 26 * VISION_LAYER;
const BLOCK = 4 * 1024 + (1024 * 3072 + 3072) + (1024 * 1024 + 1024) + (1024 * 4096 + 4096) + (4096 * 1024 + 1024);
const UNIT = 2 * (256 * 256 * 9 + 256);
const HEAD =
  (1024 + 1) * (96 + 192 + 384 + 768) + // taps
  (96 * 96 * 16 + 96 + 192 * 192 * 4 + 192 + 768 * 768 * 9 + 768) + // to their sides
  (96 + 192 + 384 + 768) * 256 * 9 +
  (7 * UNIT + 4 * (256 * 256 + 256)) + // fusion; the coarsest level has one unit
  (256 * 128 * 9 + 128 + 128 * 128 * 9 + 128 + 128 * 4 + 4);
const FAST3R = 24 * BLOCK + (1024 * 1024 + 1024) + 2 * 1024 + 2 * HEAD;
// 24 language layers, final norm, lm_head, newline
const FROZEN = 24 * LAYER + 3584 + 151_649 * 3584 + 3584 + TOWER + FAST3R;

const PATCHES = 16 * 27 * 27;
// 52 tokens around 16 views of 14 rows of 15, and a sentence of 64
const ROWS = 52 + 16 * 14 * 15 + 64;
const STREAMS = PATCHES * (26 * 1152 + 1152 + 3584 + 24 * 1024) + 28 * ROWS * 3584;
// one of Fast3R's layers: every patch sees every patch, in 16 heads; kept for the gradient, then in hand at once
const PAIRS = 16 * PATCHES ** 2;
const LARGEST_LAYER = PATCHES * (10 * 1024 + 2 * 4096) + PAIRS + (3 * PATCHES * 1024 + 2 * PAIRS);

const paper = (...set: string[]) => resolveConfig({ preset: "llava-video-7b", set });

test("the paper's training, byte for byte", () => {
  const room = gpuEstimate(paper(), 2 ** 40);
  expect(room.host).toEqual([]);
  expect(room.phases).toEqual({
    gradients: {
      "CUDA and its libraries": 1.5e9,
      "frozen weights, bf16": 2 * FROZEN,
      "trained weights, float32": 4 * TRAINED,
      "moments, float32": 8 * TRAINED,
      "gradients, float32": 4 * TRAINED,
      "gathered gradients, float32": 8 * TRAINED,
      "inputs of each layer": 4 * STREAMS,
      "one layer computed again": 4 * LARGEST_LAYER,
      batch: 4 * PATCHES * (50 + 1152),
    },
    update: {
      "CUDA and its libraries": 1.5e9,
      "frozen weights, bf16": 2 * FROZEN,
      "trained weights, float32": 4 * TRAINED,
      "moments, float32": 8 * TRAINED,
      "gradients, float32": 4 * TRAINED,
      "new weights and moments": 12 * TRAINED,
    },
  });
});

test("does not fit 80 GB with the moments, and fits without: 28 GB an update over PCIe", () => {
  expect(GPU_BYTES).toBe(78 * 1024 ** 3);
  const { host, bytes, fits, phases } = gpuEstimate(paper());
  expect(host).toEqual([
    {
      what: "moments, float32",
      bytes: 8 * TRAINED,
      bytesPerUpdate: 16 * TRAINED,
      seconds: Number(((16 * TRAINED) / PCIE_RATE).toPrecision(2)),
    },
  ]);
  expect(fits).toBe(true);
  const expected = 1.5e9 + 2 * FROZEN + 16 * TRAINED + 4 * (STREAMS + LARGEST_LAYER + PATCHES * 1202);
  expect(bytes).toBe(expected);
  expect(expected / 2 ** 30).toBeCloseTo(69.7, 1);
  // word embeddings and their moments, old, new and on their way
  expect(phases.update["new weights and moments"]).toBe(24 * 151_649 * 3584);
  expect(gpuLines(gpuEstimate(paper())).at(-1)).toBe(
    "  would have to lie on the host: moments, float32 (13.2 GiB): 28 GB an update over PCIe, 1.1 s at 25 GB/s",
  );
});

test("one batch an update gathers nothing and fits as it is; 32 frames move more, and 64 do not fit", () => {
  expect(gpuEstimate(paper("training.accumulate=1"))).toMatchObject({ host: [], fits: true });
  const two = gpuEstimate(paper("data.frames=20"));
  expect(two.host.map(({ what }) => what)).toEqual(["moments, float32", "gathered gradients, float32"]);
  expect(gpuEstimate(paper("data.frames=64")).fits).toBe(false);
  expect(gpuLines(gpuEstimate(paper("data.frames=64")))[0]).toMatch(/ of 78\.0 GiB: does not fit$/);
});

test("nano needs little", () => {
  const { bytes, host } = gpuEstimate(resolveConfig({ preset: "nano" }));
  expect(host).toEqual([]);
  expect(bytes).toBeLessThan(4e9);
});
