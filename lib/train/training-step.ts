import type { S2Config } from "../config/schema";
import { planTraining, type PlannedParameter } from "../core/parameters";
import { Rng } from "../core/rng";
import { RepeatedStep, runOnce } from "../engine/step";
import { tf } from "../engine/tf";
import { describeModel, trainRules } from "../model/describe";
import type { ModelInputs, Targets } from "../model/inputs";
import type { SharedPrompt } from "../model/prompt";
import { forward } from "../model/s2mllm";
import { lossParts, totalLoss } from "./losses/total";
import { AdamW, type UpdateNumbers } from "./optimizer";
import { learningRate } from "./schedule";
import { inputGroup, modelInputs, stepInputs } from "./step-inputs";

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

/** One update of one configuration's parameters, whatever batch it is given. */
export class TrainingStep {
  readonly optimizer: AdamW;
  readonly plan: ReadonlyMap<string, PlannedParameter>;
  readonly #trainable: Map<string, tf.Variable>;
  readonly #rng: Rng;
  readonly #repeated = new RepeatedStep((tensors) => this.#compute(tensors, undefined));

  constructor(
    private readonly config: S2Config,
    private readonly prompt: Pick<SharedPrompt, "before" | "after">,
    private readonly parameters: ReadonlyMap<string, tf.Variable>,
  ) {
    this.plan = planTraining(describeModel(config).map((s) => s.name), trainRules(config));
    this.#trainable = new Map([...parameters].filter(([name]) => this.plan.get(name)!.training === "train"));
    this.optimizer = new AdamW(this.#trainable, this.plan, config.training);
    this.#rng = new Rng(config.seed, "train");
  }

  /**
   * Forward, losses, gradients, AdamW.
   *
   * @param kinds kind of each of the B*Q sentences; undefined for padding
   */
  run(step: number, { inputs, targets }: { readonly inputs: ModelInputs; readonly targets: Targets }, kinds: readonly (string | undefined)[]): StepReport {
    const { config } = this;
    const rate = learningRate(step, config.training);
    const numbers = this.optimizer.begin(rate);
    const given = stepInputs({ inputs, targets, numbers });
    const { structure, lora } = config;
    const random = structure.dropPath > 0 || lora.dropout > 0;
    const values = random ? runOnce((tensors) => this.#compute(tensors, this.#rng.fork(`noise-${step}`)), given) : this.#repeated.run(given);
    tf.dispose(Object.values(numbers));
    const [total, gradNorm, ground, language, recon, anchor, anchorAttention] = values as unknown as number[];
    const hits = values.subarray(7);
    const tally = new Map<string, [number, number]>();
    let right = 0, count = 0;
    kinds.forEach((kind, i) => {
      if (kind === undefined) return;
      const hit = hits[i]! > 0 ? 1 : 0;
      const [r, n] = tally.get(kind) ?? [0, 0];
      tally.set(kind, [r + hit, n + 1]);
      right += hit;
      count += 1;
    });
    return {
      step, rate, total: total!, gradNorm: gradNorm!, ground: ground!, language: language!, recon: recon!, anchor: anchor!, anchorAttention: anchorAttention!,
      accuracy: right / count,
      byKind: Object.fromEntries([...tally].map(([kind, [r, n]]) => [kind, r / n])),
    };
  }

  /** The step's program: losses, gradients, update. @returns float32[7 + B*Q] losses, gradient norm, hits */
  #compute(given: tf.NamedTensorMap, rng: Rng | undefined): tf.Tensor {
    const { config } = this;
    const inputs = modelInputs(given, this.prompt);
    const targets = inputGroup(given, "targets") as unknown as Targets;
    const numbers = inputGroup(given, "numbers") as unknown as UpdateNumbers;
    let parts: tf.Tensor[] = [];
    const { value, grads } = tf.variableGrads(() => {
      const outputs = forward(this.parameters, inputs, config, { training: true, ...(rng === undefined ? {} : { rng }) });
      const losses = lossParts(this.parameters, outputs, inputs, targets, config);
      const hits = tf.gather(targets.positives.reshape([-1]), bestCells(outputs.scores)).reshape([-1]);
      const zero = tf.scalar(0);
      parts = [
        losses.ground, losses.language ?? zero, losses.recon ?? zero, losses.anchor ?? zero, losses.anchorAttention ?? zero,
      ].map((t) => tf.keep(t.reshape([1])));
      parts.push(tf.keep(hits));
      return totalLoss(losses, config.lossWeights);
    }, [...this.#trainable.values()]);
    const named = Object.fromEntries([...this.#trainable].map(([name, variable]) => [name, grads[variable.name]!]));
    const norm = this.optimizer.apply(named, numbers);
    const all = tf.concat([value.reshape([1]), norm.reshape([1]), ...parts]);
    tf.dispose(parts);
    return all;
  }
}

/** int32[B*Q] index of each sentence's best score in the flattened [B*Q*(O+1)] table. */
function bestCells(scores: tf.Tensor3D): tf.Tensor1D {
  const [B, Q, columns] = scores.shape;
  const best = tf.argMax(scores, -1).reshape([-1]);
  return best.add(tf.range(0, B * Q, 1, "int32").mul(tf.scalar(columns, "int32"))).toInt() as tf.Tensor1D;
}
