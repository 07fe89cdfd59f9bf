import { existsSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { ParameterSpec } from "../core/parameters";
import { Rng } from "../core/rng";
import { tf } from "../engine/tf";
import { TensorFolder } from "../io/tensor-folder";
import { initialValues } from "../model/initialise";
import { type Adapter, adapterConfigFile, openAdapter } from "./adapter";
import { firstLines, type ModelPart, matchCheckpoint, modelParts, partOf, type ResizedTable } from "./checkpoint";
import { describeModel } from "./describe";

interface Source {
  readonly folder: TensorFolder;
  /** The tensor's name in the folder. */
  readonly stored: string;
  readonly resized?: ResizedTable;
}

/** Rows of a table in float32, the last ones the mean of the `kept` before them. */
function resizedRows({ folder, stored, resized }: Source, rows: number, width: number): Float32Array {
  const { kept, stored: available } = resized!;
  const read = folder.read(stored, [0, Math.min(available, rows)]).data as Float32Array;
  const table = read.length === rows * width ? read : new Float32Array(rows * width);
  if (table !== read) table.set(read);
  const mean = new Float64Array(width);
  for (let at = 0; at < kept * width; at += width) for (let i = 0; i < width; i++) mean[i]! += table[at + i]!;
  for (let i = 0; i < width; i++) mean[i]! /= kept;
  for (let row = kept; row < rows; row++) table.set(mean, row * width);
  return table;
}

/**
 * The values of a model's parameters, read from published checkpoints when they are asked for. Adapters, and the
 * modules that the paper adds, start as their description says.
 */
export class Weights {
  private constructor(
    readonly specs: ReadonlyMap<string, ParameterSpec>,
    private readonly sources: ReadonlyMap<string, Source>,
    private readonly rng: Rng,
    private readonly open: readonly { close(): void }[],
  ) {}

  /**
   * Opens checkpoints that together hold every part of a model; a PEFT adapter may follow them and replaces what it
   * holds.
   *
   * @param paths Hugging Face folders or .safetensors files, in any order; adapter folders
   * @param needed parts that must be there; all of the model's unless given
   * @throws UserError when a folder has another model's tensors, or when a part is in none or in two of them
   */
  static open(
    paths: readonly string[],
    config: S2Config,
    needed: readonly ModelPart[] = Object.keys(modelParts) as ModelPart[],
  ): Weights {
    const specs = describeModel(config);
    const sources = new Map<string, Source>();
    const homes = new Map<ModelPart, string>();
    const open: { close(): void }[] = [];
    const adapters: Adapter[] = [];
    try {
      for (const path of paths) {
        if (existsSync(join(path, adapterConfigFile))) {
          const adapter = openAdapter(path, config);
          open.push(adapter);
          adapters.push(adapter);
          continue;
        }
        const folder = TensorFolder.open(path);
        open.push(folder);
        const { parts, match, resized, problems } = matchCheckpoint(folder, specs, config);
        if (problems.length > 0) {
          throw new UserError(
            `${path}: does not fit the preset ${config.preset}: ${firstLines(problems)} (s2mllm convert lists all)`,
          );
        }
        for (const part of parts) {
          const other = homes.get(part);
          if (other !== undefined)
            throw new UserError(`${path}: holds the ${part}, which ${other} holds too; name only one of them`);
          homes.set(part, path);
        }
        for (const [name, stored] of match.found) sources.set(name, { folder, stored, resized: resized.get(name) });
      }
      const lacking = [...new Set(specs.map(({ name }) => partOf(name)))].filter(
        (part) => part !== undefined && needed.includes(part) && !homes.has(part),
      ) as ModelPart[];
      if (lacking.length > 0) {
        const wanted = lacking.map((part) => `${part} (${modelParts[part]})`).join(" and the ");
        throw new UserError(
          `no weights for the ${wanted} in ${paths.join(", ") || "no folder"}; name the folder that holds them`,
        );
      }
      for (const adapter of adapters) for (const [name, source] of adapter.sources) sources.set(name, source);
      return new Weights(new Map(specs.map((spec) => [spec.name, spec])), sources, new Rng(config.seed, "init"), open);
    } catch (error) {
      for (const file of open) file.close();
      throw error;
    }
  }

  /** Parameters that no checkpoint has: adapters and what the paper adds. */
  get added(): string[] {
    return [...this.specs.keys()].filter((name) => !this.sources.has(name));
  }

  /**
   * One parameter's numbers in float32; half precision is widened exactly. @throws UserError when its file cannot be
   * read
   */
  values(name: string): Float32Array {
    const spec = this.specs.get(name);
    if (spec === undefined) throw new Error(`weights: the model has no parameter "${name}"`);
    const source = this.sources.get(name);
    if (source === undefined) return initialValues(spec, this.rng);
    if (source.resized !== undefined) return resizedRows(source, spec.shape[0]!, spec.shape[1]!);
    return source.folder.read(source.stored).data as Float32Array;
  }

  /** The first row of a parameter that a checkpoint holds. @throws UserError when its file cannot be read */
  firstRow(name: string): Float32Array {
    const { folder, stored } = this.sources.get(name)!;
    return folder.read(stored, [0, 1]).data as Float32Array;
  }

  /** Every parameter as a variable, all in memory at once. */
  load(): Map<string, tf.Variable> {
    return new Map(
      [...this.specs.values()].map(({ name, shape }) => {
        const start = tf.tensor(this.values(name), [...shape]);
        const variable = tf.variable(start);
        start.dispose();
        return [name, variable];
      }),
    );
  }

  close(): void {
    for (const file of this.open) file.close();
  }
}
