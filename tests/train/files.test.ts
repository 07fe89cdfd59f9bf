import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { TrainingConfig } from "../../lib/config/schema";
import type { PlannedParameter } from "../../lib/core/parameters";
import { type CacheIndex, cacheDims, recordLayout, SceneCache } from "../../lib/dataloader/scene-cache";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
import { resumeCheckpoint, saveCheckpoint } from "../../lib/train/checkpoint";
import { MetricsLog, readMetrics } from "../../lib/train/metrics-log";
import { AdamW } from "../../lib/train/optimizer";
import { loadWeights, saveWeights } from "../../lib/weights/tensor-file";

let folder: string;
beforeAll(async () => {
  await chooseEngine({ threads: 1 });
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-train-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("metrics.jsonl", () => {
  test("is appended to, and cut behind a checkpoint", () => {
    const log = new MetricsLog(join(folder, "run", "metrics.jsonl"));
    log.truncate(3); // nothing there yet
    for (let step = 0; step < 5; step++) log.append({ step, seconds: step / 2, total: 1 / (step + 1) });
    expect(readMetrics(log.file).map((l) => l.step)).toEqual([0, 1, 2, 3, 4]);
    log.truncate(3);
    expect(readMetrics(log.file)).toEqual([
      { step: 0, seconds: 0, total: 1 },
      { step: 1, seconds: 0.5, total: 0.5 },
      { step: 2, seconds: 1, total: 1 / 3 },
    ]);
  });

  test("a last line that was cut off is left out, and gone after a resume", () => {
    const log = new MetricsLog(join(folder, "metrics.jsonl"));
    log.append({ step: 0, seconds: 0 });
    appendFileSync(log.file, '{"step":1,"sec');
    expect(readMetrics(log.file)).toEqual([{ step: 0, seconds: 0 }]);
    log.truncate(1);
    log.append({ step: 1, seconds: 1 });
    expect(readMetrics(log.file).map((l) => l.step)).toEqual([0, 1]);
  });
});

describe("weights and checkpoints", () => {
  const plan = new Map<string, PlannedParameter>([["a", { training: "train", label: "", rate: 1 }]]);
  const training = TrainingConfig.parse({ steps: 4, scenes: 1, sentences: 1, learningRate: 0.1 });
  const world = (start: number): { parameters: Map<string, tf.Variable>; optimizer: AdamW } => {
    const parameters = new Map([
      ["a", tf.variable(tf.fill([2, 3], start))],
      ["frozen", tf.variable(tf.fill([2], start))],
    ]);
    return { parameters, optimizer: new AdamW(new Map([["a", parameters.get("a")!]]), plan, training) };
  };
  const identity = { config: "c", dataFingerprint: "d" };

  test("a missing file, a missing tensor and another shape are named", () => {
    const file = join(folder, "model.safetensors");
    const { parameters } = world(1);
    expect(() => loadWeights(file, parameters)).toThrow(`${file} is missing: expected weights as safetensors`);
    saveWeights(file, new Map([["a", tf.zeros([3, 2])]]));
    expect(() => loadWeights(file, parameters)).toThrow(
      'tensor "a" is [3, 2], the model needs [2, 3]; the file belongs to another configuration',
    );
    expect(() => loadWeights(file, parameters, ["frozen"])).toThrow(
      'tensor "frozen" is missing; the file belongs to another configuration',
    );
    truncateSync(file, 20);
    expect(() => loadWeights(file, parameters)).toThrow(file);
  });

  test("a checkpoint brings back weights, moments and step", () => {
    const place = join(folder, "checkpoint");
    const first = world(1);
    tf.tidy(() => first.optimizer.apply({ a: tf.fill([2, 3], 0.5) }, first.optimizer.begin(0.1)));
    saveCheckpoint(place, first.parameters, first.optimizer, { ...identity, step: 7, seconds: 3.5 });
    saveCheckpoint(place, first.parameters, first.optimizer, { ...identity, step: 8, seconds: 4 });
    expect(readdirSync(folder)).toEqual(["checkpoint"]);
    const second = world(0);
    expect(resumeCheckpoint(place, second.parameters, second.optimizer, identity)).toMatchObject({
      step: 8,
      seconds: 4,
    });
    expect(second.optimizer.updates).toBe(1);
    expect(Array.from(second.parameters.get("frozen")!.dataSync())).toEqual([1, 1]);
    for (const optimizer of [first.optimizer, second.optimizer])
      tf.tidy(() => optimizer.apply({ a: tf.fill([2, 3], -0.25) }, optimizer.begin(0.1)));
    expect(Array.from(second.parameters.get("a")!.dataSync())).toEqual(
      Array.from(first.parameters.get("a")!.dataSync()),
    );
  });

  test("one of another configuration or other data is passed over, untouched", () => {
    const place = join(folder, "checkpoint");
    const { parameters, optimizer } = world(1);
    expect(resumeCheckpoint(place, parameters, optimizer, identity)).toBeUndefined();
    saveCheckpoint(place, parameters, optimizer, { ...identity, step: 7, seconds: 0 });
    const other = world(0);
    expect(resumeCheckpoint(place, other.parameters, other.optimizer, { ...identity, config: "x" })).toBeUndefined();
    expect(
      resumeCheckpoint(place, other.parameters, other.optimizer, { ...identity, dataFingerprint: "x" }),
    ).toBeUndefined();
    expect(Array.from(other.parameters.get("frozen")!.dataSync())).toEqual([0, 0]);
  });

  test("a write that fails leaves the checkpoint that was there", () => {
    const place = join(folder, "checkpoint");
    const { parameters, optimizer } = world(1);
    saveCheckpoint(place, parameters, optimizer, { ...identity, step: 7, seconds: 0 });
    const broken = new Map([
      ...parameters,
      [
        "gone",
        {
          shape: [1],
          dataSync: () => {
            throw new Error("disk is full");
          },
        } as unknown as tf.Variable,
      ],
    ]);
    expect(() => saveCheckpoint(place, broken, optimizer, { ...identity, step: 8, seconds: 0 })).toThrow(
      "disk is full",
    );
    expect(readdirSync(folder)).toEqual(["checkpoint"]);
    expect((JSON.parse(readFileSync(join(place, "state.json"), "utf8")) as { step: number }).step).toBe(7);
  });
});

describe("prepared scenes", () => {
  const config = resolveConfig({ preset: "nano", set: ["data.frames=2", "data.pool=3"] });
  const dims = cacheDims(config);

  /** A cache of one scene whose files hold `bytes` bytes. */
  function cache(bytes: number): SceneCache {
    const box = [0, 0, 0, 1, 1, 1] as const;
    const entry = {
      id: "scene0000_00",
      frames: ["0", "1", "2"],
      skippedFrames: 0,
      objects: [{ id: 0, label: "bed", box }],
      proposals: [{ box }, { box }],
      part: 0,
      record: 0,
      members: 0,
    };
    const index: CacheIndex = { key: "k", dataFingerprint: "d", dims, splits: { train: [entry] } };
    writeFileSync(join(folder, "index.json"), JSON.stringify(index));
    for (const name of ["records-0.bin", "members-0.bin"]) writeFileSync(join(folder, name), new Uint8Array(bytes));
    return SceneCache.open(folder);
  }

  test("blocks of a record follow each other without overlap, aligned for their numbers", () => {
    const { N, C, M, pool, pointmap } = dims;
    const layout = recordLayout(dims);
    expect([dims.side, N, dims.pooledSide, M, pool]).toEqual([8, 64, 4, 16, 3]);
    expect(layout.features - layout.cameras).toBe(pool * 20 * 8);
    expect(layout.xyz - layout.features).toBe(pool * N * C * 4);
    expect(layout.known - layout.xyz).toBe(pool * N * 3 * 4);
    expect(layout.rays - layout.known).toBe(pool * N * 4);
    expect(layout.depth - layout.rays).toBe(pool * M * 3 * 4);
    expect(layout.bytes).toBeGreaterThanOrEqual(layout.depth + pool * pointmap ** 2 * 2);
    expect(layout.bytes % 8).toBe(0);
  });

  test("no fewer views are prepared than the model sees", () => {
    expect(cacheDims(resolveConfig({ preset: "nano", ablation: "frames-24" })).pool).toBe(24);
    expect(cacheDims(resolveConfig({ preset: "nano" })).pool).toBe(12);
    expect(cacheDims(resolveConfig({ preset: "llava-video-7b" })).pool).toBe(16);
  });

  test("a file that is too short says so and what to do", () => {
    const short = cache(100);
    const [scene] = short.scenes("train");
    expect(() => scene!.features(0)).toThrow(
      /records-0\.bin: expected \d+ bytes at 0, got 100; delete the folder to prepare it again/,
    );
    expect(() => scene!.patchCounts("detector", [0])).toThrow(
      /members-0\.bin: expected 768 bytes at 384, got 0; delete the folder/,
    );
    short.close();
  });

  test("whole ones are read, and an unknown split is named", () => {
    const whole = cache(recordLayout(dims).bytes);
    const [scene] = whole.scenes("train");
    expect(scene!.features(2).length).toBe(64 * 96);
    expect(scene!.patchCounts("detector", [2, 0]).length).toBe(2 * 2 * 64);
    expect(() => whole.scenes("test")).toThrow('no split "test"; known: train');
    whole.close();
    expect(existsSync(join(folder, "index.json"))).toBe(true);
  });
});
