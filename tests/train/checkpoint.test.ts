import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { TrainingConfig } from "../../lib/config/schema";
import type { PlannedParameter } from "../../lib/core/parameters";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
import { resumeCheckpoint, saveCheckpoint } from "../../lib/train/checkpoint";
import { AdamW } from "../../lib/train/optimizer";

let folder: string;
beforeAll(async () => {
  await chooseEngine({ threads: 1 });
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-train-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("checkpoints", () => {
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
