import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../core/errors";
import { writeFileAtomic } from "../core/files";
import { tf } from "../engine/tf";
import { readSafetensors, writeSafetensors, type StoredTensor } from "../io/safetensors";
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

function floats(tensors: ReadonlyMap<string, tf.Tensor>): [string, { shape: number[]; data: Float32Array }][] {
  return [...tensors].map(([name, t]) => [name, { shape: t.shape, data: t.dataSync() as Float32Array }]);
}

/** Weights of a finished run, by checkpoint name. */
export function saveWeights(file: string, parameters: ReadonlyMap<string, tf.Tensor>, about: Readonly<Record<string, string>> = {}): void {
  writeSafetensors(file, floats(parameters), about);
}

/**
 * Puts stored weights into parameters of the same name and shape.
 *
 * @param wanted names that must be there; all of the file's otherwise
 * @throws UserError for a missing name or another shape
 */
export function loadWeights(file: string, parameters: ReadonlyMap<string, tf.Variable>, wanted: Iterable<string> = parameters.keys()): void {
  if (!existsSync(file)) throw new UserError(`${file} is missing: expected weights as safetensors`);
  const stored = readSafetensors(file);
  for (const name of wanted) assign(parameters.get(name)!, name, stored.get(name), file);
}

function assign(variable: tf.Variable, name: string, tensor: StoredTensor | undefined, file: string): void {
  if (tensor === undefined) throw new UserError(`${file}: tensor "${name}" is missing; the file belongs to another configuration`);
  if (tensor.shape.join() !== variable.shape.join()) {
    throw new UserError(`${file}: tensor "${name}" is [${tensor.shape.join(", ")}], the model needs [${variable.shape.join(", ")}]; the file belongs to another configuration`);
  }
  tf.tidy(() => variable.assign(tf.tensor(tensor.data as Float32Array, variable.shape)));
}

/** Writes weights, optimizer state and step into `folder`, whole or not at all. */
export function saveCheckpoint(folder: string, parameters: ReadonlyMap<string, tf.Variable>, optimizer: AdamW, state: CheckpointState): void {
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
  folder: string, parameters: ReadonlyMap<string, tf.Variable>, optimizer: AdamW, wanted: Pick<CheckpointState, "config" | "dataFingerprint">,
): CheckpointState | undefined {
  const file = join(folder, "state.json");
  if (!existsSync(file)) return undefined;
  const state = JSON.parse(readFileSync(file, "utf8")) as CheckpointState & { updates: number };
  if (state.config !== wanted.config || state.dataFingerprint !== wanted.dataFingerprint) return undefined;
  loadWeights(join(folder, "model.safetensors"), parameters);
  const stored = readSafetensors(join(folder, "optimizer.safetensors"));
  tf.tidy(() => {
    optimizer.restore(new Map([...stored].map(([name, t]) => [name, tf.tensor(t.data as Float32Array, t.shape)])), state.updates);
  });
  return state;
}
