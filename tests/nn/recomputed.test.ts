import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { S2Config } from "../../lib/config/schema";
import { planTraining } from "../../lib/core/parameters";
import { Rng } from "../../lib/core/rng";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
import { TensorFolder } from "../../lib/io/tensor-folder";
import type { ModelInputs, Targets } from "../../lib/model/inputs";
import { forward } from "../../lib/model/s2mllm";
import { gradientsWithin, RecomputedParameters } from "../../lib/nn/recomputed";
import type { ParameterSource } from "../../lib/nn/scope";
import { lossParts, totalLoss } from "../../lib/train/losses/total";
import { AdamW } from "../../lib/train/optimizer";
import { firstUpdate, streamedGradients } from "../../lib/train/streamed-step";
import { saveAdapter } from "../../lib/weights/adapter";
import { describeModel, trainRules } from "../../lib/weights/describe";
import { writeUpdate } from "../../lib/weights/tensor-file";
import { Weights } from "../../lib/weights/weights";
import { publish, publishedConfig } from "../model/published";
import { tinyBatch } from "../model/tiny";

// every module of the paper, adapters on tower and language model, one layer in full
const config = publishedConfig({
  lossWeights: { anchor: 0.5, anchorAttention: 0.5 },
  structure: { heads: 3, outputInit: "normal" },
});
const trainedOf = (of: S2Config): string[] =>
  [
    ...planTraining(
      describeModel(of).map(({ name }) => name),
      trainRules(of),
    ),
  ]
    .filter(([, p]) => p.training === "train")
    .map(([name]) => name);

// many small programs: slow where the cores are busy
vi.setConfig({ testTimeout: 900_000, hookTimeout: 900_000 });

let top: string;
let weights: Weights;
let inputs: ModelInputs, targets: Targets;
beforeAll(async () => {
  await chooseEngine({ threads: 1 });
  top = mkdtempSync(join(tmpdir(), "recomputed-"));
  const { llava, fast3r } = publish(top, config);
  // an adapter whose second half is not zero, so that its first half has a gradient
  const adapter = join(top, "adapter");
  saveAdapter(
    adapter,
    config,
    (name) => {
      const { shape } = describeModel(config).find((s) => s.name === name)!;
      const rng = new Rng(3, name);
      return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.2 * rng.normal());
    },
    "tiny",
  );
  weights = Weights.open([llava, fast3r, adapter], config);
  const batch = tinyBatch(5, { B: 2, Q: 2 });
  const { features: _, ...rest } = batch.inputs;
  const rng = new Rng(6);
  inputs = {
    ...rest,
    pixels: tf.tensor(
      Float32Array.from({ length: 2 * 2 * 16 * 16 * 3 }, () => rng.uniform(-1, 1)),
      [2, 2, 16, 16, 3],
    ),
  };
  const P = 2 + 2 * 2 * 3 + 1;
  targets = { ...batch.targets, anchorTextRows: tf.tensor1d([1, 5, 9, 13], "int32"), anchorTokens: tf.ones([4, P]) };
});
afterAll(() => {
  weights.close();
  rmSync(top, { recursive: true });
});

/** Loss and gradients by parameter name, with all weights in memory. */
function gradientsBy(
  source: (variables: Map<string, tf.Variable>, trained: string[]) => ParameterSource,
  of: S2Config,
  seed?: number,
): { loss: number; grads: Map<string, Float32Array> } {
  const variables = weights.load();
  const trained = trainedOf(of);
  const parameters = source(variables, trained);
  const { value, grads } = tf.variableGrads(
    () =>
      totalLoss(
        lossParts(
          parameters,
          forward(parameters, inputs, of, { training: true, ...(seed === undefined ? {} : { rng: new Rng(seed) }) }),
          inputs,
          targets,
          of,
        ),
        of.lossWeights,
      ),
    trained.map((name) => variables.get(name)!),
  );
  const out = {
    loss: value.dataSync()[0]!,
    grads: new Map(trained.map((name) => [name, Float32Array.from(grads[variables.get(name)!.name]!.dataSync())])),
  };
  tf.dispose([value, ...Object.values(grads), ...variables.values()]);
  return out;
}

function expectSame(
  a: { loss: number; grads: ReadonlyMap<string, Float32Array> },
  b: { loss: number; grads: ReadonlyMap<string, Float32Array> },
): void {
  expect(Math.abs(a.loss - b.loss)).toBeLessThan(1e-5 * Math.abs(a.loss));
  expect([...b.grads.keys()].sort()).toEqual([...a.grads.keys()].sort());
  for (const [name, wanted] of a.grads) {
    const got = b.grads.get(name)!;
    const scale = wanted.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    const worst = wanted.reduce((m, x, i) => Math.max(m, Math.abs(x - got[i]!)), 0);
    // float32 rounding: the runtime joins other operations when it sees other programs
    expect(worst, name).toBeLessThan(2e-5 * Math.max(scale, 1e-3));
  }
}

describe("activation checkpointing", () => {
  test("has the loss and the gradients of the ordinary pass, in every trained parameter", () => {
    const plain = gradientsBy((v) => v, config);
    expect(plain.grads.size).toBeGreaterThan(60);
    expect([...plain.grads].filter(([, g]) => g.every((x) => x === 0)).map(([name]) => name)).toEqual([]);
    expectSame(
      plain,
      gradientsBy((v, trained) => new RecomputedParameters(v, trained), config),
    );
  });

  test("drops the same numbers when a part runs again", () => {
    const noisy = publishedConfig({
      lossWeights: { anchor: 0.5, anchorAttention: 0 },
      structure: { heads: 3, outputInit: "normal", dropPath: 0.3 },
      lora: {
        vision: true,
        language: true,
        fullLayers: 1,
        rank: 2,
        dropout: 0.4,
        trainLmHead: false,
        trainNewline: false,
        trainFinalNorm: false,
      },
    });
    const plain = gradientsBy((v) => v, noisy, 11);
    expectSame(
      plain,
      gradientsBy((v, trained) => new RecomputedParameters(v, trained), noisy, 11),
    );
    // and other noise gives something else
    expect(gradientsBy((v) => v, noisy, 12).loss).not.toBeCloseTo(plain.loss, 6);
  });

  test("keeps fewer tensors on the way than the ordinary pass", () => {
    const most = (source: (v: Map<string, tf.Variable>, trained: string[]) => ParameterSource): number => {
      const variables = weights.load();
      const trained = trainedOf(config);
      const parameters = source(variables, trained);
      let held = 0;
      const { value, grads } = tf.variableGrads(
        () => {
          const parts = lossParts(
            parameters,
            forward(parameters, inputs, config, { training: true }),
            inputs,
            targets,
            config,
          );
          // what the tape holds when the pass turns round, without what the forward scope still has
          held = tf.engine().state.activeTape.reduce((n, node) => n + (node.saved?.length ?? 0), 0);
          return totalLoss(parts, config.lossWeights);
        },
        trained.map((name) => variables.get(name)!),
      );
      tf.dispose([value, ...Object.values(grads), ...variables.values()]);
      return held;
    };
    expect(most((v, trained) => new RecomputedParameters(v, trained))).toBeLessThan(0.7 * most((v) => v));
  });

  test("leaves nothing behind, and an outer pass goes on after an inner one", () => {
    const before = tf.memory().numTensors;
    const x = tf.tensor1d([1, 2, 3]);
    const cube = tf.customGrad((a, save) => {
      (save as (kept: tf.Tensor[]) => void)([a as tf.Tensor]);
      return {
        value: (a as tf.Tensor).pow(3),
        gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => gradientsWithin((b) => b!.mul(b!).mul(b!), saved, [], dy),
      };
    });
    const grad = tf.grad((y: tf.Tensor) => cube(y.mul(2)).sum())(x);
    expect([...grad.dataSync()]).toEqual([24, 96, 216]);
    // where nothing leads the gradient is zero
    const [dx, dz] = gradientsWithin((a) => a!.mul(2), [x], [grad], tf.ones([3]));
    expect([[...dx!.dataSync()], [...dz!.dataSync()]]).toEqual([
      [2, 2, 2],
      [0, 0, 0],
    ]);
    tf.dispose([x, grad, dx!, dz!]);
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 1); // the ones
  });
});

describe("a streamed training pass", () => {
  const streamed = publishedConfig({
    lossWeights: { anchor: 0.5, anchorAttention: 0 },
    structure: { heads: 3, outputInit: "normal", dropPath: 0 },
  });

  test("has the loss and the gradients of the ordinary one, with weights read twice from their files", () => {
    const plain = gradientsBy((v) => v, streamed);
    const parts: number[] = [];
    const step = streamedGradients(weights, inputs, targets, streamed, (bytes) => parts.push(bytes));
    expectSame(plain, { loss: step.loss, grads: step.gradients });
    let squares = 0;
    for (const g of plain.grads.values()) for (const x of g) squares += x * x;
    expect(Math.abs(step.norm / Math.sqrt(squares) - 1)).toBeLessThan(1e-4);
    expect(parts.length).toBeGreaterThan(10);
    const all = [...weights.specs.values()].reduce((n, { shape }) => n + 4 * shape.reduce((a, b) => a * b, 1), 0);
    expect(step.bytesRead).toBeGreaterThan(all);
    expect(step.bytesRead).toBeLessThan(2.5 * all);
  });

  test("its first update is AdamW's", () => {
    const step = streamedGradients(weights, inputs, targets, streamed);
    const folder = join(top, "update");
    const training = { ...streamed.training, clipNorm: step.norm / 2, weightDecay: 0.1, learningRate: 0.01 };
    writeUpdate(
      folder,
      [...step.gradients.keys()].map((name) => weights.specs.get(name)!),
      (name) => firstUpdate(name, weights, step, training, 0.01),
      4000,
    );
    const names = [...step.gradients.keys()];
    const variables = new Map(
      names.map((name) => [name, tf.variable(tf.tensor(weights.values(name), [...weights.specs.get(name)!.shape]))]),
    );
    const optimizer = new AdamW(variables, step.plan, training);
    const numbers = optimizer.begin(0.01);
    optimizer
      .apply(
        Object.fromEntries(
          names.map((name) => [name, tf.tensor(step.gradients.get(name)!, [...weights.specs.get(name)!.shape])]),
        ),
        numbers,
      )
      .dispose();
    const stored = TensorFolder.open(folder);
    expect(stored.tensors.size).toBe(3 * names.length);
    const state = optimizer.state();
    for (const name of names) {
      for (const [key, wanted] of [
        [name, variables.get(name)!],
        [`m.${name}`, state.get(`m.${name}`)!],
        [`v.${name}`, state.get(`v.${name}`)!],
      ] as const) {
        const got = stored.read(key).data as Float32Array;
        wanted
          .dataSync()
          .forEach((x: number, i: number) =>
            expect(Math.abs(x - got[i]!), key).toBeLessThan(1e-6 * Math.max(1, Math.abs(x))),
          );
      }
    }
    stored.close();
    optimizer.dispose();
    tf.dispose([...variables.values()]);
  });

  test("a trained parameter without a gradient is named", () => {
    const silent = publishedConfig({ lossWeights: { recon: 0.3, anchor: 0, anchorAttention: 0 } });
    const { reconRows: _r, reconImageIds: _i, ...rest } = inputs;
    expect(() => streamedGradients(weights, rest, targets, silent)).toThrow(
      'training: parameter "encoder_to_decoder_proj.weight" has no gradient in this configuration',
    );
  });
});
