import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../../lib/config/schema";
import { sizeOf } from "../../lib/core/parameters";
import { Rng } from "../../lib/core/rng";
import { toBfloat16 } from "../../lib/io/dtypes";
import { writeSafetensors, type TensorToWrite } from "../../lib/io/safetensors";
import { writeTensorFolder } from "../../lib/io/tensor-folder";
import { partOf } from "../../lib/model/checkpoint";
import { describeModel } from "../../lib/model/describe";
import { initialValues } from "../../lib/model/initialise";
import { addedTokens } from "../../lib/model/prompt";
import { tinyConfig } from "./tiny";

/** A tiny model with every module of the paper and the paper's adapters. */
export function publishedConfig(change: Record<string, unknown> = {}): S2Config {
  return tinyConfig({ lora: { vision: true, language: true, fullLayers: 1, rank: 2, trainLmHead: false, trainNewline: false, trainFinalNorm: false }, data: { frames: 2 }, ...change });
}

/** Values of every parameter as fine-tuning would start from them; the added tokens at the mean of the others. */
export function startingValues(config: S2Config): Map<string, Float32Array> {
  const rng = new Rng(config.seed, "init");
  return new Map(describeModel(config).map((spec) => {
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
  }));
}

export interface Published {
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly llava: string;
  readonly fast3r: string;
}

/** Folders as they are published: LLaVA-Video in four shards with a padded vocabulary, Fast3R under its own names. */
export function publish(top: string, config: S2Config, dtype: "F32" | "BF16" = "F32"): Published {
  const values = startingValues(config);
  const stored = (shape: readonly number[], numbers: Float32Array): TensorToWrite =>
    dtype === "F32" ? { shape, data: numbers } : { shape, dtype, bytes: () => new Uint8Array(toBfloat16(numbers).buffer) };
  const specs = describeModel(config);
  const tensors = (part: (name: string) => boolean): [string, TensorToWrite][] => specs.filter(({ name }) => part(name)).map(({ name, shape }) => {
    if (!/embed_tokens|lm_head/.test(name)) return [name, stored(shape, values.get(name)!)];
    const [rows, width] = shape as [number, number];
    // rows of padding instead of the added tokens, as 152064 stand in Qwen2's table for 151646 tokens
    const padded = new Float32Array((rows + 6) * width).fill(9);
    padded.set(values.get(name)!.subarray(0, (rows - addedTokens.length) * width));
    return [name, stored([rows + 6, width], padded)];
  });
  const own = tensors((name) => partOf(name) === "language model" || partOf(name) === "vision tower");
  own.push(["model.vision_tower.vision_tower.vision_model.post_layernorm.weight", stored([config.vision.hiddenSize], new Float32Array(config.vision.hiddenSize))]);
  const bytes = own.reduce((n, [, { shape }]) => n + sizeOf(shape), 0) * (dtype === "F32" ? 4 : 2);
  const llava = join(top, "llava");
  writeTensorFolder(llava, own, Math.ceil(bytes / 4) + 700);
  const { language: lm } = config;
  writeFileSync(join(llava, "config.json"), JSON.stringify({
    architectures: ["LlavaQwenForCausalLM"], hidden_size: lm.hiddenSize, intermediate_size: lm.intermediateSize, num_hidden_layers: lm.layers,
    num_attention_heads: lm.heads, num_key_value_heads: lm.kvHeads, rope_theta: lm.ropeTheta, rms_norm_eps: lm.rmsNormEps, hidden_act: "silu", vocab_size: lm.vocabSize + 6,
    mm_projector_type: "mlp2x_gelu", tie_word_embeddings: false, mm_vision_tower: "google/siglip-so400m-patch14-384",
  }));
  const fast3r = join(top, "fast3r");
  writeSafetensors(join(fast3r, "model.safetensors"), [
    ...tensors((name) => partOf(name) === "reconstruction decoder").map(([name, t]): [string, TensorToWrite] => [name.replace("fast3r.", ""), t]),
    ["encoder.enc_norm.weight", { shape: [1], data: Float32Array.of(1) }],
  ]);
  return { values, llava, fast3r };
}
