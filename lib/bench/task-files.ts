import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ParameterSpec, sizeOf } from "../core/parameters";
import { Rng } from "../core/rng";
import { type TensorToWrite, writeSafetensors } from "../io/safetensors";
import { initialValues } from "../model/initialise";
import type { Task } from "./task";

/** Hundreds of millions of draws would take minutes: a large weight repeats this many, a prime: its rows differ. */
const DRAWN = 1_000_003;

function values(spec: ParameterSpec, rng: Rng): Float32Array {
  const count = sizeOf(spec.shape);
  if (count <= DRAWN || spec.init.kind === "identity") return initialValues(spec, rng);
  const block = initialValues({ ...spec, shape: [DRAWN] }, rng);
  const all = new Float32Array(count);
  for (let at = 0; at < count; at += DRAWN) all.set(block.subarray(0, count - at), at);
  return all;
}

/** Writes what all workers of a task read: weights.safetensors, inputs.safetensors, settings.json. */
export function writeTaskFiles(folder: string, task: Task): void {
  const rng = new Rng(1, "bench/weights");
  writeSafetensors(
    join(folder, "weights.safetensors"),
    task.parameters.map((spec): [string, TensorToWrite] => [
      spec.name,
      { dtype: "F32", shape: spec.shape, bytes: () => new Uint8Array(values(spec, rng).buffer) },
    ]),
  );
  writeSafetensors(join(folder, "inputs.safetensors"), Object.entries(task.inputs()));
  writeFileSync(join(folder, "settings.json"), JSON.stringify(task.settings));
}
