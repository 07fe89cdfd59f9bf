import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { tf } from "../../lib/engine/tf";
import { dropout, linear, mergedWeight } from "../../lib/nn/linear";
import { Scope } from "../../lib/nn/scope";
import { expectTensorClose } from "../setup/tensors";

import { random, scopeOf } from "./gradients";

beforeAll(() => tf.setBackend("cpu"));

describe("linear", () => {
  const tensors = {
    weight: random([2, 3]),
    bias: random([2], 2),
    "lora_A.weight": random([1, 3], 3),
    "lora_B.weight": random([2, 1], 4),
  };

  test("the adapter equals the merged weight", () => {
    const p = scopeOf(tensors, 0.25);
    const x = random([4, 2, 3], 5);
    const merged = scopeOf({ weight: mergedWeight(p), bias: tensors.bias });
    expectTensorClose(linear(p, x), linear(merged, x));
    expect(linear(p, x).shape).toEqual([4, 2, 2]);
  });

  test("another width and a missing parameter are named", () => {
    const p = new Scope(new Map(Object.entries(tensors)).set("q.weight", tensors.weight));
    expect(() => linear(p.at("q"), tf.zeros([1, 4]))).toThrow("q.weight: input must be [..., 3], got [1, 4]");
    expect(() => linear(p.at("k"), tf.zeros([1, 3]))).toThrow('parameter "k.weight" is missing');
  });

  test("dropout keeps the mean, drops its share and is fixed by the seed", () => {
    const y = dropout(tf.ones([20000]), 0.25, new Rng(1));
    const values = y.dataSync();
    expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    // 20,000 draws: standard error 0.004
    expect(y.mean().dataSync()[0]).toBeCloseTo(1, 1);
    expectTensorClose(dropout(tf.ones([9]), 0.5, new Rng(7)), dropout(tf.ones([9]), 0.5, new Rng(7)));
  });
});
