import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { patchPoints } from "../../lib/eval/encoded-scene";
import { applyLinear, type LinearMap, probePointmaps, RidgeSums } from "../../lib/eval/pointmap-probe";
import { transformPoints } from "../../lib/geometry/rigid";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

/** Ridge regression by coordinate descent until nothing moves: no matrix is solved. */
function byDescent(xs: readonly number[][], ys: readonly number[][], lambda: number): LinearMap {
  const [n, D, K] = [xs.length, xs[0]!.length, ys[0]!.length];
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const mx = Array.from({ length: D }, (_, i) => mean(xs.map((x) => x[i]!)));
  const my = Array.from({ length: K }, (_, k) => mean(ys.map((y) => y[k]!)));
  const variance = mx.map((m, i) => mean(xs.map((x) => (x[i]! - m) ** 2)));
  const weights = ys[0]!.map((_, k) => {
    const w = new Float64Array(D);
    const left = ys.map((y) => y[k]! - my[k]!);
    for (let round = 0; round < 5000; round++) {
      let moved = 0;
      for (let i = 0; i < D; i++) {
        let slope = 0;
        for (let row = 0; row < n; row++) slope += ((xs[row]![i]! - mx[i]!) * left[row]!) / n;
        // derivative of the mean square plus λ s² w²
        const step = (slope - lambda * variance[i]! * w[i]!) / (variance[i]! * (1 + lambda));
        w[i]! += step;
        for (let row = 0; row < n; row++) left[row]! -= step * (xs[row]![i]! - mx[i]!);
        moved = Math.max(moved, Math.abs(step));
      }
      if (moved < 1e-13) break;
    }
    return w;
  });
  return {
    weights,
    intercept: Float64Array.from(my, (m, k) => m - weights[k]!.reduce((s, w, i) => s + w * mx[i]!, 0)),
  };
}

describe("ridge regression in closed form", () => {
  const rng = new Rng(5, "ridge");
  // inputs of very different units, two of them nearly the same
  const xs = Array.from({ length: 60 }, () => {
    const [a, b, c] = [rng.normal(), rng.normal(), rng.normal()];
    return [a, 100 * b + 7, 0.01 * c, a + 0.1 * rng.normal()];
  });
  const ys = xs.map(([a, b, c, d]) => [a! - 0.02 * b! + rng.normal(), 50 * c! + d! + 3, rng.normal()]);
  const closed = (lambda: number): LinearMap => {
    const sums = new RidgeSums(4, 3);
    xs.forEach((x, i) => sums.add(x, ys[i]!));
    return sums.solve(lambda);
  };

  test.each([1e-3, 0.3, 10])("with λ %d it is what coordinate descent ends at", (lambda) => {
    const [a, b] = [closed(lambda), byDescent(xs, ys, lambda)];
    for (let k = 0; k < 3; k++) {
      expect(a.intercept[k]).toBeCloseTo(b.intercept[k]!, 8);
      a.weights[k]!.forEach((w, i) =>
        expect(w * [1, 100, 0.01, 1][i]!).toBeCloseTo(b.weights[k]![i]! * [1, 100, 0.01, 1][i]!, 8),
      );
    }
  });

  test("a large λ leaves the mean alone; an input that never changes has no say", () => {
    const sums = new RidgeSums(2, 1);
    for (const x of [1, 2, 3]) sums.add([x, 5], [2 * x]);
    expect(applyLinear(sums.solve(1e9), [100, 5])[0]).toBeCloseTo(4, 5);
    const map = sums.solve(1e-9);
    expect(map.weights[0]![1]).toBe(0);
    expect(applyLinear(map, [10, 5])[0]).toBeCloseTo(20, 5);
  });
});

describe("on rooms", () => {
  let world: TinyWorld;
  beforeAll(async () => {
    world = await tinyWorld(611, { trainRooms: 6, testRooms: 2 });
  }, 300_000);
  afterAll(() => world.remove());
  const small = ["reconstruction.enabled=false", "lossWeights.recon=0", "language.layers=1", "lora.fullLayers=1"];

  test("a patch's point is where the world coordinates that φ gets say, seen from the camera", async () => {
    const config = world.config(small);
    const { cache } = await world.session(config);
    const [scene] = cache.scenes("val");
    const { points, measured } = patchPoints(scene!, [1, 3], cache, config);
    const { record } = scene!;
    const { N } = cache.dims;
    let off = 0,
      seen = 0;
    [1, 3].forEach((view, v) => {
      const world_ = transformPoints(record.camera(view).pose, points.subarray(v * N * 3, (v + 1) * N * 3));
      const known = record.patchKnown(view);
      const xyz = record.patchXyz(view);
      for (let n = 0; n < N; n++) {
        if (known[n] === 0 || measured[v * N + n]! < 0.9) continue;
        seen++;
        off += Math.hypot(...[0, 1, 2].map((axis) => world_[3 * n + axis]! - xyz[3 * n + axis]!));
      }
    });
    expect(seen).toBeGreaterThan(N);
    // the pointmap samples 64 of a patch's 196 pixels
    expect(off / seen).toBeLessThan(0.03);
  }, 300_000);

  test("features of pictures tell where patches of other rooms lie; without rooms it is refused", async () => {
    const session = await world.session(world.config(small));
    const trainer = world.trainer(session);
    const probe = probePointmaps(trainer.parameters, session.config, session.cache, { fit: 6, test: 2 });
    expect([probe.fitRooms, probe.testRooms]).toEqual([6, 2]);
    expect(probe.patches).toBeGreaterThan(200);
    // six rooms to fit on: pictures say a little more than the place of a patch does
    expect(probe.r2).toBeGreaterThan(0);
    expect(probe.r2).toBeLessThan(1);
    // rooms of 4 to 5.4 m: neither is far off, and neither is exact
    for (const error of [probe.meanError, probe.guessError]) expect(Math.abs(error - 0.75)).toBeLessThan(0.7);
    expect(() => probePointmaps(trainer.parameters, session.config, session.cache, { fit: 0, test: 2 })).toThrow(
      "a probe is fitted on training rooms and tested on others; it has 0 and 2",
    );
    trainer.dispose();
  }, 300_000);
});
