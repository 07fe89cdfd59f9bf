import type { S2Config } from "../config/schema";
import { inputSizes, makeInputs } from "../dataloader/inputs";
import type { SceneCache } from "../dataloader/prepared-scenes";
import { evaluationViews } from "../dataloader/sampling";
import type { SceneSentences } from "../dataloader/sentences";
import { openScene } from "../datasets/scannet";
import type { Query } from "../datasets/scene";
import { disposeTensors } from "../engine/named-step";
import { tf } from "../engine/tf";
import type { Tokenizer } from "../io/tokenizer";
import { encodeSentence, sharedPrompt } from "../model/prompt";
import { forward, type Outputs } from "../model/s2mllm";

/** Attention weights with the lengths of their axes; the last axis runs fastest. */
export interface AttentionWeights {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** All attention of one scene and one sentence; what the configuration switches off is absent. */
export interface SceneAttention {
  /** Positions of the views in the pool of prepared ones. */
  readonly views: readonly number[];
  /** Patches a side of a view. */
  readonly grid: number;
  /** [N, heads, V, V]: how a view's patch spreads over the same patch of all views. */
  readonly inter?: AttentionWeights;
  /** [V, heads, N, N]: how a patch spreads over the patches of its own view, the class token left out. */
  readonly intra?: AttentionWeights;
  /** [layers, heads, words, V, side²]: how a token of the sentence spreads over the pooled patches of all views. */
  readonly words: AttentionWeights;
  readonly tokens: readonly string[];
  /** Pooled patches a side of a view. */
  readonly side: number;
}

/** Drops the class token in front of the patches: [V, H, N+1, N+1] → [V, H, N, N]. */
function withoutClass({ shape, values }: AttentionWeights): AttentionWeights {
  const [V, H, rows] = shape as [number, number, number];
  const N = rows - 1;
  const out = new Float32Array(V * H * N * N);
  for (let i = 0; i < V * H * N; i++) {
    const from = (Math.floor(i / N) * rows + (i % N) + 1) * rows + 1;
    out.set(values.subarray(from, from + N), i * N);
  }
  return { shape: [V, H, N, N], values: out };
}

/** The columns of the image tokens, newlines left out, of the weights of every layer. */
function towardsImage(layers: readonly AttentionWeights[], before: number, V: number, side: number): AttentionWeights {
  const [, H, , T, S] = layers[0]!.shape as [number, number, number, number, number];
  const M = side * side;
  const values = new Float32Array(layers.length * H * T * V * M);
  let at = 0;
  for (const layer of layers) {
    for (let row = 0; row < H * T; row++) {
      for (let v = 0; v < V; v++) {
        for (let m = 0; m < M; m++) {
          const column = before + v * side * (side + 1) + Math.floor(m / side) * (side + 1) + (m % side);
          values[at++] = layer.values[row * S + column]!;
        }
      }
    }
  }
  return { shape: [layers.length, H, T, V, M], values };
}

/**
 * Runs the model on one scene and one sentence, with the right class in the answer, and keeps all attention weights.
 */
export function sceneAttention(
  parameters: ReadonlyMap<string, tf.Tensor>,
  config: S2Config,
  cache: SceneCache,
  item: SceneSentences,
  query: Query,
  tokenizer: Tokenizer,
): SceneAttention {
  const prompt = sharedPrompt(tokenizer, config.prompt, "evaluate");
  const encoded = encodeSentence(tokenizer, query, query.category, config.prompt);
  const views = evaluationViews(cache.dims.pool, config);
  const sizes = inputSizes([encoded], [item.scene], 1, "gt");
  const inputs = makeInputs(
    [{ scene: item.scene, views, turns: 0, sentences: [encoded] }],
    cache,
    sizes,
    prompt,
    config,
  );
  item.scene.release();
  const kept = tf.tidy(() => {
    const { intermediates }: Outputs = forward(parameters, inputs, config, { intermediates: "all" });
    const names = [
      "structure.interView",
      "structure.intraView",
      ...Array.from({ length: config.language.layers }, (_, layer) => `language.${layer}.sentences`),
    ];
    return Object.fromEntries(
      names.flatMap((name) => {
        const weights = intermediates.get(name);
        return weights === undefined ? [] : [[name, weights] as const];
      }),
    );
  });
  const numbers = (name: string): AttentionWeights | undefined => {
    const weights = kept[name];
    return weights && { shape: weights.shape, values: weights.dataSync() as Float32Array };
  };
  const oneScene = (weights: AttentionWeights | undefined): AttentionWeights | undefined =>
    weights && { shape: weights.shape.slice(1), values: weights.values };
  // the released layout groups other tokens than these axes say
  const byPatch = config.structure.layout === "paper";
  const inter = byPatch ? oneScene(numbers("structure.interView")) : undefined;
  const intra = byPatch ? oneScene(numbers("structure.intraView")) : undefined;
  const layers = Array.from({ length: config.language.layers }, (_, l) => numbers(`language.${l}.sentences`)!);
  tf.dispose(Object.values(kept));
  disposeTensors(inputs);
  const side = cache.dims.pooledSide;
  const words = towardsImage(layers, prompt.before.length, views.length, side);
  const shown = encoded.ids.map((id) => tokenizer.token(id));
  return {
    views,
    grid: cache.dims.side,
    ...(inter === undefined ? {} : { inter }),
    ...(intra === undefined ? {} : { intra: withoutClass(intra) }),
    words: firstWords(words, shown.length),
    tokens: shown,
    side,
  };
}

/** The first `count` tokens of the sentence; the rest is padding. */
function firstWords({ shape, values }: AttentionWeights, count: number): AttentionWeights {
  const [layers, H, T, V, M] = shape as [number, number, number, number, number];
  const row = V * M;
  const out = new Float32Array(layers * H * count * row);
  for (let i = 0; i < layers * H; i++) out.set(values.subarray(i * T * row, (i * T + count) * row), i * count * row);
  return { shape: [layers, H, count, V, M], values: out };
}

/** Inter-view attention of one patch position: how each view's patch spreads over the same patch of all views. */
export interface InterViewAttention {
  readonly sceneId: string;
  /** Index of the patch in its view's grid, row-major, and the grid's side. */
  readonly patch: number;
  readonly grid: number;
  /** Frames in the model's order, as data URLs. */
  readonly views: { readonly frame: string; readonly image: string }[];
  readonly heads: number;
  /** [heads, V, V] flattened; each asking view's row sums to 1. */
  readonly weights: number[];
}

/**
 * Runs the structure-enhanced module on one scene and keeps the weights of one patch.
 *
 * @returns undefined when the configuration has no inter-view attention between the same patches
 */
export function interViewAttention(
  parameters: ReadonlyMap<string, tf.Tensor>,
  config: S2Config,
  cache: SceneCache,
  item: SceneSentences,
  tokenizer: Tokenizer,
  folder: string,
  patch: number,
): InterViewAttention | undefined {
  if (!config.structure.interView) return undefined;
  const { inter, views, grid } = sceneAttention(parameters, config, cache, item, item.queries[0]!, tokenizer);
  if (inter === undefined) return undefined;
  const [, H, V] = inter.shape as [number, number, number];
  const scene = openScene(folder, item.scene.id);
  return {
    sceneId: item.scene.id,
    patch,
    grid,
    heads: H,
    views: views.map((view) => {
      const frame = item.scene.entry.frames[view]!;
      return {
        frame,
        image: `data:image/jpeg;base64,${Buffer.from(scene.source.colour(frame).bytes).toString("base64")}`,
      };
    }),
    weights: Array.from(inter.values.subarray(patch * H * V * V, (patch + 1) * H * V * V), (w) => Number(w.toFixed(4))),
  };
}
