import type { Forms } from "../forms";
import type { Attributes } from "../graph";

/** A node about to be added to a graph. */
export interface Call {
  readonly inputs: readonly string[];
  readonly attributes: Attributes;
  /** How many outputs it has. */
  readonly outputs: number;
  /** Ranks of the inputs, where the caller knows them. */
  readonly ranks?: readonly number[];
}

/** Emits other nodes in place of one that a provider lacks; undefined leaves the node as it is. */
export type Rule = (f: Forms, call: Call) => string | readonly string[] | undefined;

/** By ONNX operation. */
export type Rules = Readonly<Record<string, Rule>>;
