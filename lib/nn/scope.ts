import type * as tf from "@tensorflow/tfjs-core";
import type { Rng } from "../core/rng";

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
  /** Runs one part of a model to its end and frees the parameters that it read. Absent where all stay in memory. */
  part?<T>(run: () => T): T;
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
    if (found === undefined) throw new Error(`parameter "${this.prefix}${name}" is missing from the model's parameters`);
    return found;
  }

  /** The result of `run`, a part of the model that reads parameters of its own: they may be freed behind it. */
  part<T>(run: () => T): T {
    return this.parameters.part === undefined ? run() : this.parameters.part(run);
  }
}
