import type { S2Config } from "../config/schema";
import { inputSizes, makeInputs } from "../dataloader/inputs";
import type { SceneCache } from "../dataloader/prepared-scenes";
import type { SceneSentences } from "../dataloader/sentences";
import { uniformFrames } from "../datasets/frames";
import { openScene } from "../datasets/scannet";
import { disposeTensors } from "../engine/named-step";
import { tf } from "../engine/tf";
import type { Tokenizer } from "../io/tokenizer";
import { encodeSentence, sharedPrompt } from "../model/prompt";
import { forward } from "../model/s2mllm";

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
 * @returns undefined when the configuration has no inter-view attention
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
  const prompt = sharedPrompt(tokenizer, config.prompt, "evaluate");
  const query = item.queries[0]!;
  const encoded = encodeSentence(tokenizer, query, query.category, config.prompt);
  const views = uniformFrames(cache.dims.pool, config.data.frames);
  const sizes = inputSizes([encoded], [item.scene], 1, "gt");
  const inputs = makeInputs(
    [{ scene: item.scene, views, turns: 0, sentences: [encoded] }],
    cache,
    sizes,
    prompt,
    config,
  );
  item.scene.release();
  const all = tf.tidy(
    () => forward(parameters, inputs, config, { intermediates: "all" }).intermediates.get("structure.interView")!,
  );
  const [, N, H, V] = all.shape as [number, number, number, number, number];
  const flat = all.dataSync();
  all.dispose();
  disposeTensors(inputs);
  const scene = openScene(folder, item.scene.id);
  return {
    sceneId: item.scene.id,
    patch,
    grid: Math.round(Math.sqrt(N)),
    heads: H,
    views: views.map((view) => {
      const frame = item.scene.entry.frames[view]!;
      return {
        frame,
        image: `data:image/jpeg;base64,${Buffer.from(scene.source.colour(frame).bytes).toString("base64")}`,
      };
    }),
    weights: Array.from(flat.subarray(patch * H * V * V, (patch + 1) * H * V * V), (w) => Number(w.toFixed(4))),
  };
}
