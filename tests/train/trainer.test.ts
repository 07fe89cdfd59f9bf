import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { silent } from "../../lib/core/progress";
import { tf } from "../../lib/engine/tf";
import type { Session } from "../../lib/eval/session";
import { readSafetensors } from "../../lib/io/safetensors";
import { disposeParameters } from "../../lib/model/initialise";
import { forward } from "../../lib/model/s2mllm";
import { makeBatch, type BatchScene } from "../../lib/train/batch";
import { encodeScenes } from "../../lib/train/data";
import { fineTune } from "../../lib/train/fine-tune";
import { lossParts } from "../../lib/train/losses/total";
import { readMetrics } from "../../lib/train/metrics-log";
import { Trainer } from "../../lib/train/trainer";
import { tinyWorld, type TinyWorld } from "../setup/tiny-world";

let world: TinyWorld;
let session: Session;
let top: string;
beforeAll(async () => {
  world = await tinyWorld(101);
  session = await world.session(world.config());
  top = mkdtempSync(join(tmpdir(), "s2-runs-"));
}, 300_000);
afterAll(() => {
  world.remove();
  rmSync(top, { recursive: true });
});

test("the whole nano model learns one batch by heart, and holds no more tensors from step to step", () => {
  const trainer = world.trainer({ ...session, config: world.config(["training.steps=100", "lossWeights.recon=0.1"]) });
  const { batch, kinds } = trainer.batch(0);
  expect(kinds.filter((kind) => kind !== undefined).length).toBe(8);
  const reports = [trainer.update(0, batch, kinds), trainer.update(1, batch, kinds)];
  const held = tf.memory().numTensors;
  for (let step = 2; step < 24; step++) {
    reports.push(trainer.update(step, batch, kinds));
    expect(tf.memory().numTensors).toBe(held);
  }
  const [first, last] = [reports[0]!, reports[reports.length - 1]!];
  console.log(`one batch of 8 sentences, 24 steps: loss ${first.ground.toFixed(2)} to ${last.ground.toFixed(4)}, accuracy ${first.accuracy} to ${last.accuracy}`);
  expect(first.ground).toBeGreaterThan(1);
  expect(last.ground).toBeLessThan(0.05);
  expect(last.accuracy).toBe(1);
  expect(Object.values(last.byKind)).toEqual(Object.values(last.byKind).map(() => 1));
  batch.dispose();
  trainer.dispose();
}, 300_000);

test("sentences that share an encoding have the losses that they have one by one", () => {
  const trainer = world.trainer(session);
  const { config, cache, prompt, sizes, parameters } = trainer;
  const { scene, encoded, queries } = trainer.scenes[0]!;
  const quiet = { ...config, lossWeights: { ...config.lossWeights, recon: 0, anchor: 0, anchorAttention: 0 } };
  const item = (picked: readonly number[]): BatchScene => ({
    scene, views: [0, 1, 3, 5], turns: 1, draw: 0.5, sentences: picked.map((s) => ({ encoded: encoded[s]!, positives: [queries[s]!.targetId] })),
  });
  const losses = (picked: readonly number[]): { ground: number; language: number; milliseconds: number } => {
    const batch = makeBatch([item(picked)], cache, { ...sizes, sentences: picked.length, anchors: 0 }, prompt, quiet);
    const started = performance.now();
    const [ground, language] = tf.tidy(() => {
      const parts = lossParts(parameters, forward(parameters, batch.inputs, quiet), batch.inputs, batch.targets, quiet);
      return Array.from(tf.stack([parts.ground, parts.language!]).dataSync());
    });
    batch.dispose();
    return { ground: ground!, language: language!, milliseconds: performance.now() - started };
  };
  const picked = [0, 1, 2, 3];
  const run = (): [ReturnType<typeof losses>, ReturnType<typeof losses>[]] => [losses(picked), picked.map((s) => losses([s]))];
  run(); // compiles
  const [together, alone] = run();
  const mean = (key: "ground" | "language"): number => alone.reduce((sum, l) => sum + l[key], 0) / alone.length;
  expect(Math.abs(together.ground - mean("ground"))).toBeLessThan(1e-5);
  expect(Math.abs(together.language - mean("language"))).toBeLessThan(1e-5);
  console.log(`4 sentences one by one take ${(alone.reduce((sum, l) => sum + l.milliseconds, 0) / together.milliseconds).toFixed(1)} times as long as together (forward pass)`);
  trainer.dispose();
}, 300_000);

describe("a run", () => {
  /** A signal that comes in the middle of the first step from now. */
  const duringStep = (): AbortSignal => {
    const controller = new AbortController();
    const real = Trainer.prototype.step;
    vi.spyOn(Trainer.prototype, "step").mockImplementationOnce(function (this: Trainer, n) {
      controller.abort();
      return real.call(this, n);
    });
    return controller.signal;
  };
  afterEach(() => vi.restoreAllMocks());
  const config = (): Session["config"] => world.config(["training.steps=6"]);
  const start = (folder: string, signal?: AbortSignal): ReturnType<typeof fineTune> => {
    const { scenes, prompt } = encodeScenes(session.sentences("train"), session.tokenizer, config());
    return fineTune({ config: config(), cache: session.cache, scenes, prompt, folder, name: "test", progress: silent, ...(signal === undefined ? {} : { signal }) });
  };

  test("whose gradient has no number or whose step fails says where it stands, and spoils no checkpoint", async () => {
    const folder = join(top, "spoilt");
    await expect(start(folder, duringStep())).rejects.toThrow("stopped after 1 of 6 steps");
    const state = (): string => readFileSync(join(folder, "checkpoint", "state.json"), "utf8");
    const before = state();
    vi.restoreAllMocks();
    const step = vi.spyOn(Trainer.prototype, "step");
    step.mockReturnValueOnce({ step: 1, total: 1, gradNorm: NaN } as ReturnType<Trainer["step"]>);
    await expect(start(folder)).rejects.toThrow(/^test: the gradient's norm is NaN at step 1; lower training\.learningRate, or name the first tensor with S2_ENGINE_DEBUG=1 \(the same command goes on from step 1, kept in .*checkpoint\)$/);
    step.mockImplementationOnce(() => {
      throw new Error("device lost");
    });
    await expect(start(folder)).rejects.toThrow(/^test: step 1 of 6 failed \(the same command goes on from step 1, kept in .*checkpoint\): device lost$/);
    step.mockImplementationOnce(() => {
      throw new Error("device lost");
    });
    await expect(start(join(top, "new"))).rejects.toThrow("test: step 0 of 6 failed (no checkpoint was kept yet): device lost");
    expect(state()).toBe(before);
    await expect(start(join(top, "never"), AbortSignal.abort())).rejects.toThrow("stopped after 0 of 6 steps");
  }, 300_000);

  test("that is interrupted three times ends with the weights of one that is not, to the bit", async () => {
    const whole = join(top, "whole"), parts = join(top, "parts");
    disposeParameters((await start(whole)).parameters);
    for (let step = 1; step <= 3; step++) {
      await expect(start(parts, duringStep())).rejects.toThrow(`stopped after ${step} of 6 steps; its checkpoint is kept`);
      vi.restoreAllMocks();
      expect(existsSync(join(parts, "checkpoint", "state.json"))).toBe(true);
      expect(existsSync(join(parts, "model.safetensors"))).toBe(false);
    }
    disposeParameters((await start(parts)).parameters);
    expect(existsSync(join(parts, "checkpoint"))).toBe(false);
    const [a, b] = [whole, parts].map((folder) => readSafetensors(join(folder, "model.safetensors"))) as [ReturnType<typeof readSafetensors>, ReturnType<typeof readSafetensors>];
    expect([...b.keys()].sort()).toEqual([...a.keys()].sort());
    expect([...a].filter(([name, t]) => Buffer.compare(bytesOf(t.data), bytesOf(b.get(name)!.data)) !== 0).map(([name]) => name)).toEqual([]);
    expect(readMetrics(join(parts, "metrics.jsonl")).map((l) => l.step)).toEqual(readMetrics(join(whole, "metrics.jsonl")).map((l) => l.step));
    expect(JSON.parse(readFileSync(join(parts, "config.json"), "utf8"))).toEqual(config());
  }, 300_000);
});

function bytesOf(data: ArrayBufferView): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
