import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { S2Config } from "../config/schema";
import { writeFileAtomic } from "../core/files";
import { type JsonObject, readJsonAs } from "../io/json";

/** What is read of a config.json: its parts by name, and the language model's facts beside them. */
const HfConfigFile = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().nullish(),
  num_key_value_heads: z.number().nullish(),
  vision_config: z.record(z.string(), z.unknown()).nullish(),
  decoder_args: z.record(z.string(), z.unknown()).nullish(),
});

/** The classes whose weights fit the model, by what their config.json calls them. */
const known = ["LlavaQwenForCausalLM", "SiglipModel", "SiglipVisionModel", "Fast3R"];

/** What a config.json must say of a part: value by key. Names and shapes do not show these: heads, bases, functions. */
function languageFacts({ language: lm, vision }: S2Config): JsonObject {
  return {
    hidden_size: lm.hiddenSize,
    intermediate_size: lm.intermediateSize,
    num_hidden_layers: lm.layers,
    num_attention_heads: lm.heads,
    num_key_value_heads: lm.kvHeads,
    rope_theta: lm.ropeTheta,
    rms_norm_eps: lm.rmsNormEps,
    hidden_act: "silu",
    rope_scaling: null,
    use_sliding_window: false,
    tie_word_embeddings: false,
    mm_projector_type: "mlp2x_gelu",
    mm_hidden_size: vision.hiddenSize,
    mm_vision_select_layer: -2,
    mm_vision_select_feature: "patch",
    mm_newline_position: "grid",
    mm_resampler_type: null,
    mm_use_im_start_end: false,
    mm_use_im_patch_token: false,
  };
}

function visionFacts({ vision }: S2Config): JsonObject {
  return {
    hidden_size: vision.hiddenSize,
    intermediate_size: vision.intermediateSize,
    num_attention_heads: vision.heads,
    image_size: vision.imageSize,
    patch_size: vision.patchSize,
    hidden_act: "gelu_pytorch_tanh",
    layer_norm_eps: vision.layerNormEps,
  };
}

function decoderFacts({ reconstruction: r }: S2Config): JsonObject {
  return {
    enc_embed_dim: r.encoderSize,
    embed_dim: r.hiddenSize,
    num_heads: r.heads,
    depth: r.depth,
    mlp_ratio: r.mlpRatio,
  };
}

/** Lines for the facts that `said` contradicts; what it does not say is not judged. */
function contradictions(said: JsonObject, facts: JsonObject, at: string): string[] {
  return Object.entries(facts).flatMap(([key, wanted]) =>
    said[key] == null || said[key] === wanted
      ? []
      : [`config.json: ${at}${key} is ${JSON.stringify(said[key])}, the preset's is ${JSON.stringify(wanted)}`],
  );
}

export interface HfConfig {
  /** What the checkpoint says it is, such as "LlavaQwenForCausalLM"; undefined without a config.json. */
  readonly claim: string | undefined;
  readonly problems: readonly string[];
}

/** Compares a folder's config.json, where there is one, with a preset. @throws UserError when it is no JSON object */
export function checkHfConfig(folder: string, config: S2Config): HfConfig {
  const path = join(folder, "config.json");
  if (!existsSync(path)) return { claim: undefined, problems: [] };
  const json = readJsonAs(path, HfConfigFile);
  const classes = json.architectures ?? [];
  const problems =
    classes.length === 0 || classes.some((name) => known.includes(name))
      ? []
      : [`config.json: the checkpoint is a ${classes.join(", ")}; the preset is built from ${known.join(", ")}`];
  const { vision_config: vision, decoder_args: decoder } = json;
  if (vision != null) problems.push(...contradictions(vision, visionFacts(config), "vision_config."));
  else if (classes.includes("SiglipVisionModel")) problems.push(...contradictions(json, visionFacts(config), ""));
  if (decoder != null) problems.push(...contradictions(decoder, decoderFacts(config), "decoder_args."));
  if (json.num_key_value_heads != null) problems.push(...contradictions(json, languageFacts(config), ""));
  return { claim: classes[0] ?? json.model_type ?? undefined, problems };
}

/** Hugging Face's file of how a model's answers are generated; of it the cap on their length. */
const generationFile = "generation_config.json";
const GenerationFile = z.looseObject({ max_new_tokens: z.int().min(1).nullish() });

/** Most tokens of an answer up to <ground> where a checkpoint does not say it. */
const defaultNewTokens = 32;

/** Keeps with a run how long its longest training answer is, in tokens. */
export function writeMaxNewTokens(folder: string, tokens: number): void {
  writeFileAtomic(join(folder, generationFile), `${JSON.stringify({ max_new_tokens: tokens }, null, 2)}\n`);
}

/** Most tokens of an answer of a run or of a checkpoint. @throws UserError when its file does not say it as a number */
export function readMaxNewTokens(folder: string): number {
  const path = join(folder, generationFile);
  return (existsSync(path) ? readJsonAs(path, GenerationFile).max_new_tokens : undefined) ?? defaultNewTokens;
}
