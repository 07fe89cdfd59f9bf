import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { type PlannedParameter, planTraining } from "../core/parameters";
import { adamw, tf } from "../engine/tf";
import type { ModelInputs, Targets } from "../model/inputs";
import { forward } from "../model/s2mllm";
import { describeModel, trainRules } from "../weights/describe";
import { StreamedTraining } from "../weights/streamed";
import type { Weights } from "../weights/weights";
import { lossParts, totalLoss } from "./losses/total";
import { decays } from "./optimizer";

/** What a training pass with streamed weights gives. */
export interface StreamedGradients {
  readonly loss: number;
  /** Norm over all trained parameters. */
  readonly norm: number;
  /** float32 numbers by parameter name, of every trained parameter. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  readonly plan: ReadonlyMap<string, PlannedParameter>;
  /** Bytes of parameters that were read, as float32. */
  readonly bytesRead: number;
}

/**
 * Loss and gradients of one batch with weights that are read part by part, forward and again backward. Memory: the
 * gradients, the word embeddings, and one part's parameters and intermediate results.
 *
 * @param onPart told of the bytes read so far, after each part
 * @throws UserError when a trained parameter gets no gradient
 */
export function streamedGradients(
  weights: Weights,
  inputs: ModelInputs,
  targets: Targets,
  config: S2Config,
  onPart?: (bytesRead: number) => void,
): StreamedGradients {
  const plan = planTraining(
    describeModel(config).map(({ name }) => name),
    trainRules(config),
  );
  const trained = [...plan].filter(([, { training }]) => training === "train").map(([name]) => name);
  const parameters = new StreamedTraining(weights, trained, onPart);
  try {
    const { value, grads } = tf.variableGrads(
      () =>
        totalLoss(
          lossParts(parameters, forward(parameters, inputs, config, { training: true }), inputs, targets, config),
          config.lossWeights,
        ),
      [...parameters.held.values(), parameters.hook],
    );
    const gradients = new Map(parameters.gradients);
    for (const [name, variable] of parameters.held) {
      const gradient = grads[variable.name];
      if (gradient != null) gradients.set(name, gradient.dataSync() as Float32Array);
    }
    const missing = trained.find((name) => !gradients.has(name));
    if (missing !== undefined)
      throw new UserError(
        `training: parameter "${missing}" has no gradient in this configuration; freeze it by a training rule`,
      );
    const loss = value.dataSync()[0]!;
    tf.dispose([value, ...Object.values(grads)]);
    let squares = 0;
    for (const numbers of gradients.values()) for (let i = 0; i < numbers.length; i++) squares += numbers[i]! ** 2;
    return { loss, norm: Math.sqrt(squares), gradients, plan, bytesRead: parameters.bytesRead };
  } finally {
    parameters.dispose();
  }
}

/** A parameter after its first update, and its moments; float32 numbers. */
export type FirstUpdate = readonly [value: Float32Array, first: Float32Array, second: Float32Array];

/**
 * AdamW's first update of one parameter by streamed gradients.
 *
 * @param rate learning rate
 */
export function firstUpdate(
  name: string,
  weights: Weights,
  { gradients, norm, plan }: StreamedGradients,
  config: S2Config["training"],
  rate: number,
): FirstUpdate {
  const { shape } = weights.specs.get(name)!;
  const tensors = tf.tidy(() => {
    const zeros = tf.zeros([...shape]);
    return adamw(
      tf.tensor(weights.values(name), [...shape]),
      tf.tensor(gradients.get(name)!, [...shape]),
      zeros,
      zeros,
      {
        lr: tf.scalar(rate * plan.get(name)!.rate),
        beta1: tf.scalar(config.beta1),
        beta2: tf.scalar(config.beta2),
        eps: tf.scalar(config.epsilon),
        correction1: tf.scalar(1 - config.beta1),
        correction2: tf.scalar(1 - config.beta2),
        gradScale: tf.scalar(Math.min(1, config.clipNorm / norm)),
        ...(decays(shape) ? { weightDecay: tf.scalar(config.weightDecay) } : {}),
      },
    );
  });
  const numbers = tensors.map((t) => t.dataSync() as Float32Array) as [Float32Array, Float32Array, Float32Array];
  tf.dispose(tensors);
  return numbers;
}
