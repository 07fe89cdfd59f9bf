import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { S2Config } from "../../lib/config/schema";
import { planTraining } from "../../lib/core/parameters";
import { makeBatch } from "../../lib/dataloader/batch";
import { normalisePixels } from "../../lib/dataloader/inputs";
import { tf } from "../../lib/engine/tf";
import { predict } from "../../lib/eval/predict";
import type { Session } from "../../lib/eval/session";
import { readSafetensors, type TensorToWrite, writeSafetensors } from "../../lib/io/safetensors";
import type { Trainer } from "../../lib/train/trainer";
import { describeModel, trainRules } from "../../lib/weights/describe";
import { loadTower, pretrainedFile, requireTower, visionFingerprint } from "../../lib/weights/pretrained";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

const small = [
  "training.scenes=1",
  "training.sentences=2",
  "language.layers=2",
  "lora.fullLayers=2",
  "reconstruction.enabled=false",
  "lossWeights.recon=0",
  "data.pool=4",
  "data.frames=2",
];
// weight decay alone would change every matrix
const adapted = [...small, "lora.vision=true", "lora.rank=2", "training.weightDecay=0"];

let world: TinyWorld;
beforeAll(async () => {
  world = await tinyWorld(303, { trainRooms: 2 });
}, 900_000);
afterAll(() => world.remove());

/** Numbers of the parameters whose names fit. */
function values({ parameters }: Trainer, names: RegExp): Map<string, Float32Array> {
  return new Map(
    [...parameters].filter(([name]) => names.test(name)).map(([name, v]) => [name, Float32Array.from(v.dataSync())]),
  );
}
const changed = (before: ReadonlyMap<string, Float32Array>, after: ReadonlyMap<string, Float32Array>): string[] =>
  [...before].filter(([name, b]) => b.some((x, i) => x !== after.get(name)![i])).map(([name]) => name);

describe("a tower that trains", () => {
  let config: S2Config;
  let session: Session;
  beforeAll(async () => {
    config = world.config(adapted);
    session = await world.session(config);
  }, 900_000);

  test("sees colours, and its adapters change in a step", () => {
    const trainer = world.trainer(session);
    const { batch, kinds } = trainer.batch(0);
    expect(batch.inputs.features).toBeUndefined();
    expect(batch.inputs.pixels!.shape).toEqual([1, 2, 112, 112, 3]);
    const before = values(trainer, /vision_tower/);
    expect(trainer.update(0, batch, kinds).gradNorm).toBeGreaterThan(0);
    const after = changed(before, values(trainer, /vision_tower/));
    expect(after.length).toBe(4 * 6); // B of six layers in each of four blocks; A gets no gradient while B is zero
    expect(after.every((name) => name.endsWith("lora_B.weight"))).toBe(true);
    trainer.update(1, batch, kinds);
    expect(
      changed(before, values(trainer, /vision_tower/)).filter((name) => name.endsWith("lora_A.weight")).length,
    ).toBe(4 * 6);
    batch.dispose();
    trainer.dispose();
  }, 900_000);

  test("starts with the scores of a frozen one, whose features were prepared", async () => {
    const frozen = world.config(small);
    const prepared = await world.session(frozen);
    const answers = [session, prepared].map((s) => {
      const trainer = world.trainer(s);
      const found = predict(trainer.parameters, s.config, s.cache, s.sentences("val"), s.tokenizer, {
        source: "gt",
        sentences: 3,
        maxNewTokens: 8,
      });
      trainer.dispose();
      return found;
    });
    const [own, other] = answers.map((list) => list.flatMap((a) => a.scores)) as [number[], number[]];
    expect(own.length).toBeGreaterThan(10);
    own.forEach((score, i) => expect(Math.abs(score - other[i]!)).toBeLessThan(1e-4));
    expect(session.cache.dims.pixels).toBe(true);
    expect(() => session.cache.scenes("val")[0]!.record.features(0)).toThrow("keep colours, not features");
    expect(() => prepared.cache.scenes("val")[0]!.record.pixels(0)).toThrow("keep features, not colours");
  }, 900_000);

  test("gives evaluation its features once a group, and leaves no tensor behind", () => {
    const trainer = world.trainer(session);
    const answer = (): void =>
      void predict(trainer.parameters, config, session.cache, session.sentences("val"), session.tokenizer, {
        source: "gt",
        maxNewTokens: 8,
      });
    answer();
    const held = tf.memory().numTensors;
    answer();
    expect(tf.memory().numTensors).toBe(held);
    trainer.dispose();
  }, 900_000);
});

test("without a view there is nothing to train in a tower", () => {
  const blind = world.config([...adapted, "data.blind=true"]);
  const plan = planTraining(
    describeModel(blind).map(({ name }) => name),
    trainRules(blind),
  );
  expect([...plan].filter(([name, p]) => name.includes("vision_tower") && p.training === "train")).toEqual([]);
});

test("Video-3D-LLM's way: the whole tower trains, and φ is added behind the pooling", async () => {
  const config = world.config([
    ...small,
    "lora.fullVision=true",
    "positions.coordinatesAt=pooled",
    "positions.rays=false",
  ]);
  const session = await world.session(config);
  const trainer = world.trainer(session);
  const { batch, kinds } = trainer.batch(0);
  // 4x4 cells of 28 pixels instead of 8x8 patches of 14
  expect(batch.inputs.patchVoxels.shape).toEqual([1, 2, 16, 3]);
  const before = values(trainer, /vision_tower/);
  trainer.update(0, batch, kinds);
  expect(changed(before, values(trainer, /vision_tower/)).length).toBe(before.size);
  const [scene] = session.cache.scenes("train");
  // a cell of 28 pixels has the mean of its four patches where all of them are measured
  const patches = (await world.session(world.config(small))).cache.scenes("train")[0]!;
  const known = patches.record.patchKnown(0),
    xyz = patches.record.patchXyz(0),
    cells = scene!.record.patchXyz(0);
  let compared = 0;
  for (let cell = 0; cell < 16; cell++) {
    const four = [0, 1, 8, 9].map((d) => Math.floor(cell / 4) * 16 + (cell % 4) * 2 + d);
    if (scene!.record.patchKnown(0)[cell] !== 1 || !four.every((p) => known[p] === 1)) continue;
    // depth holes weigh patches differently
    const mean = four.reduce((sum, p) => sum + xyz[3 * p]!, 0) / 4;
    expect(Math.abs(mean - cells[3 * cell]!)).toBeLessThan(0.1);
    compared++;
  }
  expect(compared).toBeGreaterThan(4);
  batch.dispose();
  trainer.dispose();
}, 900_000);

test("objects from the pooled grid are refused by name", async () => {
  const config = world.config([...small, "objects.features=patch27-pe"]);
  const session = await world.session(config);
  const trainer = world.trainer(session);
  expect(() => trainer.batch(0)).toThrow(
    "objects.features=patch27-pe: prepared scenes know which patches, not which pooled cells lie in a box; use " +
      "patch14-pe or patch14",
  );
  trainer.dispose();
}, 900_000);

describe("a frozen tower from a published checkpoint", () => {
  /** The tower of nano under SigLIP's own names, in a folder. */
  function siglip(name: string, change: (tensors: Map<string, TensorToWrite>) => void = () => {}): string {
    const path = join(world.folder, "..", name);
    const tensors = new Map<string, TensorToWrite>(
      [...readSafetensors(pretrainedFile("nano", "vision"))].map(([key, t]) => [
        key.replace("model.vision_tower.vision_tower.", ""),
        t,
      ]),
    );
    tensors.set("logit_scale", { shape: [1], data: Float32Array.of(1) });
    change(tensors);
    writeSafetensors(join(path, "model.safetensors"), tensors);
    return path;
  }
  const named = (path: string): S2Config => world.config([...small, `checkpoints=["${path}"]`]);

  test("prepares the features that the same numbers give elsewhere, and training starts from it", async () => {
    const [own, other] = [await world.session(world.config(small)), await world.session(named(siglip("siglip")))];
    expect(other.cache.folder).not.toBe(own.cache.folder);
    const [a, b] = [own, other].map(({ cache }) => cache.scenes("train")[0]!.record.features(1)) as [
      Float32Array,
      Float32Array,
    ];
    expect(
      Buffer.compare(
        Buffer.from(a.buffer, a.byteOffset, a.byteLength),
        Buffer.from(b.buffer, b.byteOffset, b.byteLength),
      ),
    ).toBe(0);
    const [x, y] = [own, other].map((s) => world.trainer(s));
    expect(changed(values(x!, /./), values(y!, /./))).toEqual([]);
    x!.dispose();
    y!.dispose();
  }, 900_000);

  test("other numbers are another tower; a folder that holds none, or another model's, is refused", () => {
    const first = "vision_model.encoder.layers.0.self_attn.q_proj.weight";
    const changedTower = siglip("changed", (t) => ((t.get(first) as { data: Float32Array }).data[0] = 9));
    expect(visionFingerprint(named(changedTower))).not.toBe(visionFingerprint(named(siglip("same"))));
    expect(visionFingerprint(named(siglip("again")))).toBe(visionFingerprint(named(siglip("same"))));
    const missing = siglip("missing", (t) => void t.delete(first));
    expect(() => loadTower(named(missing))).toThrow(
      `${missing}: does not fit the preset nano: missing: model.vision_tower.vision_tower.${first}`,
    );
    const none = siglip("none", (t) => {
      for (const key of [...t.keys()]) t.delete(key);
      t.set("image_newline", { shape: [3], data: new Float32Array(3) });
    });
    expect(() => loadTower(named(none))).toThrow("it belongs to another model");
    expect(() => visionFingerprint(named(join(world.folder, "nowhere")))).toThrow(
      "nowhere: is not there; checkpoints names the folders of LLaVA-Video, SigLIP or Fast3R weights and of adapters",
    );
  });

  test("a preset with neither says what to do", () => {
    const config = { ...world.config(small), preset: "none" };
    expect(() => requireTower(config)).toThrow(
      /preset "none" has no pretrained vision tower in data\/pretrained\/none; .* --set 'checkpoints=\["DIR"\]'/,
    );
  });
});

test("a step whose layers are computed again is the ordinary one, and its tensors do not grow", async () => {
  const config = world.config(adapted);
  const session = await world.session(config);
  const plain = world.trainer(session);
  const again = world.trainer({ ...session, config: world.config([...adapted, "training.recompute=true"]) });
  const { batch, kinds } = plain.batch(0);
  const [a, b] = [plain.update(0, batch, kinds), again.update(0, batch, kinds)];
  for (const key of ["total", "ground", "language", "anchor", "anchorAttention", "gradNorm"] as const)
    expect(Math.abs(a[key] - b[key]), key).toBeLessThan(1e-4 * Math.max(1, Math.abs(a[key])));
  expect([b.accuracy, b.byKind]).toEqual([a.accuracy, a.byKind]);
  again.update(1, batch, kinds);
  const held = tf.memory().numTensors;
  again.update(2, batch, kinds);
  expect(tf.memory().numTensors).toBe(held);
  batch.dispose();
  plain.dispose();
  again.dispose();
}, 900_000);

test("colours become -1 to 1", () => {
  const out = new Float32Array(4);
  normalisePixels(Uint8Array.of(0, 255, 51), out, 1);
  expect([...out]).toEqual([0, -1, 1, Math.fround(51 / 127.5 - 1)]);
});

describe("several batches an update", () => {
  const even = [...small, "training.sentences=3", "lossWeights.anchor=0", "lossWeights.anchorAttention=0"];

  test("two of one scene have the mean gradient of one of two scenes", async () => {
    const session = await world.session(world.config(even));
    const both = world.trainer({ ...session, config: world.config([...even, "training.scenes=2"]) });
    const each = world.trainer({ ...session, config: world.config([...even, "training.accumulate=2"]) });
    const items = both.scenes.map(({ scene, encoded, queries }) => ({
      scene,
      views: [0, 2],
      turns: 1,
      draw: 0.5,
      sentences: [0, 1, 2].map((s) => ({ ...encoded[s]!, positives: [queries[s]!.targetId] })),
    }));
    const kinds = ["a", "b", "a"];
    const whole = makeBatch(items, session.cache, both.sizes, both.prompt, both.config);
    const one = both.update(0, whole, [...kinds, ...kinds]);
    const two = each.updateBy(
      0,
      items.map((item) => () => ({
        batch: makeBatch([item], session.cache, each.sizes, each.prompt, each.config),
        kinds,
      })),
    );
    for (const key of ["total", "ground", "language", "gradNorm", "accuracy", "rate"] as const)
      expect(Math.abs(one[key] - two[key]), key).toBeLessThan(1e-5 * Math.max(1, Math.abs(one[key])));
    expect(two.byKind).toEqual(one.byKind);
    expect([both.optimizer.updates, each.optimizer.updates]).toEqual([1, 1]);
    // after one update a first moment is (1 - beta1) times the clipped gradient
    const moments = [both, each].map(
      (t) =>
        new Map(
          [...t.optimizer.state()].filter(([name]) => name.startsWith("m.")).map(([name, v]) => [name, v.dataSync()]),
        ),
    );
    let largest = 0,
      worst = 0;
    for (const [name, m] of moments[0]!) {
      const other = moments[1]!.get(name)!;
      for (let i = 0; i < m.length; i++) {
        largest = Math.max(largest, Math.abs(m[i]!));
        worst = Math.max(worst, Math.abs(m[i]! - other[i]!));
      }
    }
    expect(worst).toBeLessThan(1e-5 * largest);
    whole.dispose();
    both.dispose();
    each.dispose();
  }, 900_000);

  test("a step takes as many batches, each with scenes of its own, and its tensors do not grow", async () => {
    const config = world.config([...even, "training.accumulate=2"]);
    const session = await world.session(config);
    const trainer = world.trainer(session);
    const plain = world.trainer({ ...session, config: world.config(even) });
    const seen: string[] = [];
    const batch = trainer.batch.bind(trainer);
    trainer.batch = (n) => (seen.push(String(n)), batch(n));
    const first = trainer.step(0);
    trainer.step(1);
    const held = tf.memory().numTensors;
    for (let step = 2; step < 5; step++) expect(trainer.step(step).gradNorm).toBeGreaterThan(0);
    expect(tf.memory().numTensors).toBe(held);
    expect(seen).toEqual(Array.from({ length: 10 }, (_, i) => String(i)));
    expect(trainer.optimizer.updates).toBe(5);
    // the first of its two batches is the first batch of a run that takes one
    const alone = plain.step(0);
    expect(first.rate).toBe(alone.rate);
    expect(first.total).not.toBe(alone.total);
    plain.dispose();
    trainer.dispose();
  }, 900_000);

  test("one that is missing a gradient is named", async () => {
    const session = await world.session(world.config(even));
    const trainer = world.trainer(session);
    expect(() => trainer.optimizer.requireGradients({})).toThrow(
      /training: parameter "\S+" has no gradient in this configuration; freeze it by a training rule/,
    );
    trainer.dispose();
  }, 900_000);
});
