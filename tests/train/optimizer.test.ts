import { beforeAll, describe, expect, test } from "vitest";
import { TrainingConfig } from "../../lib/config/schema";
import type { PlannedParameter } from "../../lib/core/parameters";
import { Rng } from "../../lib/core/rng";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
import { AdamW } from "../../lib/train/optimizer";
import { difference } from "../setup/tensors";

const config = TrainingConfig.parse({
  steps: 10,
  scenes: 1,
  sentences: 1,
  learningRate: 0.05,
  beta1: 0.9,
  beta2: 0.98,
  weightDecay: 0.1,
  clipNorm: 1.5,
});
const shapes: Record<string, number[]> = { matrix: [3, 4], bias: [4], slow: [2, 2] };
const plan = new Map<string, PlannedParameter>(
  Object.keys(shapes).map((name) => [name, { training: "train", label: "", rate: name === "slow" ? 0.1 : 1 }]),
);

beforeAll(async () => {
  await chooseEngine({ threads: 1 });
});

const values = (rng: Rng, name: string, scale: number): number[] =>
  Array.from({ length: shapes[name]!.reduce((a, b) => a * b, 1) }, () => Math.fround(scale * rng.normal()));

function variables(): Map<string, tf.Variable> {
  const rng = new Rng(0, "start");
  return new Map(
    Object.keys(shapes).map((name) => [name, tf.variable(tf.tensor(values(rng, name, 1), shapes[name]!))]),
  );
}

/** Gradients of a step; their norm is now above and now below the clipping norm. */
function gradients(step: number): Record<string, number[]> {
  const rng = new Rng(step, "gradients");
  return Object.fromEntries(Object.keys(shapes).map((name) => [name, values(rng, name, step % 2 === 0 ? 2 : 0.05)]));
}

function apply(optimizer: AdamW, step: number, rate: number): number {
  return tf.tidy(() => {
    const grads = Object.fromEntries(
      Object.entries(gradients(step)).map(([name, g]) => [name, tf.tensor(g, shapes[name]!)]),
    );
    return optimizer.apply(grads, optimizer.begin(rate)).dataSync()[0]!;
  });
}

describe("AdamW", () => {
  test("ten steps agree with the formulas in float64: decay, clipping, own rates", () => {
    const own = variables();
    const optimizer = new AdamW(own, plan, config);
    const x = new Map([...own].map(([name, v]) => [name, Float64Array.from(v.dataSync())]));
    const m = new Map([...x].map(([name, v]) => [name, new Float64Array(v.length)]));
    const s = new Map([...x].map(([name, v]) => [name, new Float64Array(v.length)]));
    const clipped: boolean[] = [];
    for (let t = 1; t <= 10; t++) {
      const rate = 0.05 / t;
      const norm = apply(optimizer, t, rate);
      const grads = gradients(t);
      const length = Math.sqrt(
        Object.values(grads)
          .flat()
          .reduce((sum, g) => sum + g * g, 0),
      );
      expect(Math.abs(norm / length - 1)).toBeLessThan(1e-6);
      clipped.push(length > 1.5);
      for (const [name, weights] of x) {
        const lr = rate * (name === "slow" ? 0.1 : 1);
        const decay = name === "bias" ? 0 : 0.1;
        weights.forEach((w, i) => {
          const g = grads[name]![i]! * Math.min(1, 1.5 / length);
          m.get(name)![i] = 0.9 * m.get(name)![i]! + 0.1 * g;
          s.get(name)![i] = 0.98 * s.get(name)![i]! + 0.02 * g * g;
          const step = m.get(name)![i]! / (1 - 0.9 ** t) / (Math.sqrt(s.get(name)![i]! / (1 - 0.98 ** t)) + 1e-8);
          weights[i] = w - lr * decay * w - lr * step;
        });
      }
    }
    expect(new Set(clipped)).toEqual(new Set([true, false]));
    for (const [name, weights] of x)
      expect([name, difference(own.get(name)!, weights, { rtol: 2e-5, atol: 2e-6 })]).toEqual([name, undefined]);
    expect(optimizer.updates).toBe(10);
    optimizer.dispose();
  });

  test("a state that is put back goes on to the bit", () => {
    const a = variables(),
      b = variables();
    const one = new AdamW(a, plan, config),
      two = new AdamW(b, plan, config);
    for (let t = 1; t <= 3; t++) apply(one, t, 0.01);
    two.restore(one.state(), one.updates);
    for (const [name, v] of a) b.get(name)!.assign(v);
    for (const optimizer of [one, two]) for (let t = 4; t <= 6; t++) apply(optimizer, t, 0.01);
    for (const [name, v] of a) expect(Array.from(b.get(name)!.dataSync())).toEqual(Array.from(v.dataSync()));
    expect([...one.state().keys()]).toEqual(["m.matrix", "v.matrix", "m.bias", "v.bias", "m.slow", "v.slow"]);
  });

  test("a gradient or a state that is missing is named", () => {
    const optimizer = new AdamW(variables(), plan, config);
    expect(() => optimizer.apply({ matrix: tf.zeros([3, 4]), slow: tf.zeros([2, 2]) }, optimizer.begin(0.01))).toThrow(
      'parameter "bias" has no gradient in this configuration; freeze it by a training rule',
    );
    const state = optimizer.state();
    state.delete("v.slow");
    expect(() => optimizer.restore(state, 1)).toThrow(
      'optimizer state lacks "v.slow"; the checkpoint belongs to another configuration',
    );
  });

  test("gradients of 0 move nothing but decaying weights", () => {
    const own = variables();
    const before = own.get("bias")!.dataSync().slice();
    const optimizer = new AdamW(own, plan, config);
    tf.tidy(() =>
      optimizer.apply(
        Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, tf.zeros(shape)])),
        optimizer.begin(0.01),
      ),
    );
    expect(own.get("bias")!.dataSync()).toEqual(before);
    expect(own.get("matrix")!.dataSync().every(Number.isFinite)).toBe(true);
  });
});
