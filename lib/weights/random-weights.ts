import type { S2Config } from "../config/schema";
import { type ParameterSpec, sizeOf } from "../core/parameters";
import { Rng } from "../core/rng";
import { toBfloat16 } from "../io/dtypes";
import type { TensorToWrite } from "../io/safetensors";
import { writeTensorFolder } from "../io/tensor-folder";
import { initialValues } from "../model/initialise";
import { describeModel } from "./describe";

/** Billions of normal draws take an hour: a large tensor repeats this many, a prime, so that its rows differ. */
const DRAWN = 1_000_003;

function words(spec: ParameterSpec, rng: Rng): Uint8Array {
  const count = sizeOf(spec.shape);
  const drawn = count <= DRAWN ? spec : { ...spec, shape: [DRAWN] };
  const block = toBfloat16(initialValues(drawn, rng));
  const all = new Uint16Array(count);
  for (let at = 0; at < count; at += block.length) all.set(block.subarray(0, count - at), at);
  return new Uint8Array(all.buffer);
}

/**
 * Writes a whole model in bfloat16 shards as published checkpoints have them, with random numbers; a tensor at a time.
 */
export function writeRandomWeights(folder: string, config: S2Config, shardBytes = 5e9): void {
  const rng = new Rng(config.seed, "random-weights");
  writeTensorFolder(
    folder,
    describeModel(config).map((spec): [string, TensorToWrite] => [
      spec.name,
      { dtype: "BF16", shape: spec.shape, bytes: () => words(spec, rng) },
    ]),
    shardBytes,
  );
}
