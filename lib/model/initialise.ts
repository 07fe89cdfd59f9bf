import type { S2Config } from "../config/schema";
import { type Init, type ParameterSpec, sizeOf } from "../core/parameters";
import type { Rng } from "../core/rng";
import { tf } from "../engine/tf";

export type InitStyle = S2Config["language"]["init"];

/** How a weight of fan `inputs` → `outputs` starts; `gain` scales Xavier's limit. */
export function weightInit(style: InitStyle, inputs: number, outputs: number, gain = 1): Init {
  if (style === "huggingface") return { kind: "normal", std: 0.02 };
  return { kind: "uniform", limit: gain * Math.sqrt(6 / (inputs + outputs)) };
}

/** The model's weights by checkpoint name. */
export type Parameters = ReadonlyMap<string, tf.Variable>;

/** The starting values of one parameter; fixed by the rng's seed and the parameter's name. */
export function initialValues(spec: ParameterSpec, rng: Rng): Float32Array {
  const values = new Float32Array(sizeOf(spec.shape));
  const { init } = spec;
  const own = rng.fork(spec.name);
  switch (init.kind) {
    case "zeros":
      return values;
    case "ones":
      return values.fill(1);
    case "normal":
      return values.map(() => init.std * own.normal());
    case "uniform":
      return values.map(() => own.uniform(-init.limit, init.limit));
    case "identity": {
      const width = spec.shape[1]!;
      for (let i = 0; i < Math.min(spec.shape[0]!, width); i++) values[i * width + i] = init.scale ?? 1;
      return values;
    }
  }
}

/**
 * Allocates and fills every parameter. The variables are made trainable; training rules decide which ones are updated.
 */
export function initParameters(specs: readonly ParameterSpec[], rng: Rng): Map<string, tf.Variable> {
  return new Map(
    specs.map((spec) => {
      const start = tf.tensor(initialValues(spec, rng), [...spec.shape]);
      const variable = tf.variable(start);
      start.dispose();
      return [spec.name, variable];
    }),
  );
}

/** Frees every parameter. */
export function disposeParameters(parameters: Parameters): void {
  for (const variable of parameters.values()) variable.dispose();
}
