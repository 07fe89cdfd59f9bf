import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../core/files";
import { tf } from "../engine/tf";
import { readJsonAs } from "../io/json";
import { sync } from "../runs/durable";
import { loadWeights, readTensors, saveWeights } from "../weights/tensor-file";
import type { AdamW } from "./optimizer";

/** What a checkpoint says of itself. */
const StoredState = z.object({
  /** Steps finished. */
  step: z.int().min(0),
  config: z.string(),
  dataFingerprint: z.string(),
  /** Training seconds so far, over all interrupted parts. */
  seconds: z.number().min(0),
  /** Updates that the optimizer has applied. */
  updates: z.int().min(0),
});
export type CheckpointState = Readonly<Omit<z.output<typeof StoredState>, "updates">>;

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
    for (const name of ["model.safetensors", "optimizer.safetensors", "state.json", "."]) sync(join(building, name));
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
  const { updates, ...state } = readJsonAs(file, StoredState);
  if (state.config !== wanted.config || state.dataFingerprint !== wanted.dataFingerprint) return undefined;
  loadWeights(join(folder, "model.safetensors"), parameters);
  tf.tidy(() => optimizer.restore(readTensors(join(folder, "optimizer.safetensors")), updates));
  return state;
}
