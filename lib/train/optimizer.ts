import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { PlannedParameter } from "../core/parameters";
import { adamw, sumSquares, tf } from "../engine/tf";

interface Moments {
  readonly first: tf.Variable;
  readonly second: tf.Variable;
}

/** What changes from update to update, as tensors so that an update is always the same program. */
export type UpdateNumbers = Readonly<Record<"rate" | "correction1" | "correction2", tf.Scalar>>;

/** One dimension or fewer: biases, norms and single vectors take no weight decay (the usual rule for AdamW). */
export function decays(shape: readonly number[]): boolean {
  return shape.length > 1;
}

/**
 * AdamW with decoupled weight decay (Loshchilov and Hutter 2019) and clipping by the global gradient norm.
 * State is kept by parameter name, so that a checkpoint of one run fits a run with other trainable parameters.
 */
export class AdamW {
  readonly #moments = new Map<string, Moments>();
  #updates = 0;

  constructor(
    private readonly variables: ReadonlyMap<string, tf.Variable>,
    private readonly plan: ReadonlyMap<string, PlannedParameter>,
    private readonly config: S2Config["training"],
  ) {
    // numbers rather than tf.zeros, which is an operation: the first update would be a graph of its own
    const zeros = (variable: tf.Variable): tf.Variable => {
      const start = tf.tensor(new Float32Array(variable.size), variable.shape);
      const moment = tf.variable(start, false);
      start.dispose();
      return moment;
    };
    for (const [name, variable] of variables)
      this.#moments.set(name, { first: zeros(variable), second: zeros(variable) });
  }

  /** Updates applied so far. */
  get updates(): number {
    return this.#updates;
  }

  /** Counts an update and gives the numbers it needs; the caller frees them. @param rate learning rate */
  begin(rate: number): UpdateNumbers {
    const { beta1, beta2 } = this.config;
    this.#updates += 1;
    return {
      rate: tf.scalar(rate),
      correction1: tf.scalar(1 - beta1 ** this.#updates),
      correction2: tf.scalar(1 - beta2 ** this.#updates),
    };
  }

  /** The gradients in the order of the parameters. @throws UserError naming one that is missing */
  requireGradients(grads: Readonly<Record<string, tf.Tensor | undefined>>): tf.Tensor[] {
    return [...this.variables.keys()].map((name) => {
      const grad = grads[name];
      if (grad === undefined)
        throw new UserError(
          `training: parameter "${name}" has no gradient in this configuration; freeze it by a training rule`,
        );
      return grad;
    });
  }

  /**
   * One update: a pure function of the gradients, the variables and `numbers`.
   *
   * @param grads by parameter name; a trainable parameter without one is an error
   * @param numbers what `begin` gave
   * @returns the gradient norm before clipping (scalar, for the log)
   */
  apply(grads: Readonly<Record<string, tf.Tensor>>, { rate, correction1, correction2 }: UpdateNumbers): tf.Scalar {
    const { beta1, beta2, epsilon, weightDecay, clipNorm } = this.config;
    return tf.tidy(() => {
      const present = this.requireGradients(grads);
      const norm = tf.addN(present.map(sumSquares)).add(1e-20).sqrt().asScalar();
      const scale = tf.minimum(tf.div(clipNorm, norm), 1).asScalar();
      const shared = {
        beta1: tf.scalar(beta1),
        beta2: tf.scalar(beta2),
        eps: tf.scalar(epsilon),
        correction1,
        correction2,
        gradScale: scale,
      };
      const rates = new Map<number, tf.Scalar>();
      const rateOf = (factor: number): tf.Scalar => {
        if (!rates.has(factor)) rates.set(factor, factor === 1 ? rate : rate.mul(factor));
        return rates.get(factor)!;
      };
      const decay = tf.scalar(weightDecay);
      for (const [name, variable] of this.variables) {
        const { first, second } = this.#moments.get(name)!;
        const [value, m, v] = adamw(variable, grads[name]!, first, second, {
          ...shared,
          lr: rateOf(this.plan.get(name)!.rate),
          ...(decays(variable.shape) ? { weightDecay: decay } : {}),
        });
        variable.assign(value);
        first.assign(m);
        second.assign(v);
      }
      return norm;
    });
  }

  /** Moments as named tensors ("m.<name>", "v.<name>"), for a checkpoint. */
  state(): Map<string, tf.Tensor> {
    return new Map(
      [...this.#moments].flatMap(
        ([name, { first, second }]) =>
          [
            [`m.${name}`, first],
            [`v.${name}`, second],
          ] as [string, tf.Tensor][],
      ),
    );
  }

  /** Puts moments back. @throws UserError when a tensor is missing */
  restore(state: ReadonlyMap<string, tf.Tensor>, updates: number): void {
    for (const [name, moments] of this.#moments) {
      for (const [key, variable] of [
        [`m.${name}`, moments.first],
        [`v.${name}`, moments.second],
      ] as const) {
        const tensor = state.get(key);
        if (tensor === undefined)
          throw new UserError(`optimizer state lacks "${key}"; the checkpoint belongs to another configuration`);
        // assigning a variable to itself would free its numbers
        if (tensor !== variable) variable.assign(tensor);
      }
    }
    this.#updates = updates;
  }

  dispose(): void {
    for (const { first, second } of this.#moments.values()) tf.dispose([first, second]);
  }
}
