import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { tf } from "../../lib/engine/tf";
import { initParameters } from "../../lib/model/initialise";
import type { ModelInputs } from "../../lib/model/inputs";
import { forward } from "../../lib/model/s2mllm";
import { lossParts, totalLoss } from "../../lib/train/losses/total";
import { describeModel } from "../../lib/weights/describe";
import { tinyBatch, tinyConfig } from "./tiny";

beforeAll(() => tf.setBackend("cpu"));

function closeTo(a: tf.Tensor, b: tf.Tensor, tolerance: number): void {
  expect(a.shape).toEqual(b.shape);
  const scale = b.abs().max().dataSync()[0]!;
  expect(a.sub(b).abs().max().dataSync()[0]! / Math.max(scale, 1e-8)).toBeLessThan(tolerance);
}

/** The same batch with sentence q alone. */
function onlySentence(inputs: ModelInputs, q: number): ModelInputs {
  const [B, , T] = inputs.text.shape;
  const P = inputs.before.length + 12 + inputs.after.length;
  return {
    ...inputs,
    text: inputs.text.slice([0, q, 0], [B, 1, T]),
    groundRows: tf.tensor1d(
      Array.from({ length: B }, (_, b) => b * (P + T) + P + T - 1),
      "int32",
    ),
  };
}

describe("forward", () => {
  test("sentences that share a prefix score as if each stood alone, gradients included", () => {
    const config = tinyConfig();
    const parameters = initParameters(describeModel(config), new Rng(3));
    const { inputs } = tinyBatch(1);
    const [B, Q] = inputs.text.shape;
    const weight = tf.randomNormal([B, Q, 4], 0, 1, "float32", 5) as tf.Tensor3D;
    const shared = tf.variableGrads(() => forward(parameters, inputs, config).scores.mul(weight).sum().asScalar());
    const alone = tf.variableGrads(() => {
      const each = Array.from({ length: Q }, (_, q) => forward(parameters, onlySentence(inputs, q), config).scores);
      return tf.concat(each, 1).mul(weight).sum().asScalar();
    });
    closeTo(shared.value, alone.value, 1e-4);
    const scale = Math.max(...Object.values(alone.grads).map((g) => g.abs().max().dataSync()[0]!));
    for (const [name, grad] of Object.entries(alone.grads)) {
      const worst = grad.sub(shared.grads[name]!).abs().max().dataSync()[0]!;
      expect(worst / scale, name).toBeLessThan(2e-5);
    }
  });

  test("every parameter that can train gets a finite gradient from the total loss", () => {
    const config = tinyConfig();
    const specs = describeModel(config);
    const parameters = initParameters(specs, new Rng(3));
    const { inputs, targets } = tinyBatch(2);
    const { value, grads } = tf.variableGrads(() => {
      const outputs = forward(parameters, inputs, config, { training: true, rng: new Rng(1) });
      return totalLoss(lossParts(parameters, outputs, inputs, targets, config), config.lossWeights);
    });
    expect(Number.isFinite(value.dataSync()[0])).toBe(true);
    const names = new Map([...parameters].map(([name, v]) => [v.name, name]));
    const reached = Object.entries(grads).map(([id, grad]) => {
      expect(grad.isFinite().all().dataSync()[0], names.get(id)).toBe(1);
      return names.get(id)!;
    });
    // the tower is bypassed by cached features, its gradient is zero; all else must be reached
    for (const { name } of specs) {
      if (name.startsWith("model.vision_tower")) continue;
      expect(reached, name).toContain(name);
    }
  });

  test("a pass leaves no tensor behind", () => {
    const config = tinyConfig();
    const parameters = initParameters(describeModel(config), new Rng(3));
    const { inputs } = tinyBatch(1);
    const pass = (): void => tf.tidy(() => void forward(parameters, inputs, config, { intermediates: "all" }));
    pass();
    const before = tf.memory().numTensors;
    pass();
    expect(tf.memory().numTensors).toBe(before);
  });
});
