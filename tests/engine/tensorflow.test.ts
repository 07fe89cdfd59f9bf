import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { inProject } from "../../lib/core/root";
import { chooseEngine, type EngineName } from "../../lib/engine/choose";
import {
  GATHERS,
  NAN_MAY_GO,
  NAN_STAYS,
  numbersOf,
  OUTSIDE,
  OUTSIDE_COMPUTED,
  POOLS,
} from "../../lib/engine/ort/tests/agreement-cases";
import { expectClose, type Result, read } from "../../lib/engine/ort/tests/compare";
import { evaluateFused, FUSED_CASES } from "../../lib/engine/ort/tests/fused-cases";
import { evaluate, OP_CASES } from "../../lib/engine/ort/tests/op-cases";
import { adamw, sumSquares, tf } from "../../lib/engine/tf";
import { readGoldens } from "../../lib/parity/case";
import { runCase } from "../../lib/parity/run";
import { leaveOutTensorflow } from "./engines";

async function on(engine: EngineName, body: () => Result[]): Promise<Result[]> {
  await chooseEngine({ engine, threads: 1 });
  return tf.tidy(body as never) as never;
}

const goldens = inProject("tests", "fixtures", "goldens");

describe.skipIf(leaveOutTensorflow)("on tensorflow (left out where `engine install tensorflow` has not run)", () => {
  for (const [about, cases] of OP_CASES) {
    describe(about, () => {
      for (const c of cases) {
        it(c.name, async () => {
          const want = await on("cpu", () => read(evaluate(c)));
          expectClose(await on("tensorflow", () => read(evaluate(c))), want, c.tolerance ?? 1e-6, c.name);
        });
      }
    });
  }

  it.each(FUSED_CASES)("%s equals plain operations, with gradients", async (name, shapes, f) => {
    const run = (): Result[] => read(evaluateFused(shapes, f));
    expectClose(await on("tensorflow", run), await on("cpu", run), 2e-6, name);
  });

  it.each(readGoldens(goldens))("reference numbers of $file: every output and gradient", async (golden) => {
    await chooseEngine({ engine: "tensorflow" });
    expect(runCase(goldens, golden).failures).toEqual([]);
  });

  it.each(Object.entries({ ...NAN_STAYS, ...NAN_MAY_GO }))("NaN: %s", async (_, { f, want }) => {
    await chooseEngine({ engine: "tensorflow", threads: 1 });
    expect(numbersOf(f)).toEqual(want);
  });

  it.each(Object.entries(GATHERS))("%s", async (_, { f, want }) => {
    await chooseEngine({ engine: "tensorflow", threads: 1 });
    expect(numbersOf(f)).toEqual(want);
  });

  it.each(Object.entries(POOLS))("pooling: %s", async (_, f) => {
    await chooseEngine({ engine: "cpu", threads: 1 });
    const want = numbersOf(f);
    await chooseEngine({ engine: "tensorflow", threads: 1 });
    const got = numbersOf(f);
    expect(got.length).toBe(want.length);
    // averages are rounded otherwise
    want.forEach((x, i) => expect(got[i]).toBeCloseTo(x, 4));
  });

  it.each(Object.entries({ ...OUTSIDE, ...OUTSIDE_COMPUTED }))("refuses %s", async (_, f) => {
    await chooseEngine({ engine: "tensorflow", threads: 1 });
    expect(() => numbersOf(f)).toThrow(/index|indices/i);
  });

  it("AdamW by TensorFlow's own operation equals the plain one, and its inputs stay as they were", async () => {
    const numbers = (n: number, at: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(i + at));
    const run = (): Result[] => {
      const tensors: Tensor[] = [];
      // two updates of parameters of three shapes, two rates, with and without decay and clipping
      for (const update of [1, 2]) {
        const [correction1, correction2] = [tf.scalar(1 - 0.9 ** update), tf.scalar(1 - 0.999 ** update)];
        const [beta1, beta2, eps] = [tf.scalar(0.9), tf.scalar(0.999), tf.scalar(1e-8)];
        const rates = [tf.scalar(0.1), tf.scalar(0.02)];
        [[5], [3, 4], []].forEach((shape, i) => {
          const size = shape.reduce((n, d) => n * d, 1);
          const of = (at: number): Tensor => tf.tensor(numbers(size, at * update), shape);
          const [param, grad, m] = [of(1), of(2), of(3)] as [Tensor, Tensor, Tensor];
          const v = of(4).square();
          const scalars = { lr: rates[i % 2]!, beta1, beta2, eps, correction1, correction2 };
          for (const more of [{}, { weightDecay: tf.scalar(0.5) }, { gradScale: tf.scalar(0.3) }])
            tensors.push(...adamw(param, grad, m, v, { ...scalars, ...more }));
          tensors.push(param, grad, m, v, sumSquares(grad));
        });
      }
      return read(tensors);
    };
    expectClose(await on("tensorflow", run), await on("cpu", run), 1e-6, "AdamW");
  });

  it("windows over an image agree where tfjs reaches another height than width", async () => {
    // tfjs counts outputs of both axes by the filter's height: rows or columns stay that no window reaches
    const run = (): Result[] => {
      const x = tf.linspace(-1, 1, 2 * 9 * 12).reshape([1, 9, 12, 2]) as never;
      const filter = tf.linspace(-0.5, 0.5, 5 * 3 * 2 * 2).reshape([5, 3, 2, 2]) as never;
      const grads = tf.grads((a, f) => tf.sum(tf.square(tf.conv2d(a as Tensor4D, f as Tensor4D, 2, 1) as Tensor)));
      return read([tf.conv2d(x, filter, 2, 1), ...grads([x, filter])]);
    };
    expectClose(await on("tensorflow", run), await on("cpu", run), 2e-6, "uneven windows");
  });

  it("1,000 steps leave no tensor behind and no memory", { timeout: 300_000 }, async () => {
    await chooseEngine({ engine: "tensorflow", threads: 1 });
    const w = tf.variable(tf.zeros([64, 64]));
    const x = tf.randomNormal([32, 64], 0, 1, "float32", 3) as never;
    const adam = tf.train.adam(1e-3);
    const step = (): void => {
      tf.tidy(() =>
        adam
          .minimize(
            () =>
              tf
                .matMul(x, w as never)
                .sub(1)
                .square()
                .mean()
                .asScalar(),
            true,
          )!
          .dataSync(),
      );
    };
    const steps = (count: number): number => {
      for (let i = 0; i < count; i++) step();
      (globalThis as { gc?: () => void }).gc?.();
      return process.memoryUsage().rss / 2 ** 20;
    };
    const before = steps(200);
    const tensors = tf.memory().numTensors;
    const after = steps(1000);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(after - before).toBeLessThan(30);
  });
});
