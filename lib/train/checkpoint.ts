import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../core/errors";
import { writeFileAtomic } from "../core/files";
import type { ParameterSpec } from "../core/parameters";
import { tf } from "../engine/tf";
import { readSafetensors, SafetensorsFile, type TensorToWrite, writeSafetensors } from "../io/safetensors";
import type { AdamW } from "./optimizer";

/** What a checkpoint says of itself. */
export interface CheckpointState {
  /** Steps finished. */
  readonly step: number;
  readonly config: string;
  readonly dataFingerprint: string;
  /** Training seconds so far, over all interrupted parts. */
  readonly seconds: number;
}

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
          `${path}: tensor "${name}" is [${entry.shape.join(", ")}], the model needs [${shape.join(", ")}]; the file belongs to another configuration`,
        );
      }
    }
    for (const { name, shape } of wanted) use(name, file.read(name).data as Float32Array, shape);
  } finally {
    file.close();
  }
}

/** Writes weights, optimizer state and step into `folder`, whole or not at all. */
export function saveCheckpoint(
  folder: string,
  parameters: ReadonlyMap<string, tf.Variable>,
  optimizer: AdamW,
  state: CheckpointState,
): void {
  const building = `${folder}.${process.pid}.tmp`;
  rmSync(building, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  try {
    saveWeights(join(building, "model.safetensors"), parameters);
    saveWeights(join(building, "optimizer.safetensors"), optimizer.state());
    writeFileAtomic(join(building, "state.json"), JSON.stringify({ ...state, updates: optimizer.updates }));
  } catch (error) {
    rmSync(building, { recursive: true, force: true });
    throw error;
  }
  const old = `${folder}.old.tmp`;
  rmSync(old, { recursive: true, force: true });
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(building, folder);
  rmSync(old, { recursive: true, force: true });
}

/**
 * Goes on from a checkpoint of the same configuration and data.
 *
 * @returns its state, or undefined when there is none that fits
 */
export function resumeCheckpoint(
  folder: string,
  parameters: ReadonlyMap<string, tf.Variable>,
  optimizer: AdamW,
  wanted: Pick<CheckpointState, "config" | "dataFingerprint">,
): CheckpointState | undefined {
  const file = join(folder, "state.json");
  if (!existsSync(file)) return undefined;
  const state = JSON.parse(readFileSync(file, "utf8")) as CheckpointState & { updates: number };
  if (state.config !== wanted.config || state.dataFingerprint !== wanted.dataFingerprint) return undefined;
  loadWeights(join(folder, "model.safetensors"), parameters);
  const stored = readSafetensors(join(folder, "optimizer.safetensors"));
  tf.tidy(() => {
    optimizer.restore(
      new Map([...stored].map(([name, t]) => [name, tf.tensor(t.data as Float32Array, t.shape)])),
      state.updates,
    );
  });
  return state;
}
