import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { ortStats, resetOrtStats } from "../register";
import { RepeatedStep } from "../step";
import { tf } from "../tf";
import { use } from "./engines";

beforeAll(() => use("ort-cpu"));

const made: tf.Variable[] = [];
const variable = (values: number[]): tf.Variable => {
  const start = tf.tensor1d(values);
  const v = tf.variable(start);
  start.dispose();
  made.push(v);
  return v;
};
afterEach(() => tf.dispose(made.splice(0)));

/** One step of gradient descent on Σ (w·x − y)²; gives the loss. */
function descent(w: tf.Variable): RepeatedStep {
  return new RepeatedStep(({ x, y, rate }) => {
    const { value, grads } = tf.variableGrads(() => tf.sum(tf.square(tf.sub(tf.mul(w, x!), y!))).asScalar(), [w]);
    w.assign(tf.sub(w, tf.mul(rate!, grads[w.name]!)));
    return value;
  });
}

function inputs(i: number): { x: tf.Tensor; y: tf.Tensor; rate: tf.Tensor } {
  return { x: tf.tensor1d([1, 2 + i, -1]), y: tf.tensor1d([i, 1, 2]), rate: tf.scalar(0.01 / (i + 1)) };
}

describe("a repeated step", () => {
  it("is recorded twice, then repeated, and computes what plain arithmetic does", () => {
    const w = variable([0.5, -0.25, 1]);
    const step = descent(w);
    const own = [0.5, -0.25, 1];
    resetOrtStats();
    for (let i = 0; i < 8; i++) {
      const given = inputs(i);
      const [loss] = step.run(given);
      tf.dispose(given);
      const x = [1, 2 + i, -1],
        y = [i, 1, 2];
      const error = own.map((v, k) => v * x[k]! - y[k]!);
      expect(loss).toBeCloseTo(
        error.reduce((sum, e) => sum + e * e, 0),
        4,
      );
      error.forEach((e, k) => {
        own[k]! -= (0.01 / (i + 1)) * 2 * e * x[k]!;
      });
      expect([...w.dataSync()]).toEqual(own.map((v) => expect.closeTo(v, 4) as number));
    }
    expect(ortStats().repeats).toBe(6);
  });

  it("leaves a clone of a variable as it was", () => {
    const w = variable([1, 2, 3]);
    const step = descent(w);
    for (let i = 0; i < 3; i++) step.run(inputs(0));
    const clone = w.clone();
    const before = [...clone.dataSync()];
    step.run(inputs(0));
    expect([...clone.dataSync()]).toEqual(before);
    expect([...w.dataSync()]).not.toEqual(before);
  });

  it("traces anew for other shapes, a variable assigned from outside, and after the graphs are dropped", async () => {
    const w = variable([1]);
    const step = new RepeatedStep(({ x }) => {
      w.assign(tf.add(w, 1));
      return tf.mul(w, x!);
    });
    const run = (...x: number[]): number[] => [...step.run({ x: tf.tensor1d(x) })];
    expect([run(1), run(2), run(3)]).toEqual([[2], [6], [12]]);
    expect(run(1, 10)).toEqual([5, 50]);
    w.assign(tf.tensor1d([100]));
    expect(run(2)).toEqual([202]);
    const { configureOrt } = await import("../register");
    configureOrt({ debug: true });
    configureOrt({ debug: false });
    expect(run(2)).toEqual([204]);
  });

  it("that fails leaves variables as they were, recorded or repeated", () => {
    const w = variable([1, 2, 3]);
    const step = new RepeatedStep(({ at }) => {
      w.assign(tf.add(w, 1));
      return tf.gather(w, at!);
    });
    const run = (at: number): number[] => [...step.run({ at: tf.tensor1d([at], "int32") })];
    const before = tf.memory().numTensors;
    expect(() => run(7)).toThrow("out of data bounds");
    expect([...w.dataSync()]).toEqual([1, 2, 3]);
    for (let i = 1; i < 5; i++) expect(run(0)).toEqual([1 + i]);
    expect(() => run(7)).toThrow("out of data bounds");
    expect([...w.dataSync()]).toEqual([5, 6, 7]);
    expect(run(1)).toEqual([7]);
    expect(tf.memory().numTensors - before).toBe(7); // the inputs alone
  });

  it("never takes one input for another that once had the same numbers in the same place", () => {
    const step = new RepeatedStep(({ a, b }) => tf.add(tf.mul(a!, 10), b!));
    const shared = tf.tensor1d([1, 2]);
    for (let i = 0; i < 3; i++) expect([...step.run({ a: shared, b: shared.reshape([2]) })]).toEqual([11, 22]);
    expect([...step.run({ a: tf.tensor1d([1, 2]), b: tf.tensor1d([3, 4]) })]).toEqual([13, 24]);
    const w = variable([5, 6]);
    const scaled = new RepeatedStep(({ a }) => tf.add(tf.mul(w, 10), a!));
    for (let i = 0; i < 3; i++) expect([...scaled.run({ a: w.clone() })]).toEqual([55, 66]);
    expect([...scaled.run({ a: tf.tensor1d([0, 1]) })]).toEqual([50, 61]);
  });

  it("assigns variables what is not computed: an input, and one result to two of them", () => {
    const v = variable([0]),
      w = variable([0]),
      u = variable([0]);
    const step = new RepeatedStep(({ x }) => {
      v.assign(x!);
      const twice = tf.mul(x!, 2);
      w.assign(twice);
      u.assign(twice);
      return tf.add(x!, 1);
    });
    for (let i = 1; i < 6; i++) {
      expect([...step.run({ x: tf.tensor1d([i]) })]).toEqual([i + 1]);
      expect([v, w, u].map((t) => t.dataSync()[0])).toEqual([i, 2 * i, 2 * i]);
    }
  });

  it("goes on recording a body that is not the same every time", () => {
    let calls = 0;
    const step = new RepeatedStep(({ x }) => tf.add(x!, tf.scalar(calls++)));
    for (let i = 0; i < 7; i++) expect([...step.run({ x: tf.scalar(10) })]).toEqual([10 + i]);
    expect(calls).toBe(7);
  });

  it("keeps neither tensors nor data", () => {
    const w = variable([0.5, -0.25, 1]);
    const step = descent(w);
    const once = (): void => {
      const given = inputs(1);
      step.run(given);
      tf.dispose(given);
    };
    for (let i = 0; i < 3; i++) once();
    const before = tf.memory();
    for (let i = 0; i < 20; i++) once();
    expect(tf.memory()).toMatchObject({
      numTensors: before.numTensors,
      numDataBuffers: before.numDataBuffers,
      numBytes: before.numBytes,
    });
  });
});
