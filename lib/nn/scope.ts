import type * as tf from "@tensorflow/tfjs-core";
import type { Rng } from "../core/rng";

/** What the low-rank adapters of every linear layer under a scope share. */
export interface AdapterSettings {
  /** α / r */
  readonly scale: number;
  /** Dropout on the adapters' input, in training only. */
  readonly dropout?: { readonly rate: number; readonly rng: Rng };
}

/** A view of the flat parameter map below a name prefix: `p.at("self_attn").get("q_proj.weight")`. */
export class Scope {
  constructor(
    private readonly parameters: ReadonlyMap<string, tf.Tensor>,
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
}
