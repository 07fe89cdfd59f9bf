import type { S2Config } from "../config/schema";
import type { PlannedParameter } from "../core/parameters";
import { Rng } from "../core/rng";
import { type Batch, makeBatch } from "../dataloader/batch";
import { noisyBoxes } from "../dataloader/box-noise";
import { inputSizes } from "../dataloader/inputs";
import type { SceneCache } from "../dataloader/prepared-scenes";
import { SentenceOrder, sampleStep } from "../dataloader/sampling";
import { allSentences, type EncodedScene } from "../dataloader/sentences";
import { type TargetSizes, targetSizes } from "../dataloader/targets";
import type { tf } from "../engine/tf";
import { disposeParameters } from "../model/initialise";
import type { SharedPrompt } from "../model/prompt";
import type { AdamW } from "./optimizer";
import { withSteps } from "./schedule";
import { type LabelledBatch, type StepReport, TrainingStep } from "./training-step";

/** Fine-tuning of one configuration on prepared scenes. */
export class Trainer {
  readonly sizes: TargetSizes;
  /** Steps of the whole training. */
  readonly steps: number;
  readonly #rng: Rng;
  readonly #step: TrainingStep;
  /** Where training goes by epochs. */
  readonly #order: SentenceOrder | undefined;

  constructor(
    readonly config: S2Config,
    readonly cache: SceneCache,
    readonly scenes: readonly EncodedScene[],
    readonly prompt: SharedPrompt,
    readonly parameters: ReadonlyMap<string, tf.Variable>,
  ) {
    const { epochs, steps, accumulate } = config.training;
    this.#rng = new Rng(config.seed, "train");
    this.#order =
      epochs === undefined
        ? undefined
        : new SentenceOrder(
            scenes.map(({ queries }) => queries.map(({ dataset }) => dataset)),
            config,
            this.#rng.fork("data"),
          );
    this.steps = steps ?? Math.ceil(this.#order!.batches(epochs!) / accumulate);
    this.#step = new TrainingStep(withSteps(config, this.steps), parameters);
    const sentences = allSentences(scenes);
    const prepared = scenes.map((s) => s.scene);
    const sizes = targetSizes(sentences, inputSizes(sentences, prepared, config.training.sentences, "gt"), prompt);
    this.sizes = config.lossWeights.anchor + config.lossWeights.anchorAttention > 0 ? sizes : { ...sizes, anchors: 0 };
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
    const { pool } = this.cache.dims;
    const { epochs, steps } = config.training;
    const picks =
      this.#order?.batch(step, pool, steps === undefined ? epochs : undefined) ??
      sampleStep(step, { pool, sentences: scenes.map((s) => s.queries.length) }, config, this.#rng.fork("data"));
    const kinds: (string | undefined)[] = [];
    const items = picks.map((pick) => {
      const { scene, encoded, queries } = scenes[pick.scene]!;
      const sentences = pick.sentences.map((s) => ({ ...encoded[s]!, positives: [queries[s]!.targetId] }));
      for (let q = 0; q < sizes.sentences; q++) {
        const s = pick.sentences[q];
        kinds.push(s === undefined ? undefined : (queries[s]!.relation ?? "other"));
      }
      const boxes = noisyBoxes(scene, config.data, pick.draw);
      return { scene, views: pick.views, sentences, turns: pick.turns, draw: pick.draw, ...(boxes && { boxes }) };
    });
    return { batch: makeBatch(items, this.cache, sizes, this.prompt, config), kinds };
  }

  /** One update: forward, losses, gradients, AdamW. */
  step(step: number): StepReport {
    const { accumulate, epochs, steps } = this.config.training;
    if (accumulate > 1) {
      // the last update of the last epoch may have fewer
      const end = steps === undefined ? this.#order!.batches(epochs!) : Number.POSITIVE_INFINITY;
      const count = Math.min(accumulate, end - step * accumulate);
      return this.updateBy(
        step,
        Array.from({ length: count }, (_, i) => () => this.batch(step * accumulate + i)),
      );
    }
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
