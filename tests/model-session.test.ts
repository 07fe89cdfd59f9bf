import { afterAll, beforeAll, expect, test } from "vitest";
import { lab, type Model } from "../lib";
import { UserError } from "../lib/core/errors";
import { silent } from "../lib/core/progress";
import { tf } from "../lib/engine/tf";
import { predict } from "../lib/eval/predict";
import type { LabelledBatch } from "../lib/train/training-step";
import { type TinyWorld, tinyWorld } from "./setup/tiny-world";

let world: TinyWorld;
let model: Model;
beforeAll(async () => {
  world = await tinyWorld(317);
  const set = [...world.set, "language.layers=1", "lora.fullLayers=1"];
  model = await lab.model({ preset: "nano", set, progress: silent });
}, 300_000);
afterAll(() => {
  model.dispose();
  world.remove();
});

test("a batch depends on seed and step alone, and a step by it is the step's own", async () => {
  const [first, again, other] = [await model.batch(0), await model.batch(0), await model.batch(1)];
  const ids = ({ batch }: LabelledBatch): number[] => [...batch.inputs.text.dataSync()];
  expect(ids(again)).toEqual(ids(first));
  expect(ids(other)).not.toEqual(ids(first));
  const report = await model.step(0, first);
  expect(report.total).toBeGreaterThan(0);
  expect(report.byKind).not.toEqual({});
  for (const { batch } of [first, again, other]) batch.dispose();
}, 120_000);

test("steps change the weights and keep no tensors", async () => {
  await model.step(1);
  const [name, weight] = [...model.parameters].find(([key]) => key.startsWith("ground_head"))!;
  const before = weight.dataSync().slice();
  const held = tf.memory().numTensors;
  await model.step(2);
  expect(tf.memory().numTensors).toBe(held);
  expect(weight.dataSync(), name).not.toEqual(before);
}, 120_000);

test("an answer scores as the same sentence does in an evaluation", async () => {
  const { cache, sentences, tokenizer } = await model.data();
  const [scenes] = [sentences("val").slice(0, 1)];
  const { config, parameters } = model;
  const options = { source: config.data.proposals, maxNewTokens: 32 };
  const [expected] = predict(parameters, config, cache, scenes, tokenizer, options);
  const { boxes } = await model.answer(expected!.query.sceneId, expected!.query.description);
  expect(boxes[0]!.index).toBe(expected!.chosen);
  for (const { index, score } of boxes) expect(score).toBeCloseTo(expected!.scores[index]!, 4);
}, 120_000);

test("a scene that is not there, and an empty sentence", async () => {
  const { id } = (await model.data()).cache.scenes("val")[0]!;
  await expect(model.answer("scene9999_99", "the chair")).rejects.toThrow(UserError);
  await expect(model.answer(id, " \n")).rejects.toThrow("the sentence is empty; say which object is meant");
});

test("lab.scene reads objects and views in metres", async () => {
  const { id } = (await model.data()).cache.scenes("val")[0]!;
  const scene = await lab.scene(world.folder, id, { views: 3, size: 56 });
  expect(scene.views.length).toBe(3);
  for (const view of scene.views) {
    expect([view.colour.length, view.depth.length]).toEqual([56 * 56 * 3, 56 * 56]);
    expect(Math.max(...view.depth)).toBeGreaterThan(0.5);
    expect(Math.max(...view.depth)).toBeLessThan(12);
  }
  const figure = lab.figures.room(scene, { sentence: "the chair", box: scene.objects[0]!.box });
  expect(figure.data.filter((trace) => "mode" in trace && trace.mode === "text").length).toBe(scene.objects.length + 1);
}, 60_000);
