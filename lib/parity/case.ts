import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { presets } from "../config/presets";
import { merge, parseConfig } from "../config/resolve";
import { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { ParameterSpec } from "../core/parameters";
import { tf } from "../engine/tf";
import type { Box } from "../geometry/box";
import { readJsonAs } from "../io/json";
import { numbersOf, readSafetensors, type StoredTensor } from "../io/safetensors";
import { matchNames, matchProblems } from "../weights/hf-names";

/** One tensor of a golden, as index.json describes it. */
const GoldenTensor = z.looseObject({
  name: z.string(),
  role: z.enum(["param", "input", "output", "grad"]),
  shape: z.array(z.int().min(0)),
  meaning: z.string().optional(),
  tolerance: z.number().optional(),
  tolerance_abs: z.number().optional(),
  analytically_zero: z.boolean().optional(),
});
export type GoldenTensor = Readonly<z.output<typeof GoldenTensor>>;

/** One golden: a file of tensors and the configuration it was made with; goldens of evaluation have rows and tables. */
const Golden = z.looseObject({
  file: z.string(),
  config: z.record(z.string(), z.unknown()),
  tensors: z.array(GoldenTensor),
});
export type Golden = Readonly<z.output<typeof Golden>>;

/** Reads index.json of a goldens folder. @throws UserError when it is not one */
export function readGoldens(folder: string): Golden[] {
  const path = join(folder, "index.json");
  if (!existsSync(path))
    throw new UserError(`${folder}: no index.json in it; --goldens takes a folder in the goldens' format`, 2);
  return readJsonAs(path, z.object({ goldens: z.array(Golden) })).goldens;
}

/** A value that a runner gives for a tensor of the golden. */
export interface Produced {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
  /** 0/1 for each row (all axes but the last): rows to leave out, because the reference's are meaningless. */
  readonly rows?: readonly number[];
}

/** One golden with its numbers read. */
export class Case {
  readonly name: string;
  private readonly stored: ReadonlyMap<string, StoredTensor>;

  constructor(
    readonly folder: string,
    readonly golden: Golden,
  ) {
    this.name = golden.file.replace(/\.safetensors$/, "");
    this.stored = readSafetensors(join(folder, golden.file));
  }

  has(name: string): boolean {
    return this.stored.has(name);
  }

  named(pattern: RegExp): string[] {
    return this.golden.tensors.map(({ name }) => name).filter((name) => pattern.test(name));
  }

  shape(name: string): number[] {
    return this.get(name).shape;
  }

  numbers(name: string): number[] {
    return numbersOf(this.get(name));
  }

  /** float32, or int32 for whole numbers. */
  tensor<T extends tf.Tensor = tf.Tensor>(name: string): T {
    const stored = this.get(name);
    const floats = stored.data instanceof Float32Array;
    return tf.tensor(
      floats ? (stored.data as Float32Array) : Int32Array.from(numbersOf(stored)),
      stored.shape,
      floats ? "float32" : "int32",
    ) as T;
  }

  /** An option of the golden's config. @throws UserError naming it when it is missing or of another form */
  setting<T>(name: string, schema: z.ZodType<T>, fallback?: T): T {
    const value = this.golden.config[name] ?? fallback;
    if (value === undefined) throw new UserError(`golden ${this.name}: its config lacks "${name}"`);
    return this.#parsed(value, schema, `config.${name}`);
  }

  /** Several options of the golden's config. @throws UserError naming those that are missing or of another form */
  settings<T>(schema: z.ZodType<T>): T {
    return this.#parsed(this.golden.config, schema, "config");
  }

  /** Facts of the golden beside its tensors. @throws UserError naming what is missing or of another form */
  facts<T>(schema: z.ZodType<T>): T {
    return this.#parsed(this.golden, schema, "");
  }

  #parsed<T>(value: unknown, schema: z.ZodType<T>, at: string): T {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const problems = parsed.error.issues.map(({ path, message }) => {
      const place = [...(at === "" ? [] : [at]), ...path.map(String)].join(".");
      return `${place}: ${message}`;
    });
    throw new UserError(`golden ${this.name}: ${problems.join("; ")}`);
  }

  /** Boxes that a tensor holds, six numbers each. */
  boxes(name: string): Box[] {
    const flat = this.numbers(name);
    return Array.from({ length: flat.length / 6 }, (_, i): Box => {
      const at = 6 * i;
      return [flat[at]!, flat[at + 1]!, flat[at + 2]!, flat[at + 3]!, flat[at + 4]!, flat[at + 5]!];
    });
  }

  /** Stored tensors of role param, without the prefix that `prefix` matches. */
  parameterFiles(prefix = /^param\./): Map<string, StoredTensor> {
    return new Map(this.named(prefix).map((name) => [name.replace(prefix, ""), this.get(name)]));
  }

  private get(name: string): StoredTensor {
    const found = this.stored.get(name);
    if (found === undefined) throw new UserError(`golden ${this.name}: no tensor "${name}" in the file`);
    return found;
  }
}

/** The paper's preset with a golden's sizes. */
export function caseConfig(change: Record<string, unknown>): S2Config {
  return parseConfig(merge({ ...presets["llava-video-7b"] }, change), "golden");
}

/**
 * The same for a golden of one block, such as the projector: only that block's sizes are the golden's, and they need
 * not fit the rest of a model.
 */
export function blockConfig(change: Record<string, unknown>): S2Config {
  return S2Config.parse(merge({ ...presets["llava-video-7b"] }, change));
}

/** Language model settings in Hugging Face's words. */
export const HfLanguage = z.looseObject({
  vocab_size: z.int(),
  hidden_size: z.int(),
  intermediate_size: z.int(),
  num_hidden_layers: z.int(),
  num_attention_heads: z.int(),
  num_key_value_heads: z.int(),
  rope_theta: z.number(),
  rms_norm_eps: z.number(),
});

export function languageConfig(hf: z.output<typeof HfLanguage>): Record<string, unknown> {
  return {
    vocabSize: hf.vocab_size,
    hiddenSize: hf.hidden_size,
    intermediateSize: hf.intermediate_size,
    layers: hf.num_hidden_layers,
    heads: hf.num_attention_heads,
    kvHeads: hf.num_key_value_heads,
    ropeTheta: hf.rope_theta,
    rmsNormEps: hf.rms_norm_eps,
  };
}

/**
 * Fills the given parameters from stored tensors through the checkpoint name map.
 *
 * @throws UserError naming every missing, unexpected or misshapen tensor
 */
export function loadParameters(
  specs: readonly ParameterSpec[],
  stored: ReadonlyMap<string, StoredTensor>,
): Map<string, tf.Variable> {
  const match = matchNames(specs, stored);
  const problems = matchProblems(match);
  if (problems.length > 0)
    throw new UserError(
      "parameters do not fit the model: " +
        `${problems.slice(0, 8).join("; ")}${problems.length > 8 ? `; and ${problems.length - 8} more` : ""}`,
    );
  return new Map(
    [...match.found].map(([name, from]) => {
      const { data, shape } = stored.get(from)!;
      return [name, tf.variable(tf.tensor(data as Float32Array, shape))];
    }),
  );
}

/** Reads a tensor. */
export function valueOf(tensor: tf.Tensor, rows?: readonly number[]): Produced {
  return { data: tensor.dataSync(), shape: tensor.shape, ...(rows === undefined ? {} : { rows }) };
}

/** Numbers with a shape. */
export function numbers(data: ArrayLike<number>, shape: readonly number[] = [data.length]): Produced {
  return { data, shape };
}

export interface Differentiated {
  readonly loss: Produced;
  readonly outputs: ReadonlyMap<string, Produced>;
  /** By the names in `wrt`; a variable that the loss does not reach has zeros. */
  readonly grads: ReadonlyMap<string, Produced>;
}

/** Runs `f`, reads what it returns, and the gradient of its loss at every variable of `wrt`. */
export function differentiate(
  f: () => { loss: tf.Scalar; outputs: Readonly<Record<string, tf.Tensor>> },
  wrt: ReadonlyMap<string, tf.Variable>,
): Differentiated {
  let kept: [string, tf.Tensor][] = [];
  const run = (): tf.Scalar => {
    const { loss, outputs } = f();
    kept = Object.entries(outputs).map(([name, tensor]) => [name, tf.keep(tensor.clone())]);
    return loss;
  };
  // a golden may ask for no gradient at all
  const { value, grads } =
    wrt.size === 0 ? { value: tf.tidy(run), grads: {} as tf.NamedTensorMap } : tf.variableGrads(run, [...wrt.values()]);
  const result: Differentiated = {
    loss: valueOf(value),
    outputs: new Map(kept.map(([name, tensor]) => [name, valueOf(tensor)])),
    grads: new Map(
      [...wrt].map(([name, variable]) => {
        const grad = grads[variable.name];
        return [name, grad === undefined ? numbers(new Float32Array(variable.size), variable.shape) : valueOf(grad)];
      }),
    ),
  };
  tf.dispose([value, grads, kept.map(([, tensor]) => tensor)]);
  return result;
}
