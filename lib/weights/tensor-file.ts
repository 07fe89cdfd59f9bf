import { existsSync } from "node:fs";
import { UserError } from "../core/errors";
import type { ParameterSpec } from "../core/parameters";
import { tf } from "../engine/tf";
import { readSafetensors, SafetensorsFile, type TensorToWrite, writeSafetensors } from "../io/safetensors";
import { writeTensorFolder } from "../io/tensor-folder";

/** Tensors that are read when they are written: never all of them twice in memory. */
function floats(tensors: ReadonlyMap<string, tf.Tensor>): [string, TensorToWrite][] {
  return [...tensors].map(([name, t]) => [
    name,
    {
      shape: t.shape,
      dtype: "F32",
      bytes: () => {
        const { buffer, byteOffset, byteLength } = t.dataSync() as Float32Array;
        return new Uint8Array(buffer, byteOffset, byteLength);
      },
    },
  ]);
}

/** Weights of a finished run, by checkpoint name. */
export function saveWeights(
  file: string,
  parameters: ReadonlyMap<string, tf.Tensor>,
  about: Readonly<Record<string, string>> = {},
): void {
  writeSafetensors(file, floats(parameters), about);
}

/**
 * Puts stored weights into parameters of the same name and shape.
 *
 * @param wanted names that must be there; all of the file's otherwise
 * @throws UserError for a missing name or another shape
 */
export function loadWeights(
  file: string,
  parameters: ReadonlyMap<string, tf.Variable>,
  wanted: Iterable<string> = parameters.keys(),
): void {
  const names = [...wanted];
  withTensors(
    file,
    names.map((name) => ({ name, shape: parameters.get(name)!.shape })),
    (name, data) => {
      const variable = parameters.get(name)!;
      tf.tidy(() => variable.assign(tf.tensor(data, variable.shape)));
    },
  );
}

/**
 * Parameters with the weights that a file has.
 *
 * @throws UserError for a missing name or another shape
 */
export function readWeights(
  file: string,
  specs: readonly Pick<ParameterSpec, "name" | "shape">[],
): Map<string, tf.Variable> {
  const out = new Map<string, tf.Variable>();
  withTensors(file, specs, (name, data, shape) => {
    const start = tf.tensor(data, [...shape]);
    out.set(name, tf.variable(start));
    start.dispose();
  });
  return out;
}

/** Gives the numbers of a file's tensors, one at a time, once all names and shapes are known to fit. */
function withTensors(
  path: string,
  wanted: readonly Pick<ParameterSpec, "name" | "shape">[],
  use: (name: string, data: Float32Array, shape: readonly number[]) => void,
): void {
  if (!existsSync(path)) throw new UserError(`${path} is missing: expected weights as safetensors`);
  const file = SafetensorsFile.open(path);
  try {
    for (const { name, shape } of wanted) {
      const entry = file.entries.get(name);
      if (entry === undefined)
        throw new UserError(`${path}: tensor "${name}" is missing; the file belongs to another configuration`);
      if (entry.shape.join() !== shape.join()) {
        throw new UserError(
          `${path}: tensor "${name}" is [${entry.shape.join(", ")}], the model needs [${shape.join(", ")}]; ` +
            "the file belongs to another configuration",
        );
      }
    }
    for (const { name, shape } of wanted) use(name, file.read(name).data as Float32Array, shape);
  } finally {
    file.close();
  }
}

/** All tensors of a file, by name. */
export function readTensors(file: string): Map<string, tf.Tensor> {
  return new Map([...readSafetensors(file)].map(([name, t]) => [name, tf.tensor(t.data as Float32Array, t.shape)]));
}

/**
 * Writes parameters with their moments ("m.<name>", "v.<name>") to a folder of shards, one parameter in memory at a
 * time.
 *
 * @param update the numbers of a parameter and of its two moments
 */
export function writeUpdate(
  folder: string,
  specs: readonly Pick<ParameterSpec, "name" | "shape">[],
  update: (name: string) => readonly [Float32Array, Float32Array, Float32Array],
  shardBytes = 5e9,
): void {
  let last: { name: string; numbers: readonly [Float32Array, Float32Array, Float32Array] } | undefined;
  const bytes = (name: string, which: 0 | 1 | 2): Uint8Array => {
    if (last?.name !== name) last = { name, numbers: update(name) };
    const { buffer, byteOffset, byteLength } = last.numbers[which];
    return new Uint8Array(buffer, byteOffset, byteLength);
  };
  const kinds = [
    ["", 0],
    ["m.", 1],
    ["v.", 2],
  ] as const;
  writeTensorFolder(
    folder,
    specs.flatMap(({ name, shape }) =>
      kinds.map(([prefix, which]): [string, TensorToWrite] => [
        `${prefix}${name}`,
        { dtype: "F32", shape, bytes: () => bytes(name, which) },
      ]),
    ),
    shardBytes,
  );
}
