import { type PlannedParameter, planTraining } from "../core/parameters";
import { Rng } from "../core/rng";
import { NamedStep, runNamed, type StepNumbers } from "../engine/named-step";
import { freeze, tf } from "../engine/tf";
import type { ModelInputs, Targets } from "../model/inputs";
import { forward } from "../model/s2mllm";
import { RecomputedParameters } from "../nn/recomputed";
import type { ParameterSource } from "../nn/scope";
import { describeModel, trainRules } from "../weights/describe";
import { lossParts, totalLoss } from "./losses/total";
import { AdamW, type UpdateNumbers } from "./optimizer";
import { learningRate, type TimedConfig } from "./schedule";

/** What one step reports; numbers are means over the step's sentences. */
export interface StepReport {
  readonly step: number;
  readonly rate: number;
  readonly total: number;
  readonly ground: number;
  readonly language: number;
  readonly recon: number;
  readonly anchor: number;
  readonly anchorAttention: number;
  readonly gradNorm: number;
  /** Share of the sentences whose highest score is a right answer. */
  readonly accuracy: number;
  /** Accuracy of the sentences of each kind. */
  readonly byKind: Readonly<Record<string, number>>;
}

/** What a step reads of a batch. */
export interface StepBatch {
  readonly inputs: ModelInputs;
  readonly targets: Targets;
}

/** A batch and the kind of each of its sentences; undefined for padding. */
export interface LabelledBatch {
  readonly batch: StepBatch & { dispose(): void };
  readonly kinds: readonly (string | undefined)[];
}

/**
 * What a batch gives beside its gradients: the loss, its parts (0 where one is off), and 1 for each sentence that is
 * right.
 */
type BatchResults = Readonly<
  Record<"total" | "ground" | "language" | "recon" | "anchor" | "anchorAttention", tf.Scalar> & { hits: tf.Tensor1D }
>;
type UpdateResults = BatchResults & { readonly gradNorm: tf.Scalar };

/** Updates of one configuration's parameters, whatever batches it is given. */
export class TrainingStep {
  readonly optimizer: AdamW;
  readonly plan: ReadonlyMap<string, PlannedParameter>;
  readonly #trainable: Map<string, tf.Variable>;
  readonly #source: ParameterSource;
  readonly #rng: Rng;
  readonly #updating = new NamedStep((given: StepBatch & { numbers: UpdateNumbers }) => this.#update(given, undefined));
  readonly #accumulating = new NamedStep((given: StepBatch & { keep: tf.Scalar }) =>
    this.#accumulate(given, undefined),
  );
  readonly #applying = new NamedStep((given: { numbers: UpdateNumbers; share: tf.Scalar }) => this.#apply(given));
  /** Sums of gradients over the batches of an update, where there are several. */
  #sums: Map<string, tf.Variable> | undefined;
  #frozen = false;

  constructor(
    private readonly config: TimedConfig,
    private readonly parameters: ReadonlyMap<string, tf.Variable>,
  ) {
    this.plan = planTraining(
      describeModel(config).map((s) => s.name),
      trainRules(config),
    );
    this.#trainable = new Map([...parameters].filter(([name]) => this.plan.get(name)!.training === "train"));
    this.#source =
      config.training.recompute === true
        ? new RecomputedParameters(parameters, [...this.#trainable.keys()])
        : parameters;
    this.optimizer = new AdamW(this.#trainable, this.plan, config.training);
    this.#rng = new Rng(config.seed, "train");
  }

  /**
   * The update by one batch: forward, losses, gradients, AdamW.
   *
   * @param kinds kind of each of the B*Q sentences; undefined for padding
   */
  run(step: number, { inputs, targets }: StepBatch, kinds: readonly (string | undefined)[]): StepReport {
    this.#freeze();
    const rate = learningRate(step, this.config.training);
    const numbers = this.optimizer.begin(rate);
    const begun = this.#reconBegun(step);
    const given = { inputs, targets: { ...targets, ...begun }, numbers };
    const results = this.#once
      ? runNamed((own: typeof given) => this.#update(own, this.#noise(`noise-${step}`)), given)
      : this.#updating.run(given);
    tf.dispose([...Object.values(numbers), ...Object.values(begun)]);
    return reportOf(step, rate, results.gradNorm, [{ results, kinds }]);
  }

  /** One update by the mean gradient of several batches, of which one is in memory at a time. */
  runSeveral(step: number, batches: readonly (() => LabelledBatch)[]): StepReport {
    this.#freeze();
    const rate = learningRate(step, this.config.training);
    this.#sums ??= new Map(
      [...this.#trainable].map(([name, { size, shape }]) => {
        const start = tf.tensor(new Float32Array(size), shape);
        const sum = tf.variable(start, false);
        start.dispose();
        return [name, sum];
      }),
    );
    const reports = batches.map((make, i) => {
      const { batch, kinds } = make();
      const { inputs, targets } = batch;
      // the sums start anew with the first batch
      const keep = tf.scalar(i === 0 ? 0 : 1);
      const begun = this.#reconBegun(step);
      try {
        const given = { inputs, targets: { ...targets, ...begun }, keep };
        const results = this.#once
          ? runNamed((own: typeof given) => this.#accumulate(own, this.#noise(`noise-${step}-${i}`)), given)
          : this.#accumulating.run(given);
        return { results, kinds };
      } finally {
        tf.dispose([keep, ...Object.values(begun)]);
        batch.dispose();
      }
    });
    const numbers = this.optimizer.begin(rate);
    const share = tf.scalar(1 / batches.length);
    const { gradNorm } = this.#applying.run({ numbers, share });
    tf.dispose([share, ...Object.values(numbers)]);
    return reportOf(step, rate, gradNorm, reports);
  }

  /** Whether the reconstruction loss counts at a step, where it does not from the start. */
  #reconBegun(step: number): Pick<Targets, "reconBegun"> {
    const { lossWeights, training } = this.config;
    if (lossWeights.reconFrom === undefined) return {};
    return { reconBegun: tf.scalar(step >= lossWeights.reconFrom * training.steps ? 1 : 0) };
  }

  /** With the first step: a checkpoint's weights are put in after the trainer is made. */
  #freeze(): void {
    if (this.#frozen) return;
    for (const [name, variable] of this.parameters) if (!this.#trainable.has(name)) freeze(variable);
    this.#frozen = true;
  }

  /** Each step draws what it drops: no step repeats another. */
  get #random(): boolean {
    const { structure, lora } = this.config;
    return structure.dropPath > 0 || lora.dropout > 0;
  }

  /** A step that is computed part by part is no single program either. */
  get #once(): boolean {
    return this.#random || this.config.training.recompute === true;
  }

  #noise(label: string): Rng | undefined {
    return this.#random ? this.#rng.fork(label) : undefined;
  }

  /** The program of an update by one batch: losses, gradients, AdamW. */
  #update({ numbers, ...batch }: StepBatch & { numbers: UpdateNumbers }, rng: Rng | undefined): UpdateResults {
    const { grads, total, ...parts } = this.#gradients(batch, rng);
    const gradNorm = this.optimizer.apply(grads, numbers);
    return { total, gradNorm, ...parts };
  }

  /** Adds a batch's gradients to those of the update's other batches. */
  #accumulate({ keep, ...batch }: StepBatch & { keep: tf.Scalar }, rng: Rng | undefined): BatchResults {
    const { grads, ...results } = this.#gradients(batch, rng);
    const present = this.optimizer.requireGradients(grads);
    [...this.#sums!.values()].forEach((sum, i) => sum.assign(sum.mul(keep).add(present[i]!)));
    return results;
  }

  /** The update by the accumulated gradients. */
  #apply({ numbers, share }: { numbers: UpdateNumbers; share: tf.Scalar }): { gradNorm: tf.Scalar } {
    const mean = Object.fromEntries([...this.#sums!].map(([name, sum]) => [name, sum.mul(share)]));
    return { gradNorm: this.optimizer.apply(mean, numbers) };
  }

  /** Gradients by parameter name, and what the report tells; parts of the loss and hits are kept. */
  #gradients(
    { inputs, targets }: StepBatch,
    rng: Rng | undefined,
  ): BatchResults & { grads: Record<string, tf.Tensor> } {
    const { config } = this;
    let parts: Omit<BatchResults, "total"> | undefined;
    const { value, grads } = tf.variableGrads(() => {
      const outputs = forward(this.#source, inputs, config, { training: true, ...(rng === undefined ? {} : { rng }) });
      const losses = lossParts(this.parameters, outputs, inputs, targets, config);
      const zero = tf.scalar(0);
      parts = {
        ground: tf.keep(losses.ground.clone()),
        language: tf.keep((losses.language ?? zero).clone()),
        recon: tf.keep((losses.recon ?? zero).clone()),
        anchor: tf.keep((losses.anchor ?? zero).clone()),
        anchorAttention: tf.keep((losses.anchorAttention ?? zero).clone()),
        hits: tf.keep(tf.gather(targets.positives.reshape([-1]), bestCells(outputs.scores)).reshape([-1])),
      };
      return totalLoss(losses, config.lossWeights, targets);
    }, [...this.#trainable.values()]);
    return {
      total: value,
      ...parts!,
      grads: Object.fromEntries([...this.#trainable].map(([name, variable]) => [name, grads[variable.name]!])),
    };
  }

  dispose(): void {
    this.optimizer.dispose();
    tf.dispose([...(this.#sums?.values() ?? [])]);
  }
}

/** A report from what each batch of an update gave. */
function reportOf(
  step: number,
  rate: number,
  gradNorm: number,
  batches: readonly { readonly results: StepNumbers<BatchResults>; readonly kinds: readonly (string | undefined)[] }[],
): StepReport {
  const mean = (name: Exclude<keyof BatchResults, "hits">): number =>
    batches.reduce((sum, { results }) => sum + results[name], 0) / batches.length;
  const tally = new Map<string, [number, number]>();
  let right = 0,
    count = 0;
  for (const { results, kinds } of batches) {
    kinds.forEach((kind, i) => {
      if (kind === undefined) return;
      const hit = results.hits[i]! > 0 ? 1 : 0;
      const [r, n] = tally.get(kind) ?? [0, 0];
      tally.set(kind, [r + hit, n + 1]);
      right += hit;
      count += 1;
    });
  }
  return {
    step,
    rate,
    gradNorm,
    total: mean("total"),
    ground: mean("ground"),
    language: mean("language"),
    recon: mean("recon"),
    anchor: mean("anchor"),
    anchorAttention: mean("anchorAttention"),
    accuracy: right / count,
    byKind: Object.fromEntries([...tally].map(([kind, [r, n]]) => [kind, r / n])),
  };
}

/** int32[B*Q] index of each sentence's best score in the flattened [B*Q*(O+1)] table. */
function bestCells(scores: tf.Tensor3D): tf.Tensor1D {
  const [B, Q, columns] = scores.shape;
  const best = tf.argMax(scores, -1).reshape([-1]);
  return best.add(tf.range(0, B * Q, 1, "int32").mul(tf.scalar(columns, "int32"))).toInt() as tf.Tensor1D;
}
