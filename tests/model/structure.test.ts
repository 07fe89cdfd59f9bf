import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { tf } from "../../lib/engine/tf";
import { initParameters } from "../../lib/model/initialise";
import { structureModule, structureParameters } from "../../lib/model/structure";
import { Scope } from "../../lib/nn/scope";
import { expectTensorClose } from "../setup/tensors";
import { tinyConfig } from "./tiny";

beforeAll(() => tf.setBackend("cpu"));

const normal = <T extends tf.Tensor>(shape: number[], seed = 1): T =>
  tf.randomNormal(shape, 0, 1, "float32", seed) as tf.Tensor as T;

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
