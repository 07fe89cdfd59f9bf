import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { tf } from "../../lib/engine/tf";
import { initParameters } from "../../lib/model/initialise";
import { type LayerCache, languageModel, languageParameters, type SequenceLayout } from "../../lib/model/language";
import { Scope } from "../../lib/nn/scope";
import { expectTensorClose } from "../setup/tensors";
import { tinyConfig } from "./tiny";

beforeAll(() => tf.setBackend("cpu"));

type Rows = number[][];

/** Qwen2 in plain float64 loops, one sequence, written from the formulas and sharing no code with the model. */
function reference(
  weights: Map<string, Float32Array>,
  x: Rows,
  positions: number[],
  allowed: (i: number, j: number) => boolean,
  sizes: {
    D: number;
    M: number;
    heads: number;
    kv: number;
    layers: number;
    theta: number;
    eps: number;
  },
): Rows {
  const { D, M, heads, kv, layers, theta, eps } = sizes;
  const K = D / heads;
  const w = (name: string): Float32Array => weights.get(name)!;
  const times = (rows: Rows, name: string, out: number): Rows =>
    rows.map((row) =>
      Array.from({ length: out }, (_, o) => {
        let sum = weights.has(`${name}.bias`) ? w(`${name}.bias`)[o]! : 0;
        row.forEach((v, i) => (sum += v * w(`${name}.weight`)[o * row.length + i]!));
        return sum;
      }),
    );
  const norm = (rows: Rows, name: string): Rows =>
    rows.map((row) => {
      const r = 1 / Math.sqrt(row.reduce((s, v) => s + v * v, 0) / D + eps);
      return row.map((v, i) => v * r * w(`${name}.weight`)[i]!);
    });
  const turned = (head: number[], position: number): number[] =>
    head.map((v, i) => {
      const k = i % (K / 2);
      const angle = position * theta ** ((-2 * k) / K);
      return i < K / 2
        ? v * Math.cos(angle) - head[i + K / 2]! * Math.sin(angle)
        : v * Math.cos(angle) + head[i - K / 2]! * Math.sin(angle);
    });
  let h = x;
  for (let layer = 0; layer < layers; layer++) {
    const at = `model.layers.${layer}`;
    const n = norm(h, `${at}.input_layernorm`);
    const [q, k, v] = [
      times(n, `${at}.self_attn.q_proj`, D),
      times(n, `${at}.self_attn.k_proj`, kv * K),
      times(n, `${at}.self_attn.v_proj`, kv * K),
    ];
    const mixed = h.map((_, i) =>
      Array.from({ length: heads }, (_h, head) => {
        const group = Math.floor(head / (heads / kv));
        const cut = (rows: Rows, r: number, which: number): number[] => rows[r]!.slice(which * K, (which + 1) * K);
        const qi = turned(cut(q, i, head), positions[i]!);
        const scores = h.map((_r, j) => {
          if (!allowed(i, j)) return -Infinity;
          const kj = turned(cut(k, j, group), positions[j]!);
          return qi.reduce((s, a, c) => s + a * kj[c]!, 0) / Math.sqrt(K);
        });
        const top = Math.max(...scores);
        const e = scores.map((s) => Math.exp(s - top));
        const total = e.reduce((a, b) => a + b, 0);
        return Array.from({ length: K }, (_c, c) => e.reduce((s, p, j) => s + (p / total) * v[j]![group * K + c]!, 0));
      }).flat(),
    );
    const o = times(mixed, `${at}.self_attn.o_proj`, D);
    h = h.map((row, i) => row.map((a, c) => a + o[i]![c]!));
    const m = norm(h, `${at}.post_attention_layernorm`);
    const [gate, up] = [times(m, `${at}.mlp.gate_proj`, M), times(m, `${at}.mlp.up_proj`, M)];
    const down = times(
      gate.map((row, i) => row.map((g, c) => (g / (1 + Math.exp(-g))) * up[i]![c]!)),
      `${at}.mlp.down_proj`,
      D,
    );
    h = h.map((row, i) => row.map((a, c) => a + down[i]![c]!));
  }
  return norm(h, "model.norm");
}

describe.each([
  { heads: 4, kv: 2, D: 16 },
  { heads: 3, kv: 1, D: 18 },
  { heads: 3, kv: 3, D: 6 },
])("$heads heads, $kv key heads, width $D", ({ heads, kv, D }) => {
  const config = tinyConfig({ language: { hiddenSize: D, heads, kvHeads: kv } });
  const lm = config.language;
  const sizes = { D, M: lm.intermediateSize, heads, kv, layers: lm.layers, theta: lm.ropeTheta, eps: lm.rmsNormEps };

  function setup(L: number, B: number) {
    const parameters = initParameters(languageParameters(config), new Rng(5));
    const weights = new Map([...parameters].map(([name, v]) => [name, v.dataSync() as Float32Array]));
    const rng = new Rng(8);
    const x = Array.from({ length: B }, () =>
      Array.from({ length: L }, () => Array.from({ length: D }, () => rng.normal())),
    );
    const run = (layout: SequenceLayout) =>
      languageModel(new Scope(parameters).at("model"), tf.tensor3d(x), lm, layout);
    return { weights, x, run };
  }

  test("causal, with holes and left padding in the mask", () => {
    const L = 6;
    const { weights, x, run } = setup(L, 2);
    const mask = [
      [0, 0, 1, 1, 0, 1],
      [1, 0, 1, 1, 1, 0],
    ];
    for (const counted of [false, true]) {
      const positions = mask.map((row) => {
        let seen = 0;
        return row.map((kept, i) => (counted ? (kept === 1 ? seen++ : 1) : i));
      });
      // the model counts them itself unless it is told otherwise
      const hidden = run({ prefix: L, sentences: 0, tokens: 0, mask, ...(counted ? {} : { positions }) })
        .hidden.reshape([2, L, D])
        .arraySync() as number[][][];
      mask.forEach((row, b) => {
        const wanted = reference(weights, x[b]!, positions[b]!, (i, j) => j <= i && (row[j] === 1 || j === i), sizes);
        // rows that the mask leaves out mean nothing, and nothing attends to them
        row.forEach(
          (kept, i) => kept === 1 && expectTensorClose(hidden[b]![i]!, wanted[i]!, { rtol: 1e-4, atol: 1e-5 }),
        );
      });
    }
  });

  test("several sentences behind a prefix with left padding and holes, and a hole of their own", () => {
    const [P, Q, T] = [5, 2, 3];
    const { weights, x, run } = setup(P + Q * T, 2);
    const mask = [
      [0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1],
      [1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 1],
    ];
    const sentence = (i: number): number => (i < P ? -1 : Math.floor((i - P) / T));
    const hidden = run({ prefix: P, sentences: Q, tokens: T, mask })
      .hidden.reshape([2, P + Q * T, D])
      .arraySync() as number[][][];
    mask.forEach((row, b) => {
      // the number of kept tokens that a row sees before itself
      const positions = row.map(
        (_, i) => row.filter((kept, j) => kept === 1 && j < i && (j < P || sentence(j) === sentence(i))).length,
      );
      const wanted = reference(
        weights,
        x[b]!,
        positions,
        (i, j) => (row[j] === 1 || j === i) && j <= i && (j < P || sentence(j) === sentence(i)),
        sizes,
      );
      row.forEach((kept, i) => kept === 1 && expectTensorClose(hidden[b]![i]!, wanted[i]!, { rtol: 1e-4, atol: 1e-5 }));
    });
    // a mask of the prefix alone keeps all of the sentences
    const prefixOnly = { prefix: P, sentences: Q, tokens: T, mask: mask.map((row) => row.slice(0, P)) };
    const allKept = { ...prefixOnly, mask: mask.map((row) => [...row.slice(0, P), ...Array(Q * T).fill(1)]) };
    expectTensorClose(run(prefixOnly).hidden, run(allKept).hidden);
  });

  test("sentences see the prefix and themselves, at positions that go on from it", () => {
    const [P, Q, T] = [4, 3, 2];
    const { weights, x, run } = setup(P + Q * T, 2);
    const { hidden } = run({ prefix: P, sentences: Q, tokens: T });
    const positions = Array.from({ length: P + Q * T }, (_, i) => (i < P ? i : P + ((i - P) % T)));
    const sentence = (i: number): number => (i < P ? -1 : Math.floor((i - P) / T));
    const wanted = x.map((rows) =>
      reference(
        weights,
        rows,
        positions,
        (i, j) => j <= i && (sentence(j) === -1 || sentence(i) === sentence(j)),
        sizes,
      ),
    );
    expectTensorClose(hidden, wanted.flat(2), { rtol: 1e-4, atol: 1e-5 });
  });
});

describe("continuation from stored keys and values", () => {
  const config = tinyConfig({ language: { layers: 3 } });
  const p = new Scope(initParameters(languageParameters(config), new Rng(5))).at("model");
  const [B, P, Q, T, room, D] = [2, 5, 3, 2, 5, 16];
  const rng = new Rng(9);
  const numbers = (shape: number[]): tf.Tensor =>
    tf.tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal()),
      shape,
    );
  const prefix = numbers([B, P, D]);
  const own = numbers([B, Q, room, D]);
  const words = (from: number, count: number): tf.Tensor =>
    own.slice([0, 0, from, 0], [B, Q, count, D]).reshape([B, Q * count, D]);
  const padded = (x: tf.Tensor): tf.Tensor =>
    tf.concat([x, tf.zeros([...x.shape.slice(0, 3), room - T, x.shape[4]!])], 3);

  /** Hidden states [B, Q, room - T, D] of the words behind the first T, each from a pass over one row a sentence. */
  function continued(mask?: number[][]): { hidden: tf.Tensor; rows: number[] } {
    const first: LayerCache[] = [];
    const rows: number[] = [];
    const layout = { prefix: P, sentences: Q, tokens: T, ...(mask === undefined ? {} : { mask }) };
    languageModel(p, tf.concat([prefix, words(0, T)], 1) as tf.Tensor3D, config.language, layout, {
      onCache: (layer, { prefixKeys, prefixValues, ownKeys, ownValues }) =>
        void (first[layer] = { prefixKeys, prefixValues, ownKeys: padded(ownKeys), ownValues: padded(ownValues) }),
    });
    let layers: readonly LayerCache[] = first;
    const out = Array.from({ length: room - T }, (_, step) => {
      const at = T + step;
      const place = tf
        .oneHot(tf.tensor1d([at], "int32"), room)
        .toFloat()
        .reshape([room]) as tf.Tensor1D;
      const holes = mask?.map((row) => Array.from({ length: Q }, (_q, q) => row.slice(P + q * T, P + (q + 1) * T)));
      const kept = tf.tensor3d(
        Array.from({ length: B }, (_b, b) =>
          Array.from({ length: Q }, (_q, q) =>
            Array.from({ length: room }, (_t, t) =>
              t > at ? 0 : t < T ? (holes === undefined ? 1 : holes[b]![q]![t]!) : 1,
            ),
          ),
        ),
      );
      const next: LayerCache[] = [];
      const { hidden } = languageModel(
        p,
        words(at, 1) as tf.Tensor3D,
        config.language,
        { prefix: 0, sentences: Q, tokens: 1, past: { layers, place, kept }, ...(mask === undefined ? {} : { mask }) },
        { onCache: (layer, cache) => void (next[layer] = cache) },
      );
      layers = next;
      rows.push(hidden.shape[0]);
      return hidden.reshape([B, Q, 1, D]);
    });
    return { hidden: tf.concat(out, 2), rows };
  }

  function whole(mask?: number[][]): tf.Tensor {
    const full = mask?.map((row) => [
      ...row.slice(0, P),
      ...Array.from({ length: Q }, (_, q) => [
        ...row.slice(P + q * T, P + (q + 1) * T),
        ...Array.from({ length: room - T }, () => 1),
      ]).flat(),
    ]);
    return languageModel(p, tf.concat([prefix, words(0, room)], 1) as tf.Tensor3D, config.language, {
      prefix: P,
      sentences: Q,
      tokens: room,
      ...(full === undefined ? {} : { mask: full }),
    })
      .hidden.reshape([B, P + Q * room, D])
      .slice([0, P, 0], [B, Q * room, D])
      .reshape([B, Q, room, D])
      .slice([0, 0, T, 0], [B, Q, room - T, D]);
  }

  test("each later token computes one row a sentence, and has the state of the whole pass", () => {
    const { hidden, rows } = continued();
    expectTensorClose(hidden, whole(), { rtol: 1e-4, atol: 1e-5 });
    expect(rows).toEqual([B * Q, B * Q, B * Q]);
  });

  test("with left padding in the prefix and questions of several lengths, positions counted over what is kept", () => {
    const mask = [
      [0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1],
      [1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0],
    ];
    const { hidden } = continued(mask);
    expectTensorClose(hidden, whole(mask), { rtol: 1e-4, atol: 1e-5 });
  });
});

describe("on request", () => {
  const config = tinyConfig();
  const parameters = initParameters(languageParameters(config), new Rng(5));
  const p = new Scope(parameters).at("model");
  const x = tf.randomNormal([2, 10, 16], 0, 1, "float32", 3) as tf.Tensor3D;
  const layout = { prefix: 4, sentences: 3, tokens: 2 };

  test("states are the residual stream, first the input, last what the final norm reads", () => {
    const { states } = languageModel(p, x, config.language, layout, { states: [0, 2] });
    expectTensorClose(states.get(0)!, x.reshape([20, 16]));
    expect([...states.keys()]).toEqual([0, 2]);
  });

  test("single rows are those of the whole, with the same gradient", () => {
    const rows = tf.tensor1d([3, 17, 3, 9], "int32");
    for (const states of [[], [config.language.layers]]) {
      const some = (y: tf.Tensor): tf.Tensor =>
        languageModel(p, y as tf.Tensor3D, config.language, layout, { states }).hiddenAt(rows);
      const all = (y: tf.Tensor): tf.Tensor =>
        tf.gather(languageModel(p, y as tf.Tensor3D, config.language, layout).hidden, rows);
      expectTensorClose(some(x), all(x), { atol: 1e-6 });
      const weights = tf.randomNormal([4, 16], 0, 1, "float32", 4);
      const slope = (f: (y: tf.Tensor) => tf.Tensor): tf.Tensor =>
        tf.grad((y: tf.Tensor) => f(y).mul(weights).sum())(x);
      expectTensorClose(slope(some), slope(all), { rtol: 1e-4, atol: 1e-5 });
    }
  });

  test("attention weights sum to 1, and none looks ahead", () => {
    const seen = new Map<string, tf.Tensor>();
    languageModel(p, x, config.language, layout, {
      onAttention: (layer, part, weights) => void seen.set(`${layer}.${part}`, weights),
    });
    expect([...seen.keys()]).toEqual(["0.prefix", "0.sentences", "1.prefix", "1.sentences"]);
    const prefix = seen.get("0.prefix")!;
    const sentences = seen.get("0.sentences")!;
    expect([prefix.shape, sentences.shape]).toEqual([
      [2, 4, 4, 4],
      [2, 4, 3, 2, 6],
    ]);
    for (const weights of seen.values()) expectTensorClose(weights.sum(-1), tf.ones(weights.shape.slice(0, -1)));
    expect(prefix.slice([0, 0, 0, 1], [2, 4, 1, 3]).max().dataSync()[0]).toBe(0);
    expect(sentences.slice([0, 0, 0, 0, 5], [2, 4, 3, 1, 1]).max().dataSync()[0]).toBe(0);
  });

  test("a layout that does not fit is an error", () => {
    const [place, kept] = [tf.tensor1d([1]), tf.ones<tf.Rank.R3>([2, 3, 1])];
    expect(() => languageModel(p, x, config.language, { prefix: 4, sentences: 1, tokens: 2 })).toThrow(
      "10 tokens, but the layout has 4 + 1 x 2",
    );
    expect(() => languageModel(p, x, config.language, { ...layout, past: { layers: [], place, kept } })).toThrow(
      "goes on from 2 layers' keys by one token a sentence, without a prefix",
    );
  });
});
