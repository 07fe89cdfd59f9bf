import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { run as params } from "../../lib/cli/params";
import { run as stream } from "../../lib/cli/stream";
import { run as train } from "../../lib/cli/train";
import { printed } from "../setup/printed";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "weights-commands-"))));
afterEach(() => rmSync(folder, { recursive: true }));

test("stream writes random weights, answers with them part by part, and says what that took", {
  timeout: 240_000,
}, async () => {
  const weights = join(folder, "nano");
  const made = await printed(stream, weights, "--preset", "nano", "--make", "--json");
  expect(made.status).toBe(0);
  expect(readdirSync(weights)).toContain("model.safetensors.index.json");
  const outcome = JSON.parse(made.out) as Record<string, number>;
  expect(outcome).toMatchObject({ preset: "nano", frames: 8, visualTokens: 8 * 4 * 5, finite: true });
  expect(outcome.bytesRead).toBeGreaterThan(1e6);
  for (const key of ["peakBytes", "estimatedBytes"]) expect(outcome[key]).toBeGreaterThan(1e8);
  await expect(printed(stream, weights, "--preset", "nano", "--make")).rejects.toThrow(
    `${weights}: is there already; --make takes a new folder`,
  );
  const { out } = await printed(stream, weights, "--preset", "nano");
  const lines = out.split("\n");
  expect(lines[0]).toMatch(/^nano, 8 frames, 160 visual tokens of \d+, on \S+: one answer in [\d.]+ s /);
  expect(lines[1]).toMatch(/^at most [\d.]+ GB of memory \(estimated [\d.]+ GB\)$/);
  expect(lines.slice(2)).toEqual([""]);
});

test("stream --train gives the gradients of a batch, and writes the update where it is wanted", {
  timeout: 240_000,
}, async () => {
  const weights = join(folder, "nano"),
    update = join(folder, "update");
  const small = [
    "--preset",
    "nano",
    "--set",
    "language.layers=2",
    "--set",
    "lora.fullLayers=2",
    "--set",
    "data.frames=2",
    "--set",
    "lossWeights.anchor=0",
    "--set",
    "lossWeights.anchorAttention=0",
  ];
  const { out, status } = await printed(stream, weights, ...small, "--make", "--train", "--out", update, "--json");
  expect(status).toBe(0);
  const outcome = JSON.parse(out) as Record<string, number>;
  expect(outcome).toMatchObject({ preset: "nano", frames: 2, finite: true, update });
  for (const key of ["loss", "gradientNorm", "trained", "seconds", "updateSeconds"])
    expect(outcome[key], key).toBeGreaterThan(0);
  expect(readdirSync(update)).toContain("model.safetensors.index.json");
  const text = await printed(stream, weights, ...small, "--train");
  expect(text.out).toMatch(
    /^nano, 2 frames, \d+ visual tokens of \d+, on \S+: loss [\d.]+ and the gradients of [\d,]+ parameters in [\d.]+ s/,
  );
  await expect(printed(stream, weights, "--preset", "nano", "--out", update)).rejects.toThrow("--out needs --train");
  await expect(printed(stream, weights, "--preset", "nano", "--ablation", "full")).rejects.toThrow(
    "--ablation needs --train",
  );
  // the reconstruction branch is in the loss
  const without = join(folder, "without");
  const bare = await printed(stream, without, ...small, "--make", "--train", "--ablation", "no-sg", "--json");
  const less = JSON.parse(bare.out) as Record<string, number>;
  expect(less.trained).toBeLessThan(outcome.trained!);
  expect(less.bytesRead).toBeLessThan(outcome.bytesRead!);
});

test("stream needs a folder whose weights fit", async () => {
  await expect(stream([])).rejects.toThrow("takes the folders of the weights");
  await expect(stream([folder])).rejects.toThrow("neither model.safetensors nor model.safetensors.index.json in it");
});

test("params --estimate adds memory and time of each kind of work, epochs, steps and hours", async () => {
  const { out } = await printed(params, "--preset", "llava-video-7b", "--estimate", "--json");
  const { trainable, estimate } = JSON.parse(out) as {
    trainable: number;
    estimate: {
      gigaflopsPerSecond: number;
      work: { work: string; bytes: number; seconds: number }[];
      training: { epochs: number; steps: number; hours: number };
    };
  };
  // ten thousand sentences are assumed where the data are not there: one each, eight a step
  expect(estimate.training).toMatchObject({ epochs: 1, steps: 1250, known: false });
  expect(estimate.training.hours).toBeGreaterThan(1);
  const said = await printed(params, "--preset", "llava-video-7b", "--estimate");
  const [line] = /^training: .*$/m.exec(said.out) ?? [];
  expect(line).toMatch(/^training: 1 epoch of 10,000 sentences, say \(data.scannet is not there; /);
  expect(line).toMatch(/: 1,250 steps of 8 batches, about [\d,.]+ hours$/);
  expect(trainable).toBe(1_767_499_776);
  expect(estimate.work.map(({ work }) => work)).toEqual(["train", "answer", "stream", "stream-train"]);
  expect(estimate.gigaflopsPerSecond).toBeGreaterThan(0);
  for (const { bytes, seconds } of estimate.work) expect(bytes * seconds).toBeGreaterThan(0);
  const text = await printed(params, "--preset", "nano", "--estimate");
  const kinds = ["one training step", "one answer", "one answer, weights streamed", "one batch's gradients, streamed"];
  expect(text.out).toMatch(new RegExp(kinds.map((kind) => `${kind} +[\\d.]+ GB .*`).join("\n")));
});

test("train refuses what cannot fit before it opens any data", async () => {
  const args = ["--preset", "llava-video-7b", "--set", "training.scenes=64", "--set", "data.folder=nowhere"];
  await expect(train(args)).rejects.toThrow(/does not fit: training on 16 frames needs about \d+ GB/);
});
