import type { Tensor } from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
import { attendSharedPrefix, attendSharedPrefixOpenly, causalBias, type SharedPrefix } from "../../lib/nn/attention";

beforeAll(() => chooseEngine({ engine: "ort-cpu" }));

const [B, H, Q, T, G, P, K] = [2, 2, 3, 4, 2, 5, 8];
const shapes = [
  [B, H, Q, T * G, K],
  [B, H, P, K],
  [B, H, P, K],
  [B, H, Q, T, K],
  [B, H, Q, T, K],
];
const partsOf = ([queries, prefixKeys, prefixValues, ownKeys, ownValues]: Tensor[]): SharedPrefix => ({
  queries: queries!,
  prefixKeys: prefixKeys!,
  prefixValues: prefixValues!,
  ownKeys: ownKeys!,
  ownValues: ownValues!,
});

test("attention that shows its weights mixes as the one that does not, with gradients", () => {
  const form = { scale: K ** -0.5, bias: causalBias(T, G) };
  const given = shapes.map((shape, i) => tf.randomNormal(shape, 0, 1, "float32", i + 1));
  const slope = tf.randomNormal(shapes[0]!, 0, 1, "float32", 9);
  const all = (mix: (parts: SharedPrefix) => Tensor): number[][] =>
    tf.tidy(() => {
      const { value, grads } = tf.valueAndGrads((...tensors: Tensor[]) => mix(partsOf(tensors)))(given, slope);
      return [value, ...grads].map((t) => [...t.dataSync()]);
    });
  const want = all((parts) => attendSharedPrefix(parts, form));
  all((parts) => attendSharedPrefixOpenly(parts, form).mixed).forEach((got, i) => {
    const off = Math.max(...got.map((x, k) => Math.abs(x - want[i]![k]!)));
    expect(off, `result ${i}`).toBeLessThan(5e-6);
    expect(Math.max(...want[i]!.map(Math.abs))).toBeGreaterThan(0.1);
  });
  const weights = tf.tidy(() => attendSharedPrefixOpenly(partsOf(given), form).weights);
  expect(weights.shape).toEqual([B, H, Q, T * G, P + T]);
  const sums = tf.tidy(() => [...weights.sum(-1).dataSync()]);
  expect(Math.max(...sums.map((s) => Math.abs(s - 1)))).toBeLessThan(1e-6);
  // the first token's rows see of their own sentence only themselves
  expect(
    tf.tidy(() => [...weights.slice([0, 0, 0, 0, P + 1], [B, H, Q, G, T - 1]).dataSync()]).every((w) => w === 0),
  ).toBe(true);
  tf.dispose([...given, slope, weights]);
});
