import "@tensorflow/tfjs-backend-cpu";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { tf } from "../../lib/engine/tf";
import { groundingParameters, groundingScores, groundingVector } from "../../lib/model/grounding";
import { initialValues, initParameters } from "../../lib/model/initialise";
import { objectFeatures } from "../../lib/model/objects";
import { pooledSide, poolTokens } from "../../lib/model/pooling";
import { phi } from "../../lib/model/positions";
import { imageEmbeddings, reconstruct, reconstructionParameters } from "../../lib/model/reconstruction";
import { structureModule, structureParameters } from "../../lib/model/structure";
import { visionParameters, visionPrefix, visionTower } from "../../lib/model/vision";
import { Scope } from "../../lib/nn/scope";
import { expectTensorClose } from "../setup/tensors";
import { tinyConfig } from "./tiny";

beforeAll(() => tf.setBackend("cpu"));

const normal = <T extends tf.Tensor>(shape: number[], seed = 1): T =>
  tf.randomNormal(shape, 0, 1, "float32", seed) as tf.Tensor as T;
const largest = (x: tf.Tensor): number => x.abs().max().dataSync()[0]!;

describe("structure module", () => {
  const build = (change: Record<string, unknown> = {}) => {
    const config = tinyConfig({ structure: change });
    return {
      config: config.structure,
      p: new Scope(initParameters(structureParameters(config), new Rng(2))).at("st_attention_block"),
    };
  };
  const [B, V, N, C] = [2, 3, 4, 12];
  const x = normal<tf.Tensor4D>([B, V, N, C]);
  /** x with the token at view v, patch n changed. */
  const touched = (v: number, n: number): tf.Tensor4D => {
    const place = tf
      .oneHot(tf.tensor1d([v * N + n], "int32"), V * N)
      .reshape([1, V, N, 1])
      .toFloat();
    // not the same in every channel: a LayerNorm would not see that
    return x.add(place.mul(normal([1, 1, 1, C], 7))) as tf.Tensor4D;
  };
  /** Which (view, patch) tokens change when (v, n) does. */
  const reach = (change: Record<string, unknown>, v: number, n: number): string[] => {
    const { config, p } = build(change);
    const diff = structureModule(p, touched(v, n), config)
      .tokens.sub(structureModule(p, x, config).tokens)
      .abs()
      .max(3)
      .max(0)
      .arraySync() as number[][];
    return diff.flatMap((row, i) => row.flatMap((d, j) => (d > 1e-6 ? [`${i}${j}`] : [])));
  };

  test("inter-view attention joins one patch across the views", () => {
    expect(reach({ intraView: false }, 1, 2)).toEqual(["02", "12", "22"]);
  });

  test("intra-view attention joins the patches of one view", () => {
    expect(reach({ interView: false }, 1, 2)).toEqual(["10", "11", "12", "13"]);
  });

  test("the released layout joins runs of V neighbouring tokens instead", () => {
    // token 1·4 + 2 = 6 lies in the run 6, 7, 8 = (1,2), (1,3), (2,0)
    expect(reach({ intraView: false, layout: "released" }, 1, 2)).toEqual(["12", "13", "20"]);
    // and every third token: 0, 3, 6, 9 = (0,0), (0,3), (1,2), (2,1)
    expect(reach({ interView: false, layout: "released" }, 1, 2)).toEqual(["00", "03", "12", "21"]);
  });

  test("the released layout is the paper's on tokens that come position by position", () => {
    const paper = build();
    const released = { ...paper.config, layout: "released" as const };
    const byPosition = x.transpose([0, 2, 1, 3]).reshape([B, V, N, C]) as tf.Tensor4D;
    const back = structureModule(paper.p, byPosition, released).tokens.reshape([B, N, V, C]).transpose([0, 2, 1, 3]);
    expectTensorClose(back, structureModule(paper.p, x, paper.config).tokens, { rtol: 1e-4, atol: 1e-5 });
  });

  test("zero output layers make it the identity", () => {
    const { config, p } = build({ outputInit: "zero" });
    expectTensorClose(structureModule(p, x, config).tokens, x);
  });

  test("dropping every path makes it the identity; without an rng nothing is dropped", () => {
    const { config, p } = build();
    const always = { ...config, dropPath: 0.999999 };
    // the inter-view linear layer still adds its bias, which starts at 0
    expectTensorClose(structureModule(p, x, always, { rng: new Rng(1) }).tokens, x);
    expectTensorClose(structureModule(p, x, always).tokens, structureModule(p, x, config).tokens);
  });

  test("attention weights on request, key 0 of a view being the pseudo class token", () => {
    const { config, p } = build();
    const seen = new Map<string, tf.Tensor>();
    structureModule(p, x, config, { onAttention: (name, weights) => void seen.set(name, weights) });
    expect(seen.get("interView")!.shape).toEqual([B, N, 3, V, V]);
    expect(seen.get("intraView")!.shape).toEqual([B, V, 3, N + 1, N + 1]);
    for (const weights of seen.values()) expectTensorClose(weights.sum(-1), tf.ones(weights.shape.slice(0, -1)));
  });
});

describe("positions", () => {
  test("φ(0) is sin 0, cos 0, … and the spare channels are 0 at width 3584", () => {
    const zero = phi(tf.zeros([1, 3]), 3584).dataSync();
    expect([...zero.slice(0, 4)]).toEqual([0, 1, 0, 1]);
    expect([...zero.slice(3580)]).toEqual([0, 1, 0, 0]);
  });

  test("any width and coordinate follow the formula", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 40 }),
        fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 3, maxLength: 3 }),
        (D, q) => {
          const m = Math.floor(D / 3);
          const wanted = Array.from({ length: D }, (_, c) => {
            if (c >= 3 * m) return 0;
            const k = c % m;
            const angle = q[Math.floor(c / m)]! / 10000 ** ((2 * Math.floor(k / 2)) / m);
            return k % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
          });
          // float32 angles up to 300 carry 2e-5 of rounding
          expectTensorClose(phi(tf.tensor2d([q]), D), wanted, { rtol: 0, atol: 5e-5 });
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe("pooling", () => {
  test.each([
    ["bilinear", 14],
    ["average", 13],
    ["max", 13],
  ] as const)("27 → %s %i", (mode, side) => {
    expect(pooledSide(27, mode, 2)).toBe(side);
    expect(poolTokens(tf.zeros([2, 729, 3]), mode, 2).shape).toEqual([2, side * side, 3]);
  });

  test("average and max of a 3x3 grid leave the last row and column out", () => {
    const x = tf.tensor3d([1, 2, 9, 3, 4, 9, 9, 9, 9], [1, 9, 1]);
    expectTensorClose(poolTokens(x, "average", 2), [2.5]);
    expectTensorClose(poolTokens(x, "max", 2), [4]);
  });
});

describe("vision tower", () => {
  const config = tinyConfig({ vision: { imageSize: 18 } });
  const p = new Scope(initParameters(visionParameters(config), new Rng(4))).at(visionPrefix);

  test("18 pixels hold 4 patches of 4 a side; the last two rows and columns are not looked at", () => {
    const pixels = normal<tf.Tensor4D>([2, 18, 18, 3]);
    const edge = pixels.add(
      tf.pad(
        tf.zeros([2, 16, 16, 3]),
        [
          [0, 0],
          [0, 2],
          [0, 2],
          [0, 0],
        ],
        5,
      ),
    ) as tf.Tensor4D;
    const features = visionTower(p, pixels, config.vision);
    expect(features.shape).toEqual([2, 16, 12]);
    expectTensorClose(visionTower(p, edge, config.vision), features);
  });

  test("another image size is an error that names both", () => {
    expect(() => visionTower(p, normal([1, 12, 12, 3]), config.vision)).toThrow(
      "images of 12x12 pixels give 9 patches, the model has 16 positions",
    );
  });
});

describe("grounding", () => {
  const config = tinyConfig();
  const shared = new Scope(initParameters(groundingParameters(config), new Rng(3)));

  test("scores are cosines of every object and of the zero target", () => {
    const scores = groundingScores(shared, normal([2, 5, 16]), normal([2, 3, 16], 2), "infonce");
    expect(scores.shape).toEqual([2, 3, 6]);
    expect(largest(scores)).toBeLessThanOrEqual(1 + 1e-6);
    for (const head of ["ground_head_obj", "ground_head_query"] as const) {
      expectTensorClose(
        groundingVector(shared, head, normal([4, 16]))
          .square()
          .sum(-1),
        [1, 1, 1, 1],
      );
    }
  });

  test("with heads of zero the shared skip compares the inputs themselves", () => {
    const parameters = initParameters(groundingParameters(config), new Rng(3));
    for (const head of ["ground_head_obj", "ground_head_query"])
      parameters.get(`${head}.3.weight`)!.assign(tf.zeros([16, 16]));
    const x = normal<tf.Tensor3D>([1, 4, 16]);
    const scores = groundingScores(new Scope(parameters), x, x, "infonce").slice([0, 0, 0], [1, 4, 4]);
    expectTensorClose(
      tf
        .eye(4)
        .mul(scores.squeeze([0]))
        .sum(-1),
      [1, 1, 1, 1],
    );
  });

  test("object features are the weighted mean of patches", () => {
    const patches = tf.tensor3d([
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    ]);
    expectTensorClose(
      objectFeatures(
        patches,
        tf.tensor3d([
          [
            [0.5, 0, 0.5],
            [0, 0, 0],
          ],
        ]),
      ),
      [3, 4, 0, 0],
    );
    expect(() => objectFeatures(patches, tf.zeros([1, 2, 4]))).toThrow(
      "objectFeatures: weights must be [B=1, O, N=3], got [1, 2, 4]",
    );
  });
});

describe("reconstruction", () => {
  test("the image-index table: row 0 is sin 0 | cos 0", () => {
    expectTensorClose(
      imageEmbeddings(tf.tensor2d([[0, 2]], [1, 2], "int32"), 4),
      [0, 0, 1, 1, Math.sin(2), Math.sin(0.02), Math.cos(2), Math.cos(0.02)],
      { atol: 1e-6 },
    );
  });

  test("pointmaps have patchSize pixels a patch; confidence is above 1; an odd grid works", () => {
    const config = tinyConfig();
    const p = new Scope(initParameters(reconstructionParameters(config), new Rng(6)));
    const ids = tf.tensor2d([[0, 1]], [1, 2], "int32");
    for (const side of [3, 4]) {
      const { global, local } = reconstruct(
        p,
        normal<tf.Tensor4D>([1, 2, side * side, 16]).mul(0.1) as tf.Tensor4D,
        ids,
        config.reconstruction,
      );
      expect(global!.points.shape).toEqual([1, 2, 2 * side, 2 * side, 3]);
      expect(local!.confidence.shape).toEqual([1, 2, 2 * side, 2 * side]);
      expect(global!.confidence.min().dataSync()[0]).toBeGreaterThan(1);
    }
  });
});

test("starting values depend on seed and name only", () => {
  const spec = (name: string) => ({ name, shape: [3, 3], init: { kind: "normal", std: 2 } as const });
  expect(initialValues(spec("a"), new Rng(1))).toEqual(initialValues(spec("a"), new Rng(1)));
  expect(initialValues(spec("a"), new Rng(1))).not.toEqual(initialValues(spec("b"), new Rng(1)));
  expect([...initialValues({ name: "i", shape: [2, 2], init: { kind: "identity" } }, new Rng(1))]).toEqual([
    1, 0, 0, 1,
  ]);
});
