import type { S2Config } from "../config/schema";
import { type PlannedParameter, planTraining } from "../core/parameters";
import { Rng } from "../core/rng";
import { inputGroup, modelInputs, stepInputs } from "../dataloader/step-inputs";
import { freeze, RepeatedStep, runOnce, tf } from "../engine/tf";
import type { ModelInputs, Targets } from "../model/inputs";
import type { SharedPrompt } from "../model/prompt";
import { forward } from "../model/s2mllm";
import { RecomputedParameters } from "../nn/recomputed";
import type { ParameterSource } from "../nn/scope";
import { describeModel, trainRules } from "../weights/describe";
import { lossParts, totalLoss } from "./losses/total";
import { AdamW, type UpdateNumbers } from "./optimizer";
import { learningRate } from "./schedule";

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

/** Updates of one configuration's parameters, whatever batches it is given. */
export class TrainingStep {
  readonly optimizer: AdamW;
  readonly plan: ReadonlyMap<string, PlannedParameter>;
  readonly #trainable: Map<string, tf.Variable>;
  readonly #source: ParameterSource;
  readonly #rng: Rng;
  readonly #repeated = new RepeatedStep((tensors) => this.#compute(tensors, undefined));
  readonly #gathering = new RepeatedStep((tensors) => this.#gather(tensors, undefined));
  readonly #applying = new RepeatedStep((tensors) => this.#apply(tensors));
  /** Sums of gradients over the batches of an update, where there are several. */
  #gathered: Map<string, tf.Variable> | undefined;
  #frozen = false;

  constructor(
    private readonly config: S2Config,
    private readonly prompt: Pick<SharedPrompt, "before" | "after">,
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
  run(step: number, batch: StepBatch, kinds: readonly (string | undefined)[]): StepReport {
    this.#freeze();
    const rate = learningRate(step, this.config.training);
    const numbers = this.optimizer.begin(rate);
    const given = stepInputs({ inputs: batch.inputs, targets: batch.targets, numbers });
    const values = this.#once
      ? runOnce((tensors) => this.#compute(tensors, this.#noise(`noise-${step}`)), given)
      : this.#repeated.run(given);
    tf.dispose(Object.values(numbers));
    const [total, gradNorm, ...rest] = Array.from(values);
    return reportOf(step, rate, gradNorm!, [{ values: Float32Array.of(total!, ...rest), kinds }]);
  }

  /** One update by the mean gradient of several batches, of which one is in memory at a time. */
  runSeveral(step: number, batches: readonly (() => LabelledBatch)[]): StepReport {
    this.#freeze();
    const rate = learningRate(step, this.config.training);
    this.#gathered ??= new Map(
      [...this.#trainable].map(([name, { size, shape }]) => {
        const start = tf.tensor(new Float32Array(size), shape);
        const sum = tf.variable(start, false);
        start.dispose();
        return [name, sum];
      }),
    );
    const reports = batches.map((make, i) => {
      const { batch, kinds } = make();
      // the sums start anew with the first batch
      const keep = tf.scalar(i === 0 ? 0 : 1);
      try {
        const given = stepInputs({ inputs: batch.inputs, targets: batch.targets, gathered: { keep } });
        const values = this.#once
          ? runOnce((tensors) => this.#gather(tensors, this.#noise(`noise-${step}-${i}`)), given)
          : this.#gathering.run(given);
        return { values: Float32Array.from(values), kinds };
      } finally {
        keep.dispose();
        batch.dispose();
      }
    });
    const numbers = this.optimizer.begin(rate);
    const share = tf.scalar(1 / batches.length);
    const [gradNorm] = this.#applying.run(stepInputs({ numbers, gathered: { share } }));
    tf.dispose([share, ...Object.values(numbers)]);
    return reportOf(step, rate, gradNorm!, reports);
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

  /** The step's program: losses, gradients, update. @returns float32[7 + B*Q] loss, gradient norm, parts of the loss, hits */
  #compute(given: tf.NamedTensorMap, rng: Rng | undefined): tf.Tensor {
    const { value, grads, parts } = this.#gradients(given, rng);
    const norm = this.optimizer.apply(grads, inputGroup(given, "numbers") as unknown as UpdateNumbers);
    const all = tf.concat([value.reshape([1]), norm.reshape([1]), ...parts]);
    tf.dispose(parts);
    return all;
  }

  /** Adds a batch's gradients to those of the update's other batches. @returns float32[6 + B*Q] loss, its parts, hits */
  #gather(given: tf.NamedTensorMap, rng: Rng | undefined): tf.Tensor {
    const { keep } = inputGroup(given, "gathered");
    const { value, grads, parts } = this.#gradients(given, rng);
    const present = this.optimizer.requireGradients(grads);
    [...this.#gathered!.values()].forEach((sum, i) => sum.assign(sum.mul(keep!).add(present[i]!)));
    const all = tf.concat([value.reshape([1]), ...parts]);
    tf.dispose(parts);
    return all;
  }

  /** The update by what was gathered. @returns float32[1] the gradient norm */
  #apply(given: tf.NamedTensorMap): tf.Tensor {
    const { share } = inputGroup(given, "gathered");
    const mean = Object.fromEntries([...this.#gathered!].map(([name, sum]) => [name, sum.mul(share!)]));
    return this.optimizer.apply(mean, inputGroup(given, "numbers") as unknown as UpdateNumbers).reshape([1]);
  }

  /** Loss, gradients by parameter name, and what the report tells: the parts of the loss and the hits, kept. */
  #gradients(
    given: tf.NamedTensorMap,
    rng: Rng | undefined,
  ): { value: tf.Scalar; grads: Record<string, tf.Tensor>; parts: tf.Tensor[] } {
    const { config } = this;
    const inputs = modelInputs(given, this.prompt);
    const targets = inputGroup(given, "targets") as unknown as Targets;
    let parts: tf.Tensor[] = [];
    const { value, grads } = tf.variableGrads(() => {
      const outputs = forward(this.#source, inputs, config, { training: true, ...(rng === undefined ? {} : { rng }) });
      const losses = lossParts(this.parameters, outputs, inputs, targets, config);
      const hits = tf.gather(targets.positives.reshape([-1]), bestCells(outputs.scores)).reshape([-1]);
      const zero = tf.scalar(0);
      parts = [
        losses.ground,
        losses.language ?? zero,
        losses.recon ?? zero,
        losses.anchor ?? zero,
        losses.anchorAttention ?? zero,
      ].map((t) => tf.keep(t.reshape([1])));
      parts.push(tf.keep(hits));
      return totalLoss(losses, config.lossWeights);
    }, [...this.#trainable.values()]);
    return {
      value,
      grads: Object.fromEntries([...this.#trainable].map(([name, variable]) => [name, grads[variable.name]!])),
      parts,
    };
  }

  dispose(): void {
    this.optimizer.dispose();
    tf.dispose([...(this.#gathered?.values() ?? [])]);
  }
}

/** A report from what each batch of an update gave: loss, its five parts, a hit or miss for each sentence. */
function reportOf(
  step: number,
  rate: number,
  gradNorm: number,
  batches: readonly { readonly values: Float32Array; readonly kinds: readonly (string | undefined)[] }[],
): StepReport {
  const mean = (at: number): number => batches.reduce((sum, { values }) => sum + values[at]!, 0) / batches.length;
  const [total, ground, language, recon, anchor, anchorAttention] = [
    mean(0),
    mean(1),
    mean(2),
    mean(3),
    mean(4),
    mean(5),
  ];
  const tally = new Map<string, [number, number]>();
  let right = 0,
    count = 0;
  for (const { values, kinds } of batches) {
    kinds.forEach((kind, i) => {
      if (kind === undefined) return;
      const hit = values[6 + i]! > 0 ? 1 : 0;
      const [r, n] = tally.get(kind) ?? [0, 0];
      tally.set(kind, [r + hit, n + 1]);
      right += hit;
      count += 1;
    });
  }
  return {
    step,
    rate,
    total,
    gradNorm,
    ground,
    language,
    recon,
    anchor,
    anchorAttention,
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
