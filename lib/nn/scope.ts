import type { Rng } from "../core/rng";
import type { tf } from "../engine/tf";

/** What the low-rank adapters of every linear layer under a scope share. */
export interface AdapterSettings {
  /** α / r */
  readonly scale: number;
  /** Dropout on the adapters' input, in training only. */
  readonly dropout?: { readonly rate: number; readonly rng: Rng };
}

/** Where parameters come from: a map, or a store that reads them when they are asked for. */
export interface ParameterSource {
  get(name: string): tf.Tensor | undefined;
  has(name: string): boolean;
  /**
   * Runs one part of a model to its end and frees what it made on the way. Absent where all stays in memory.
   *
   * @param prefix of the names of the parameters that the part reads
   * @param inputs what the part is a function of, besides those parameters; none: it only holds other parts together
   */
  part?<T>(run: (...inputs: tf.Tensor[]) => T, prefix: string, inputs: readonly tf.Tensor[]): T;
}

/** A view of the flat parameters below a name prefix: `p.at("self_attn").get("q_proj.weight")`. */
export class Scope {
  constructor(
    private readonly parameters: ParameterSource,
    readonly adapters: AdapterSettings = { scale: 1 },
    readonly prefix = "",
  ) {}

  at(name: string): Scope {
    return new Scope(this.parameters, this.adapters, `${this.prefix}${name}.`);
  }

  has(name: string): boolean {
    return this.parameters.has(this.prefix + name);
  }

  /** @throws Error naming the parameter that is not there */
  get(name: string): tf.Tensor {
    const found = this.parameters.get(this.prefix + name);
    if (found === undefined)
      throw new Error(`parameter "${this.prefix}${name}" is missing from the model's parameters`);
    return found;
  }

  /**
   * The result of `run`, a part of the model that reads parameters of its own, below this scope: they may be freed
   * behind it.
   *
   * @param inputs given to `run`; with them it may run a second time, for its gradient, and must read nothing else
   *   that has one
   */
  part<T, I extends tf.Tensor[]>(run: (...inputs: I) => T, ...inputs: I): T {
    return this.parameters.part === undefined
      ? run(...inputs)
      : this.parameters.part(run as (...inputs: tf.Tensor[]) => T, this.prefix, inputs);
  }
}
