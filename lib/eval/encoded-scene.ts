import type { S2Config } from "../config/schema";
import { makeInputs } from "../dataloader/inputs";
import { pointmapsOf } from "../dataloader/pointmap-targets";
import type { PreparedScene, SceneCache } from "../dataloader/prepared-scenes";
import { evaluationViews } from "../dataloader/sampling";
import { disposeTensors } from "../engine/named-step";
import { tf } from "../engine/tf";
import { encodeScene, modelScope } from "../model/s2mllm";
import type { AttentionWeights } from "./attention";

/** Where the patches of some views of a scene lie, as depth says. */
export interface PatchPoints {
  /** float32[V, N, 3] mean of a patch's measured points in its view's own camera frame, metres. */
  readonly points: Float32Array;
  /** float32[V, N] share of its pixels that are measured. */
  readonly measured: Float32Array;
}

/** @param views positions in the pool */
export function patchPoints(
  scene: Pick<PreparedScene, "record">,
  views: readonly number[],
  cache: Pick<SceneCache, "dims">,
  config: S2Config,
): PatchPoints {
  const whole = { ...config.reconstruction, scenesPerStep: 0, viewsPerStep: 0, units: "metres" as const };
  const { local, valid } = pointmapsOf([{ scene, views, draw: 0 }], cache, { ...config, reconstruction: whole });
  const { side, N, pointmap: R } = cache.dims;
  const pixels = R / side;
  const points = new Float32Array(views.length * N * 3);
  const measured = new Float32Array(views.length * N);
  for (let i = 0; i < valid.length; i++) {
    if (valid[i] === 0) continue;
    const [row, column] = [Math.floor((i % (R * R)) / R), i % R];
    const patch = Math.floor(i / (R * R)) * N + Math.floor(row / pixels) * side + Math.floor(column / pixels);
    measured[patch]! += 1;
    for (let axis = 0; axis < 3; axis++) points[3 * patch + axis]! += local[3 * i + axis]!;
  }
  for (let patch = 0; patch < measured.length; patch++) {
    const count = Math.max(1, measured[patch]!);
    for (let axis = 0; axis < 3; axis++) points[3 * patch + axis]! /= count;
    measured[patch]! /= pixels * pixels;
  }
  return { points, measured };
}

/** What the model makes of a scene's views before it reads a sentence. */
export interface EncodedViews {
  /** float32[V, N, D] projected tokens before any position encoding. */
  readonly tokens: Float32Array;
  /** [N, heads, V, V] how a view's patch spreads over the same patch of all views; absent where it is off. */
  readonly inter?: AttentionWeights;
}

/** Runs vision tower, structure module and projector on the views that evaluation sees. */
export function encodeViews(
  parameters: ReadonlyMap<string, tf.Tensor>,
  config: S2Config,
  cache: SceneCache,
  scene: PreparedScene,
): EncodedViews & { readonly views: readonly number[] } {
  const views = evaluationViews(cache.dims.pool, config);
  const inputs = makeInputs(
    [{ scene, views, turns: 0, sentences: [] }],
    cache,
    { sentences: 1, tokens: 1, objects: scene.boxes("gt").length },
    { before: [], after: [], supervised: [] },
    config,
  );
  const { visual, inter } = tf.tidy(() => {
    let weights: tf.Tensor | undefined;
    const encoded = encodeScene(modelScope(parameters, config), inputs, config, undefined, {
      encoding: () => {},
      attention: (name, given) => {
        // the released layout groups other tokens
        if (name === "structure.interView" && config.structure.layout === "paper") weights = given;
      },
    });
    return { visual: encoded.visual, ...(weights === undefined ? {} : { inter: weights }) };
  });
  const result = {
    views,
    tokens: Float32Array.from(visual.dataSync()),
    ...(inter === undefined
      ? {}
      : { inter: { shape: inter.shape.slice(1), values: Float32Array.from(inter.dataSync()) } }),
  };
  tf.dispose([visual, ...(inter === undefined ? [] : [inter])]);
  disposeTensors(inputs);
  return result;
}
