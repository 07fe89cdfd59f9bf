import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../../lib/config/schema";
import { Rng } from "../../lib/core/rng";
import { initialValues } from "../../lib/model/initialise";
import { addedTokens } from "../../lib/model/prompt";
import { partOf } from "../../lib/weights/checkpoint";
import { describeModel } from "../../lib/weights/describe";
import { u64 } from "../setup/formats/bytes";
import { tinyConfig } from "./tiny";

/** A tiny model with every module of the paper and the paper's adapters. */
export function publishedConfig(change: Record<string, unknown> = {}): S2Config {
  return tinyConfig({
    lora: {
      vision: true,
      language: true,
      fullLayers: 1,
      rank: 2,
      trainLmHead: false,
      trainNewline: false,
      trainFinalNorm: false,
    },
    data: { frames: 2 },
    ...change,
  });
}

/** Values of every parameter as fine-tuning would start from them; the added tokens at the mean of the others. */
export function startingValues(config: S2Config): Map<string, Float32Array> {
  const rng = new Rng(config.seed, "init");
  return new Map(
    describeModel(config).map((spec) => {
      const values = initialValues(spec, rng);
      if (!/embed_tokens|lm_head/.test(spec.name)) return [spec.name, values];
      const [rows, width] = spec.shape as [number, number];
      const kept = rows - addedTokens.length;
      for (let i = 0; i < width; i++) {
        let sum = 0;
        for (let row = 0; row < kept; row++) sum += values[row * width + i]!;
        for (let row = kept; row < rows; row++) values[row * width + i] = sum / kept;
      }
      return [spec.name, values];
    }),
  );
}

type Dtype = "F32" | "BF16";

interface Stored {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/**
 * Numbers as a safetensors file holds them: little-endian, bfloat16 being the upper half of a float32 rounded to
 * nearest, ties to even.
 */
function stored(dtype: Dtype, shape: readonly number[], numbers: Float32Array): Stored {
  if (dtype === "F32") return { dtype, shape, bytes: new Uint8Array(numbers.slice().buffer) };
  const bits = new Uint32Array(numbers.slice().buffer);
  return {
    dtype,
    shape,
    bytes: new Uint8Array(Uint16Array.from(bits, (b) => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16).buffer),
  };
}

/** A safetensors file: the header's length in eight bytes, the header in JSON, the numbers one after the other. */
function writeFile(path: string, tensors: readonly (readonly [string, Stored])[]): void {
  let at = 0;
  const header: Record<string, object> = { __metadata__: { format: "pt" } };
  for (const [name, { dtype, shape, bytes }] of tensors)
    header[name] = { dtype, shape, data_offsets: [at, (at += bytes.length)] };
  const text = Buffer.from(JSON.stringify(header));
  writeFileSync(path, Buffer.concat([u64(text.length), text, ...tensors.map(([, t]) => t.bytes)]));
}

/** Shards of about equal size under their published names, and the index that says which holds what. */
function writeShards(folder: string, tensors: readonly (readonly [string, Stored])[], count: number): void {
  mkdirSync(folder, { recursive: true });
  const total = tensors.reduce((n, [, { bytes }]) => n + bytes.length, 0);
  const shards = Array.from({ length: count }, (): (readonly [string, Stored])[] => []);
  let before = 0;
  for (const entry of tensors) {
    shards[Math.min(count - 1, Math.floor((before * count) / total))]!.push(entry);
    before += entry[1].bytes.length;
  }
  const weightMap: Record<string, string> = {};
  shards.forEach((shard, i) => {
    const file = `model-${String(i + 1).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.safetensors`;
    writeFile(join(folder, file), shard);
    for (const [name] of shard) weightMap[name] = file;
  });
  writeFileSync(
    join(folder, "model.safetensors.index.json"),
    JSON.stringify({ metadata: { total_size: total }, weight_map: weightMap }, null, 2),
  );
}

export interface Published {
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly llava: string;
  readonly fast3r: string;
}

/**
 * Folders as they are published: LLaVA-Video in four shards with a padded vocabulary, Fast3R under its own names; the
 * bytes are written here.
 */
export function publish(top: string, config: S2Config, dtype: Dtype = "F32"): Published {
  const values = startingValues(config);
  const specs = describeModel(config);
  const tensors = (part: (name: string) => boolean): [string, Stored][] =>
    specs
      .filter(({ name }) => part(name))
      .map(({ name, shape }) => {
        if (!/embed_tokens|lm_head/.test(name)) return [name, stored(dtype, shape, values.get(name)!)];
        const [rows, width] = shape as [number, number];
        // rows of padding instead of the added tokens, as 152064 stand in Qwen2's table for 151646 tokens
        const padded = new Float32Array((rows + 6) * width).fill(9);
        padded.set(values.get(name)!.subarray(0, (rows - addedTokens.length) * width));
        return [name, stored(dtype, [rows + 6, width], padded)];
      });
  const own = tensors((name) => partOf(name) === "language model" || partOf(name) === "vision tower");
  own.push([
    "model.vision_tower.vision_tower.vision_model.post_layernorm.weight",
    stored(dtype, [config.vision.hiddenSize], new Float32Array(config.vision.hiddenSize)),
  ]);
  const llava = join(top, "llava");
  writeShards(llava, own, 4);
  const { language: lm } = config;
  writeFileSync(
    join(llava, "config.json"),
    JSON.stringify({
      architectures: ["LlavaQwenForCausalLM"],
      hidden_size: lm.hiddenSize,
      intermediate_size: lm.intermediateSize,
      num_hidden_layers: lm.layers,
      num_attention_heads: lm.heads,
      num_key_value_heads: lm.kvHeads,
      rope_theta: lm.ropeTheta,
      rms_norm_eps: lm.rmsNormEps,
      hidden_act: "silu",
      vocab_size: lm.vocabSize + 6,
      mm_projector_type: "mlp2x_gelu",
      tie_word_embeddings: false,
      mm_vision_tower: "google/siglip-so400m-patch14-384",
    }),
  );
  const fast3r = join(top, "fast3r");
  mkdirSync(fast3r, { recursive: true });
  writeFile(join(fast3r, "model.safetensors"), [
    ...tensors((name) => partOf(name) === "reconstruction decoder").map(([name, t]): [string, Stored] => [
      name.replace("fast3r.", ""),
      t,
    ]),
    ["encoder.enc_norm.weight", stored(dtype, [1], Float32Array.of(1))],
  ]);
  return { values, llava, fast3r };
}
