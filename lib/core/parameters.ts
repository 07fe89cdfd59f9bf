import { UserError } from "./errors";

/** How a parameter starts. */
export type Init =
  | { readonly kind: "zeros" | "ones" }
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "uniform"; readonly limit: number }
  | { readonly kind: "identity"; readonly scale?: number };

/** A parameter before anything is allocated. */
export interface ParameterSpec {
  /** Hugging Face name. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: Init;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

export type Training = "train" | "frozen";

/** One rule of what trains: the first pattern that matches a parameter's name decides. */
export interface TrainRule {
  readonly pattern: RegExp;
  readonly training: Training;
  /** Shown in the parameter table, such as "last 4 layers, full". */
  readonly label: string;
  /** Factor on the learning rate; 1 unless stated. */
  readonly rate?: number;
}

export interface PlannedParameter {
  readonly training: Training;
  readonly label: string;
  readonly rate: number;
}

/**
 * Decides for every parameter whether it trains.
 *
 * @throws UserError when a parameter is covered by no rule, or a rule matches no parameter
 */
export function planTraining(names: readonly string[], rules: readonly TrainRule[]): Map<string, PlannedParameter> {
  const used = new Set<TrainRule>();
  const plan = new Map<string, PlannedParameter>();
  for (const name of names) {
    const rule = rules.find((r) => r.pattern.test(name));
    if (rule === undefined)
      throw new UserError(`no training rule covers parameter "${name}"; add one to the preset's rules`);
    used.add(rule);
    plan.set(name, { training: rule.training, label: rule.label, rate: rule.rate ?? 1 });
  }
  const idle = rules.find((r) => !used.has(r));
  if (idle !== undefined)
    throw new UserError(`training rule ${String(idle.pattern)} (${idle.label}) matches no parameter`);
  return plan;
}
