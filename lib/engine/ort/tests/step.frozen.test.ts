import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { planeConv } from "../ops/plane-conv";
import { configureOrt, ortStats, resetOrtStats } from "../register";
import { freeze, RepeatedStep } from "../step";
import { tf } from "../tf";
import { expectClose, on, read } from "./compare";
import { use } from "./engines";

beforeEach(async () => {
  await use("ort-cpu");
  configureOrt({ sessionBytes: 0 });
  configureOrt({ sessionBytes: 2 ** 30 });
  resetOrtStats();
});

const made: Tensor[] = [];
const kept = <T extends Tensor>(tensor: T): T => {
  made.push(tensor);
  return tensor;
};
afterEach(() => tf.dispose(made.splice(0)));

const variable = (values: number[]): tf.Variable =>
  kept(tf.tidy(() => tf.variable(tf.tensor1d(values)))) as tf.Variable;
const times = (w: Tensor, x: number[]): number[] => [...tf.tidy(() => w.mul(tf.tensor1d(x)).dataSync())];

describe("frozen numbers", () => {
  it("are part of a program of their own, and give what they gave before", () => {
    const [a, b] = [variable([1, 2]), variable([5, 6])];
    expect(times(a, [3, 4])).toEqual([3, 8]);
    expect(times(b, [3, 4])).toEqual([15, 24]);
    expect(ortStats().graphsCompiled).toBe(1);
    freeze(a);
    expect(times(a, [3, 4])).toEqual([3, 8]);
    expect(times(a, [5, 6])).toEqual([5, 12]);
    expect(times(b, [3, 4])).toEqual([15, 24]);
    expect(ortStats().graphsCompiled).toBe(2);
    freeze(b);
    expect(times(b, [3, 4])).toEqual([15, 24]);
    expect(times(a, [3, 4])).toEqual([3, 8]);
    expect(ortStats().graphsCompiled).toBe(3);
  });

  it("leave with their programs", () => {
    const w = variable([1, 2]);
    freeze(w);
    times(w, [3, 4]);
    expect(ortStats().graphsCached).toBe(1);
    w.dispose();
    expect(ortStats().graphsCached).toBe(0);
  });

  it("stay inputs where they are many", () => {
    const w = kept(tf.zeros([2 ** 18 + 1]));
    w.dataSync();
    freeze(w);
    const sums = [1, 2].map((c) =>
      tf.tidy(
        () =>
          w
            .add(tf.ones([2 ** 18 + 1]).mul(c))
            .sum()
            .dataSync()[0],
      ),
    );
    expect(sums).toEqual([2 ** 18 + 1, 2 * (2 ** 18 + 1)]);
    const compiled = ortStats().graphsCompiled;
    const other = kept(tf.ones([2 ** 18 + 1]));
    other.dataSync();
    tf.tidy(() =>
      other
        .add(tf.ones([2 ** 18 + 1]).mul(1))
        .sum()
        .dataSync(),
    );
    // another tensor runs the same program
    expect(ortStats().graphsCompiled).toBe(compiled);
  });

  it("may be results as they are", () => {
    const w = variable([1, 2]);
    freeze(w);
    const [same, double] = tf.tidy(() => [tf.relu(w), w.mul(2)]) as [Tensor, Tensor];
    expect([...double.dataSync(), ...same.dataSync()]).toEqual([2, 4, 1, 2]);
    tf.dispose([same, double]);
  });

  it("of a repeated step may be assigned anew, also while something else holds the old ones", () => {
    const [w, state] = [variable([1, 2]), variable([0, 0])];
    freeze(w);
    const step = new RepeatedStep(({ x }) => {
      state.assign(state.add(w.mul(x!)));
      return state.sum();
    });
    const run = (): number => tf.tidy(() => step.run({ x: tf.tensor1d([1, 1]) })[0]!);
    expect([run(), run(), run()]).toEqual([3, 6, 9]);
    expect(ortStats().repeats).toBe(1);
    const held = kept(w.clone());
    tf.tidy(() => w.assign(tf.tensor1d([10, 20])));
    expect([run(), run(), run(), run()]).toEqual([39, 69, 99, 129]);
    expect([...held.dataSync()]).toEqual([1, 2]);
  });

  it("that a step is given are never taken for those of the next call", () => {
    const state = variable([0, 0]);
    const step = new RepeatedStep(({ x }) => {
      state.assign(state.add(x!));
      return state.sum();
    });
    const given = [
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
    ].map((x) => kept(tf.tensor1d(x)));
    given.forEach(freeze);
    expect(given.map((x) => step.run({ x })[0])).toEqual([2, 6, 12, 20]);
  });

  it("with a NaN among them are named as what brought it, in debug mode", () => {
    const w = variable([1, NaN]);
    freeze(w);
    configureOrt({ debug: true });
    const said = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    times(w, [3, 4]);
    const lines = said.mock.calls.map(([text]) => String(text)).join("");
    said.mockRestore();
    configureOrt({ debug: false });
    expect(lines).toMatch(
      /first NaN, op Multiply \[2\] recorded at .*frozen\.test\.ts:\d+ \(an input \[2\] had one already\)/,
    );
  });

  it("of a chain of convolutions give it another order of sums, not other results", async () => {
    const [x, ...filters] = await on("cpu", () =>
      [
        [2, 16, 9, 9],
        [16, 16, 3, 3],
        [8, 16, 3, 3],
        [16, 8, 3, 3],
      ].map((shape, i) => kept(tf.randomNormal(shape, 0, 0.3, "float32", i + 1))),
    );
    const chain = (frozen: boolean) => () => {
      if (frozen) filters.forEach(freeze);
      const f = (input: Tensor): Tensor =>
        filters.reduce((y, filter) => planeConv(y as Tensor4D, filter as Tensor4D, undefined).relu(), input);
      return read(tf.tidy(() => [f(x!), tf.grad((t: Tensor) => f(t).square().sum())(x!)]));
    };
    const want = await on("cpu", chain(false));
    expectClose(await on("ort-cpu", chain(false)), want, 2e-6, "as inputs");
    expectClose(await on("ort-cpu", chain(true)), want, 2e-6, "frozen");
  });
});
