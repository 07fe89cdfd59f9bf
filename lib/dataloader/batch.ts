import type { S2Config } from "../config/schema";
import { disposeTensors } from "../engine/named-step";
import type { ModelInputs, Targets } from "../model/inputs";
import type { SharedPrompt } from "../model/prompt";
import { makeInputs } from "./inputs";
import { makePointmapTargets } from "./pointmap-targets";
import type { SceneCache } from "./prepared-scenes";
import { makeTargets, type TargetScene, type TargetSizes } from "./targets";

/** One scene of a training batch, and the draw that decides what the reconstruction loss looks at. */
export interface BatchScene extends TargetScene {
  readonly draw: number;
}

export interface Batch {
  readonly inputs: ModelInputs;
  readonly targets: Targets;
  dispose(): void;
}

/** The tensors of one training batch. @throws UserError as `makeInputs` does */
export function makeBatch(
  scenes: readonly BatchScene[],
  cache: SceneCache,
  sizes: TargetSizes,
  prompt: SharedPrompt,
  config: S2Config,
): Batch {
  const inputs = makeInputs(scenes, cache, sizes, prompt, config);
  const targets = makeTargets(scenes, cache, sizes, prompt, config);
  const reconstructs = config.reconstruction.enabled && config.lossWeights.recon > 0;
  const pointmaps = reconstructs ? makePointmapTargets(scenes, cache, config) : undefined;
  for (const { scene } of scenes) scene.release();
  const batch = { inputs: { ...inputs, ...pointmaps?.inputs }, targets: { ...targets, ...pointmaps?.targets } };
  return { ...batch, dispose: () => disposeTensors(batch) };
}
