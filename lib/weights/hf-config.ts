import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { writeFileAtomic } from "../core/files";
import { type JsonObject, readJsonAs } from "../io/json";
import { Tokenizer, withTokens } from "../io/tokenizer";
import { addedTokens, groundToken, sharedPrompt } from "../model/prompt";

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
function languageFacts({ language: lm }: S2Config): JsonObject {
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
  };
}

/** How LLaVA-Video joins its tower and its language model: the values of its mm_* keys. */
function joinFacts({ vision, projector }: S2Config): JsonObject {
  return {
    mm_projector_type: "mlp2x_gelu",
    mm_hidden_size: vision.hiddenSize,
    mm_vision_select_layer: -2,
    mm_vision_select_feature: "patch",
    mm_newline_position: "grid",
    mm_patch_merge_type: "spatial_unpad",
    mm_spatial_pool_mode: projector.pooling,
    mm_spatial_pool_stride: projector.poolStride,
    mm_resampler_type: null,
    mm_use_im_start_end: false,
    mm_use_im_patch_token: false,
  };
}

/** mm_* keys that say how a checkpoint was trained, which changes nothing of what it computes. */
const trainedBy = ["mm_tunable_parts", "mm_projector_lr", "mm_vision_tower_lr"];

/** What a config.json says of the join that is not the preset's, or that the lab does not know. */
function joinProblems(said: JsonObject, config: S2Config): string[] {
  const facts = joinFacts(config);
  const tower = said.mm_vision_tower;
  const unknown = Object.keys(said).filter(
    (key) =>
      key.startsWith("mm_") &&
      !(key in facts) &&
      ![...trainedBy, "mm_vision_tower"].includes(key) &&
      said[key] !== null &&
      said[key] !== false,
  );
  return [
    ...contradictions(said, facts, ""),
    ...(typeof tower !== "string" || /siglip/i.test(tower)
      ? []
      : [`config.json: mm_vision_tower is "${tower}", the preset's is a SigLIP tower`]),
    ...unknown.map(
      (key) =>
        `config.json: ${key} is ${JSON.stringify(said[key])}, which the lab does not know; known: ` +
        `${[...Object.keys(facts), "mm_vision_tower", ...trainedBy].join(", ")}`,
    ),
  ];
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
  problems.push(...joinProblems(json, config));
  return { claim: classes[0] ?? json.model_type ?? undefined, problems };
}

/**
 * What is wrong with the tokenizer.json beside a language model's weights, and how many tokens it has; no number where
 * there is none.
 */
export function checkTokenizer(folder: string, config: S2Config): { tokens?: number; problems: readonly string[] } {
  const file = join(folder, "tokenizer.json");
  if (!existsSync(file)) return { problems: [] };
  try {
    const tokenizer = openTokenizer(file, config);
    // every mark that the prompt is made of
    sharedPrompt(tokenizer, config.prompt, "evaluate");
    return { tokens: tokenizer.size, problems: [] };
  } catch (error) {
    if (error instanceof UserError) return { problems: [error.message] };
    throw error;
  }
}

/**
 * A model's tokenizer; a published one gets the model's added tokens.
 *
 * @throws UserError when it is none that the lab reads, or has another number of tokens than the model expects
 */
export function openTokenizer(file: string, { preset, language: { vocabSize } }: S2Config): Tokenizer {
  const own = Tokenizer.read(file);
  const whole = own.has(groundToken);
  const tokenizer = whole ? own : new Tokenizer(withTokens(own.json, addedTokens), own.origin);
  if (whole ? tokenizer.size <= vocabSize : tokenizer.size === vocabSize) return tokenizer;
  throw new UserError(
    `tokenizer ${file}: has ${own.size} tokens, with ${addedTokens.join(", ")} ${tokenizer.size}; preset ${preset} ` +
      `expects ${vocabSize}: it belongs to another model`,
  );
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
