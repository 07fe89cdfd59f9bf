import { describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import fc from "../setup/fast-check";

const draws = (rng: Rng, n: number): number[] => Array.from({ length: n }, () => rng.next());

function moments(values: readonly number[]): { mean: number; variance: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, variance: values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length };
}

describe("streams", () => {
  test("the same seed and label give the same draws", () => {
    fc.assert(
      fc.property(fc.nat(), fc.string(), (seed, label) => {
        expect(draws(new Rng(seed, label), 8)).toEqual(draws(new Rng(seed, label), 8));
      }),
    );
  });

  test("another seed or another label gives other draws", () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        fc.pre(a !== b);
        expect(draws(new Rng(a), 4)).not.toEqual(draws(new Rng(b), 4));
      }),
    );
    expect(draws(new Rng(0, "init"), 4)).not.toEqual(draws(new Rng(0, "data"), 4));
    expect(draws(new Rng(2 ** 32), 4)).not.toEqual(draws(new Rng(0), 4)); // the bits above 32 count too
  });

  test("a fork does not depend on how much its parent has drawn, and leaves the parent alone", () => {
    const fresh = new Rng(7, "a");
    const used = new Rng(7, "a");
    draws(used, 100);
    expect(draws(fresh.fork("x"), 5)).toEqual(draws(used.fork("x"), 5));
    expect(draws(fresh, 5)).toEqual(draws(new Rng(7, "a"), 5));
  });

  test("forks of nested labels differ from one another and are uncorrelated", () => {
    const root = new Rng(3);
    const n = 4000;
    const a = draws(root.fork("a"), n);
    const b = draws(root.fork("b"), n);
    expect(draws(root.fork("a").fork("b"), 4)).not.toEqual(draws(root.fork("b").fork("a"), 4));
    const covariance = a.reduce((sum, value, i) => sum + (value - 0.5) * (b[i]! - 0.5), 0) / n;
    // standard error of the correlation of independent draws is 1/sqrt(4000) = 0.016; four of them
    expect(Math.abs(covariance * 12)).toBeLessThan(0.064);
  });

  test("restore goes on where state was taken", () => {
    const rng = new Rng(5, "train");
    draws(rng, 13);
    const state = rng.state();
    const rest = draws(rng, 6);
    const other = new Rng(99);
    other.restore(JSON.parse(JSON.stringify(state)) as typeof state);
    expect(draws(other, 6)).toEqual(rest);
  });
});

describe("distributions", () => {
  const n = 20_000;

  test("uniform: range, mean 1/2 and variance 1/12", () => {
    const values = draws(new Rng(1), n);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    const { mean, variance } = moments(values);
    expect(mean).toBeCloseTo(0.5, 2); // standard error 0.002
    expect(variance).toBeCloseTo(1 / 12, 2);
    const scaled = Array.from({ length: 1000 }, (_, i) => new Rng(i).uniform(-3, 2));
    expect(scaled.every((v) => v >= -3 && v < 2)).toBe(true);
  });

  test("normal: mean 0, variance 1, about 5% beyond 1.96", () => {
    const rng = new Rng(2);
    const values = Array.from({ length: n }, () => rng.normal());
    const { mean, variance } = moments(values);
    expect(Math.abs(mean)).toBeLessThan(0.03); // standard error 0.007
    expect(Math.abs(variance - 1)).toBeLessThan(0.04); // standard error 0.01
    expect(values.filter((v) => Math.abs(v) > 1.96).length / n).toBeCloseTo(0.05, 2);
  });

  test("int covers 0..n-1 evenly", () => {
    const rng = new Rng(4);
    const counts = new Array<number>(6).fill(0);
    for (let i = 0; i < n; i++) counts[rng.int(6)]!++;
    // chi-square with 5 degrees of freedom stays below 20.5 in 99.9% of cases
    expect(counts.reduce((sum, c) => sum + (c - n / 6) ** 2 / (n / 6), 0)).toBeLessThan(20.5);
  });

  test("weighted follows its weights and never takes weight 0", () => {
    const rng = new Rng(6);
    const taken = Array.from({ length: n }, () => rng.weighted(["a", "b", "c"], [1, 0, 3]));
    expect(taken.includes("b")).toBe(false);
    expect(taken.filter((t) => t === "c").length / n).toBeCloseTo(0.75, 1);
  });

  test("shuffle keeps the items, leaves its argument alone, and moves every position", () => {
    const items = Array.from({ length: 30 }, (_, i) => i);
    const shuffled = new Rng(8).shuffle(items);
    expect(items[0]).toBe(0);
    expect([...shuffled].sort((a, b) => a - b)).toEqual(items);
    const firsts = new Set(Array.from({ length: 300 }, (_, seed) => new Rng(seed).shuffle([0, 1, 2, 3])[0]));
    expect(firsts.size).toBe(4);
  });

  test("pick from nothing is an error that names the stream", () => {
    expect(() => new Rng(0, "rooms").pick([])).toThrow("Rng.pick (rooms): nothing to pick from");
    expect(["x", "y"]).toContain(new Rng(0).pick(["x", "y"]));
  });
});
