import type { Scalar, Tensor, Tensor2D, Variable } from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { adamw } from "../../ops/adamw";
import { ortStats, resetOrtStats } from "../../register";
import { tf } from "../../tf";
import { worst } from "../compare";
import type { Engine } from "../engines";
import { use } from "../engines";
import { Random } from "../random";

// A causal language model small enough for tfjs' plain JavaScript backend: D width, H heads, L tokens, B texts, W
// words.
const [D, H, L, B, W, LAYERS] = [16, 2, 8, 2, 12, 2];

interface Run {
  readonly losses: number[];
  readonly weights: Record<string, number[]>;
  /** Tensors left behind. */
  readonly leaked: number;
}

function variable(values: Tensor): Variable {
  const made = tf.variable(values);
  values.dispose();
  return made;
}

function parameters(): Record<string, Variable> {
  const rng = new Random("training");
  const made: Record<string, Variable> = {};
  const add = (name: string, shape: number[], std: number, mean = 0): void => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => mean + std * rng.normal());
    made[name] = variable(tf.tensor(values, shape));
  };
  add("embedding", [W, D], 0.3);
  add("positions", [L, D], 0.3);
  for (let i = 0; i < LAYERS; i++) {
    for (const name of ["q", "k", "v", "o"]) add(`${i}.${name}`, [D, D], 0.2);
    add(`${i}.up`, [D, 2 * D], 0.2);
    add(`${i}.down`, [2 * D, D], 0.2);
    add(`${i}.scale`, [D], 0.1, 1);
    add(`${i}.shift`, [D], 0.1);
  }
  return made;
}

function loss(P: Record<string, Variable>, ids: Tensor, targets: Tensor, mask: Tensor): Scalar {
  const linear = (x: Tensor, name: string): Tensor => x.reshape([B * L, -1]).matMul(P[name] as Tensor as Tensor2D);
  let x: Tensor = tf.gather(P.embedding!, ids).add(P.positions!);
  for (let i = 0; i < LAYERS; i++) {
    const { mean, variance } = tf.moments(x, -1, true);
    const h = x.sub(mean).mul(variance.add(1e-5).rsqrt()).mul(P[`${i}.scale`]!).add(P[`${i}.shift`]!);
    const heads = (name: string): Tensor =>
      linear(h, `${i}.${name}`)
        .reshape([B, L, H, D / H])
        .transpose([0, 2, 1, 3]);
    const scores = tf
      .matMul(heads("q"), heads("k"), false, true)
      .mul(1 / Math.sqrt(D / H))
      .add(mask);
    const seen = tf.matMul(tf.softmax(scores), heads("v")).transpose([0, 2, 1, 3]);
    x = x.add(linear(seen, `${i}.o`).reshape([B, L, D]));
    const up = linear(x, `${i}.up`);
    x = x.add(linear(up.mul(tf.erf(up.mul(Math.SQRT1_2)).add(1)).mul(0.5), `${i}.down`).reshape([B, L, D]));
  }
  const logits = x.reshape([B * L, D]).matMul(P.embedding as Tensor as Tensor2D, false, true);
  return tf
    .oneHot(targets.flatten(), W)
    .mul(tf.logSoftmax(logits))
    .sum()
    .div(-B * L) as Scalar;
}

async function train(engine: Engine, steps: number): Promise<Run> {
  await use(engine);
  const before = tf.memory().numTensors;
  const P = parameters();
  const names = Object.keys(P);
  const M = Object.fromEntries(
    names.map((n) => [n, [variable(tf.zeros(P[n]!.shape)), variable(tf.zeros(P[n]!.shape))] as const]),
  );
  const rng = new Random("words");
  const words = (): Tensor =>
    tf.tensor2d(
      Int32Array.from({ length: B * L }, () => rng.int(W)),
      [B, L],
      "int32",
    );
  const [ids, targets] = [words(), words()];
  const mask = tf.tensor2d(
    Float32Array.from({ length: L * L }, (_, i) => (i % L > Math.floor(i / L) ? -Infinity : 0)),
    [L, L],
  );
  const losses: number[] = [];
  for (let t = 1; t <= steps; t++) {
    const { value, grads } = tf.variableGrads(() => loss(P, ids, targets, mask), Object.values(P));
    tf.tidy(() => {
      const s = tf.scalar;
      // a warm-up, so that every step has other scalars
      const scalars = {
        lr: s(1e-3 * t),
        beta1: s(0.9),
        beta2: s(0.99),
        eps: s(1e-8),
        weightDecay: s(0.1),
        correction1: s(1 - 0.9 ** t),
        correction2: s(1 - 0.99 ** t),
      };
      for (const n of names) {
        const [p, m, v] = adamw(P[n]!, grads[P[n]!.name]!, M[n]![0], M[n]![1], scalars);
        P[n]!.assign(p);
        M[n]![0].assign(m);
        M[n]![1].assign(v);
      }
    });
    losses.push(value.dataSync()[0]!);
    tf.dispose([value, grads as never]);
  }
  const weights = Object.fromEntries(names.map((n) => [n, Array.from(P[n]!.dataSync())]));
  for (const tensor of [...Object.values(P), ...Object.values(M).flat(), ids, targets, mask]) tensor.dispose();
  return { losses, weights, leaked: tf.memory().numTensors - before };
}

describe("training a small transformer", () => {
  it("gives the reference backend's losses and weights over 20 AdamW steps, compiled once", async () => {
    const want = await train("cpu", 20);
    resetOrtStats();
    const got = await train("ort-cpu", 20);
    expect(worst(got.losses, want.losses)).toBeLessThan(1e-5);
    // Adam divides by the gradient's size, so weights with tiny gradients amplify rounding.
    for (const name of Object.keys(want.weights))
      expect(worst(got.weights[name]!, want.weights[name]!), name).toBeLessThan(1e-4);
    expect(want.losses.at(-1)!).toBeLessThan(want.losses[0]! - 0.5);
    const stats = ortStats();
    expect(stats.fallbacks).toEqual({});
    expect(stats.graphsCompiled).toBe(1);
    expect(stats.runs).toBe(20);
    expect([want.leaked, got.leaked]).toEqual([0, 0]);
  });

  it("is the same to the last bit when run again", async () => {
    const [a, b] = [await train("ort-cpu", 3), await train("ort-cpu", 3)];
    expect(b).toEqual(a);
  });
});

describe("adamw", () => {
  // One step from zero moments: m' = (1-β₁)g, v' = (1-β₂)g², so the bias-corrected step is lr·g/(|g|+ε).
  it.each(["ort-cpu", "cpu"] as const)("takes the textbook first step on %s", async (engine) => {
    await use(engine);
    tf.tidy(() => {
      const s = tf.scalar;
      const scalars = {
        lr: s(0.1),
        beta1: s(0.9),
        beta2: s(0.999),
        eps: s(1e-8),
        weightDecay: s(0.5),
        correction1: s(1 - 0.9),
        correction2: s(1 - 0.999),
      };
      const [p, m, v] = adamw(tf.tensor1d([1, -2]), tf.tensor1d([0.5, -4]), tf.zeros([2]), tf.zeros([2]), scalars);
      expect(worst(Array.from(p.dataSync()), [1 * 0.95 - 0.1, -2 * 0.95 + 0.1])).toBeLessThan(1e-5);
      expect(worst(Array.from(m.dataSync()), [0.05, -0.4])).toBeLessThan(1e-6);
      expect(worst(Array.from(v.dataSync()), [0.00025, 0.016])).toBeLessThan(1e-6);
    });
  });
});

describe("adamw's options", () => {
  it.each(["ort-cpu", "cpu"] as const)(
    "on %s: a scaled gradient is that gradient, no decay is a decay of 0",
    async (engine) => {
      await use(engine);
      tf.tidy(() => {
        const s = tf.scalar;
        const scalars = {
          lr: s(0.1),
          beta1: s(0.9),
          beta2: s(0.98),
          eps: s(1e-4),
          correction1: s(0.19),
          correction2: s(0.0396),
        };
        const [param, grad, first, second] = [
          [1, -2, 3],
          [0.5, -4, 0],
          [0.1, 0.2, -0.3],
          [0.4, 0.5, 0.6],
        ].map((x) => tf.tensor1d(x));
        const short = adamw(param!, grad!, first!, second!, { ...scalars, gradScale: s(0.25) });
        const long = adamw(param!, grad!.mul(0.25), first!, second!, { ...scalars, weightDecay: s(0) });
        short.forEach((t, i) =>
          expect(worst(Array.from(t.dataSync()), Array.from(long[i]!.dataSync()))).toBeLessThan(1e-6),
        );
      });
    },
  );
});

describe("several threads", () => {
  it("add rows with the same id without losing any", async () => {
    const { configureOrt } = await import("../../register");
    await use("ort-cpu");
    configureOrt({ threads: 2 });
    const [count, width, rows] = [4000, 64, 300];
    const ids = Int32Array.from({ length: count }, (_, i) => (i * 7) % 5);
    tf.tidy(() => {
      for (const n of [rows, 5]) {
        const sums = Array.from(
          tf.unsortedSegmentSum(tf.ones([count, width]), tf.tensor1d(ids, "int32"), n).dataSync(),
        );
        for (let r = 0; r < 5; r++) expect(sums[r * width]).toBe(count / 5);
        expect(sums.reduce((a, b) => a + b, 0)).toBe(count * width);
      }
    });
    configureOrt({ threads: 1 });
  });
});
