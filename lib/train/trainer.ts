import type { S2Config } from "../config/schema";
import type { PlannedParameter } from "../core/parameters";
import { Rng } from "../core/rng";
import { type Batch, makeBatch } from "../dataloader/batch";
import { inputSizes } from "../dataloader/inputs";
import type { SceneCache } from "../dataloader/prepared-scenes";
import { sampleStep } from "../dataloader/sampling";
import { allSentences, type EncodedScene } from "../dataloader/sentences";
import { type TargetSizes, targetSizes } from "../dataloader/targets";
import type { tf } from "../engine/tf";
import { disposeParameters } from "../model/initialise";
import type { SharedPrompt } from "../model/prompt";
import type { AdamW } from "./optimizer";
import { type LabelledBatch, type StepReport, TrainingStep } from "./training-step";

/** Fine-tuning of one configuration on prepared scenes. */
export class Trainer {
  readonly sizes: TargetSizes;
  readonly #rng: Rng;
  readonly #step: TrainingStep;

  constructor(
    readonly config: S2Config,
    readonly cache: SceneCache,
    readonly scenes: readonly EncodedScene[],
    readonly prompt: SharedPrompt,
    readonly parameters: ReadonlyMap<string, tf.Variable>,
  ) {
    this.#step = new TrainingStep(config, parameters);
    const sentences = allSentences(scenes);
    const prepared = scenes.map((s) => s.scene);
    const sizes = targetSizes(sentences, inputSizes(sentences, prepared, config.training.sentences, "gt"), prompt);
    this.sizes = config.lossWeights.anchor + config.lossWeights.anchorAttention > 0 ? sizes : { ...sizes, anchors: 0 };
    this.#rng = new Rng(config.seed, "train");
  }

  get optimizer(): AdamW {
    return this.#step.optimizer;
  }

  get plan(): ReadonlyMap<string, PlannedParameter> {
    return this.#step.plan;
  }

  /** A batch and the kinds of its sentences; several make an update where the config accumulates. */
  batch(step: number): LabelledBatch & { readonly batch: Batch } {
    const { config, scenes, sizes } = this;
    const picks = sampleStep(
      step,
      { pool: this.cache.dims.pool, sentences: scenes.map((s) => s.queries.length) },
      config,
      this.#rng.fork("data"),
    );
    const kinds: (string | undefined)[] = [];
    const items = picks.map((pick) => {
      const { scene, encoded, queries } = scenes[pick.scene]!;
      const sentences = pick.sentences.map((s) => ({ ...encoded[s]!, positives: [queries[s]!.targetId] }));
      for (let q = 0; q < sizes.sentences; q++) {
        const s = pick.sentences[q];
        kinds.push(s === undefined ? undefined : (queries[s]!.relation ?? "other"));
      }
      return { scene, views: pick.views, sentences, turns: pick.turns, draw: pick.draw };
    });
    return { batch: makeBatch(items, this.cache, sizes, this.prompt, config), kinds };
  }

  /** One update: forward, losses, gradients, AdamW. */
  step(step: number): StepReport {
    const { accumulate } = this.config.training;
    if (accumulate > 1)
      return this.updateBy(
        step,
        Array.from({ length: accumulate }, (_, i) => () => this.batch(step * accumulate + i)),
      );
    const { batch, kinds } = this.batch(step);
    try {
      return this.update(step, batch, kinds);
    } finally {
      batch.dispose();
    }
  }

  /** The update of one given batch. */
  update(step: number, batch: Batch, kinds: readonly (string | undefined)[]): StepReport {
    return this.#step.run(step, batch, kinds);
  }

  /** One update by the mean gradient of several batches, of which one is in memory at a time. */
  updateBy(step: number, batches: readonly (() => LabelledBatch)[]): StepReport {
    return this.#step.runSeveral(step, batches);
  }

  dispose(): void {
    this.#step.dispose();
    disposeParameters(this.parameters);
  }
}
