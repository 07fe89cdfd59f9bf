import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { S2Config } from "../../lib/config/schema";
import { silent } from "../../lib/core/progress";
import { type Batch, type BatchScene, makeBatch } from "../../lib/dataloader/batch";
import { tokenWidth } from "../../lib/dataloader/inputs";
import { type EncodedScene, encodeScenes } from "../../lib/dataloader/sentences";
import { ortStats, resetOrtStats } from "../../lib/engine/backend";
import { tf } from "../../lib/engine/tf";
import type { Session } from "../../lib/eval/session";
import { readSafetensors } from "../../lib/io/safetensors";
import { disposeParameters } from "../../lib/model/initialise";
import { forward } from "../../lib/model/s2mllm";
import { readRecord, recordConfig, trainedOf } from "../../lib/runs/folder";
import { fineTune } from "../../lib/train/fine-tune";
import { lossParts } from "../../lib/train/losses/total";
import { readMetrics } from "../../lib/train/metrics-log";
import { Trainer } from "../../lib/train/trainer";
import { inRun } from "../setup/open-run";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

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
  console.log(
    `one batch of 8 sentences, 24 steps: loss ${first.ground.toFixed(2)} to ${last.ground.toFixed(4)}, accuracy ` +
      `${first.accuracy} to ${last.accuracy}`,
  );
  expect(first.ground).toBeGreaterThan(1);
  expect(last.ground).toBeLessThan(0.05);
  expect(last.accuracy).toBe(1);
  expect(Object.values(last.byKind)).toEqual(Object.values(last.byKind).map(() => 1));
  batch.dispose();
  trainer.dispose();
}, 300_000);

/** Sentences of one scene, four of its views. */
const oneScene = ({ scene, encoded, queries }: EncodedScene, picked: readonly number[] = [0, 1, 2, 3]): BatchScene => ({
  scene,
  views: [0, 1, 3, 5],
  turns: 1,
  draw: 0.5,
  sentences: picked.map((s) => ({ ...encoded[s]!, positives: [queries[s]!.targetId] })),
});

/** Without the losses over views and anchors. */
const quietly = (config: S2Config): S2Config => ({
  ...config,
  lossWeights: { ...config.lossWeights, recon: 0, anchor: 0, anchorAttention: 0 },
});

/** Of the grounding head and the words; disposes of the batch. */
function losses({ parameters, config }: Trainer, batch: Batch): { ground: number; language: number } {
  const quiet = quietly(config);
  const [ground, language] = tf.tidy(() => {
    const parts = lossParts(parameters, forward(parameters, batch.inputs, quiet), batch.inputs, batch.targets, quiet);
    return Array.from(tf.stack([parts.ground, parts.language!]).dataSync());
  });
  batch.dispose();
  return { ground: ground!, language: language! };
}

test("sentences that share an encoding have the losses that they have one by one", () => {
  const trainer = world.trainer(session);
  const { cache, prompt, sizes } = trainer;
  const quiet = quietly(trainer.config);
  const timed = (picked: readonly number[]): { ground: number; language: number; milliseconds: number } => {
    const batch = makeBatch(
      [oneScene(trainer.scenes[0]!, picked)],
      cache,
      { ...sizes, sentences: picked.length, anchors: 0 },
      prompt,
      quiet,
    );
    const started = performance.now();
    const { ground, language } = losses(trainer, batch);
    return { ground, language, milliseconds: performance.now() - started };
  };
  const picked = [0, 1, 2, 3];
  const run = (): [ReturnType<typeof timed>, ReturnType<typeof timed>[]] => [
    timed(picked),
    picked.map((s) => timed([s])),
  ];
  run(); // compiles
  const [together, alone] = run();
  const mean = (key: "ground" | "language"): number => alone.reduce((sum, l) => sum + l[key], 0) / alone.length;
  expect(Math.abs(together.ground - mean("ground"))).toBeLessThan(1e-5);
  expect(Math.abs(together.language - mean("language"))).toBeLessThan(1e-5);
  console.log(
    "4 sentences one by one take " +
      `${(alone.reduce((sum, l) => sum + l.milliseconds, 0) / together.milliseconds).toFixed(1)} times as long as ` +
      "together (forward pass)",
  );
  trainer.dispose();
}, 300_000);

describe("sentences of many lengths", () => {
  test("make batches of four widths at most, none too narrow", () => {
    for (const most of [9, 16, 40, 63, 126]) {
      const lengths = Array.from({ length: most }, (_, i) => i + 1);
      const widths = lengths.map((longest) => tokenWidth(longest, most));
      expect(new Set(widths).size).toBeLessThanOrEqual(4);
      lengths.forEach((longest, i) => expect(widths[i]).toBeGreaterThanOrEqual(longest));
      expect(widths.at(-1)).toBe(most);
    }
    expect([20, 32, 33, 64, 96, 97].map((longest) => tokenWidth(longest, 126))).toEqual([32, 32, 64, 64, 96, 126]);
  });

  /** The scene with `more` tokens put into its sentence `s`. */
  const longer = (scene: EncodedScene, s: number, more: number): EncodedScene => {
    const { ids, answer, ground, supervised, anchors } = scene.encoded[s]!;
    const moved = {
      ids: [ids[0]!, ...new Array<number>(more).fill(ids[0]!), ...ids.slice(1)],
      answer: answer + more,
      ground: ground + more,
      supervised: supervised.map((at) => at + more),
      anchors: anchors.map(({ at, object }) => ({ at: at + more, object })),
    };
    return { ...scene, encoded: scene.encoded.with(s, moved) };
  };

  test("compile one program a width, and a narrow batch has the losses of a wide one", () => {
    const config = world.config(["training.steps=12", "lossWeights.recon=0.1"]);
    const plain = world.trainer({ ...session, config });
    const scenes = plain.scenes.map((scene, i) =>
      i === 0 ? longer(scene, 0, 60) : i === 1 ? longer(scene, 1, 25) : scene,
    );
    const trainer = new Trainer(config, plain.cache, scenes, plain.prompt, plain.parameters);
    const batches = Array.from({ length: 12 }, (_, step) => trainer.batch(step));
    const widths = new Set(batches.map(({ batch }) => batch.inputs.text.shape[2]));
    expect(widths.size).toBeGreaterThan(1);
    batches.forEach(({ batch }) => batch.dispose());
    resetOrtStats();
    for (let step = 0; step < 12; step++) trainer.step(step);
    expect(ortStats().graphsCompiled).toBe(widths.size);
    // the same sentences among wide and among narrow ones
    const [narrow, wide] = [plain.sizes.tokens, 64].map((tokens) => {
      const batch = makeBatch(
        [oneScene(plain.scenes[0]!)],
        plain.cache,
        { ...plain.sizes, sentences: 4, tokens, anchors: 0 },
        plain.prompt,
        quietly(config),
      );
      return { width: batch.inputs.text.shape[2], ...losses(plain, batch) };
    });
    expect(narrow!.width).toBeLessThan(wide!.width);
    expect(Math.abs(narrow!.ground - wide!.ground)).toBeLessThan(1e-5);
    expect(Math.abs(narrow!.language - wide!.language)).toBeLessThan(1e-5);
    plain.dispose();
  }, 300_000);
});

describe("training by epochs", () => {
  /** nano by epochs: two rooms of six sentences each, four sentences of a room a batch. */
  const byEpochs = (...more: string[]): S2Config => {
    const config = world.config(["training.epochs=2", "training.scenes=1", ...more]);
    return { ...config, training: { ...config.training, steps: undefined } };
  };
  const seenBy = (trainer: Trainer): { counts: Map<string, number>; batches: number } => {
    const counts = new Map<string, number>();
    let batches = 0;
    const real = trainer.batch.bind(trainer);
    trainer.batch = (n) => {
      batches += 1;
      const made = real(n);
      for (const kind of made.kinds)
        if (kind !== undefined) counts.set("sentences", (counts.get("sentences") ?? 0) + 1);
      return made;
    };
    for (let step = 0; step < trainer.steps; step++) expect(Number.isFinite(trainer.step(step).total)).toBe(true);
    return { counts, batches };
  };

  test("takes as many steps as the sentences come to, the last one smaller", () => {
    const plain = world.trainer({ ...session, config: byEpochs() });
    // two groups a room, of four sentences and of two: four batches an epoch
    expect(plain.steps).toBe(8);
    expect(seenBy(plain)).toMatchObject({ batches: 8, counts: new Map([["sentences", 24]]) });
    plain.dispose();
    const two = world.trainer({ ...session, config: byEpochs("training.scenes=3", "training.accumulate=2") });
    // eight groups: batches of 3, 3 and 2 scenes, in updates of two batches and of one
    expect(two.steps).toBe(2);
    expect(seenBy(two)).toMatchObject({ batches: 3, counts: new Map([["sentences", 24]]) });
    two.dispose();
  }, 300_000);
});

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
    return inRun(config(), folder, (run) =>
      fineTune({
        config: config(),
        cache: session.cache,
        scenes,
        prompt,
        run,
        name: "test",
        progress: silent,
        ...(signal === undefined ? {} : { signal }),
      }),
    );
  };

  test("whose gradient has no number or whose step fails says where it stands, and spoils no checkpoint", async () => {
    const folder = join(top, "spoilt");
    await expect(start(folder, duringStep())).rejects.toThrow("stopped after 1 of 6 steps");
    const state = (): string => readFileSync(join(folder, "checkpoint", "state.json"), "utf8");
    const before = state();
    vi.restoreAllMocks();
    const step = vi.spyOn(Trainer.prototype, "step");
    step.mockReturnValueOnce({ step: 1, total: 1, gradNorm: NaN } as ReturnType<Trainer["step"]>);
    await expect(start(folder)).rejects.toThrow(
      /^test: the gradient's norm is NaN at step 1; lower \S+.*on from step 1, kept in .*checkpoint\)$/,
    );
    step.mockImplementationOnce(() => {
      throw new Error("device lost");
    });
    await expect(start(folder)).rejects.toThrow(
      /^test: step 1 of 6 failed on ort-cpu \(the same command goes on from step 1, kept in .*t\): device lost$/,
    );
    step.mockImplementationOnce(() => {
      throw new Error("device lost");
    });
    await expect(start(join(top, "new"))).rejects.toThrow(
      "test: step 0 of 6 failed on ort-cpu (no checkpoint was kept yet): device lost",
    );
    expect(state()).toBe(before);
    await expect(start(join(top, "never"), AbortSignal.abort())).rejects.toThrow("stopped after 0 of 6 steps");
  }, 300_000);

  test("that is interrupted three times ends with the weights of one that is not, to the bit", async () => {
    const whole = join(top, "whole"),
      parts = join(top, "parts");
    disposeParameters((await start(whole)).parameters);
    for (let step = 1; step <= 3; step++) {
      await expect(start(parts, duringStep())).rejects.toThrow(
        `stopped after ${step} of 6 steps; its checkpoint is kept`,
      );
      vi.restoreAllMocks();
      expect(existsSync(join(parts, "checkpoint", "state.json"))).toBe(true);
      expect(existsSync(join(parts, "model.safetensors"))).toBe(false);
    }
    disposeParameters((await start(parts)).parameters);
    expect(existsSync(join(parts, "checkpoint"))).toBe(false);
    const [a, b] = [whole, parts].map((folder) => readSafetensors(join(folder, "model.safetensors"))) as [
      ReturnType<typeof readSafetensors>,
      ReturnType<typeof readSafetensors>,
    ];
    expect([...b.keys()].sort()).toEqual([...a.keys()].sort());
    expect(
      [...a]
        .filter(([name, t]) => Buffer.compare(bytesOf(t.data), bytesOf(b.get(name)!.data)) !== 0)
        .map(([name]) => name),
    ).toEqual([]);
    expect(readMetrics(join(parts, "metrics.jsonl")).map((l) => l.step)).toEqual(
      readMetrics(join(whole, "metrics.jsonl")).map((l) => l.step),
    );
    expect(recordConfig(readRecord(parts), parts)).toEqual(config());
    // a training that came to its end is not done again
    const step = vi.spyOn(Trainer.prototype, "step");
    const seconds = trainedOf(parts)!.seconds;
    const again = await start(parts);
    expect([step.mock.calls.length, again.seconds]).toEqual([0, seconds]);
    expect(again.parameters.get("model.norm.weight")!.dataSync()).toEqual(b.get("model.norm.weight")!.data);
    disposeParameters(again.parameters);
  }, 300_000);
});

function bytesOf(data: ArrayBufferView): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
