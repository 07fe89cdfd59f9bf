import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkCheckpoint } from "../../lib/cli/convert";
import { resolveConfig } from "../../lib/config/resolve";
import { phraseTokenizer } from "../../lib/io/tokenizer";
import { checkHfConfig, checkTokenizer } from "../../lib/weights/hf-config";
import { publish, publishedConfig } from "../model/published";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-config-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What lmms-lab/LLaVA-Video-7B-Qwen2 says of itself, as its config.json has it. */
const released = {
  add_faster_video: false,
  architectures: ["LlavaQwenForCausalLM"],
  hidden_act: "silu",
  hidden_size: 3584,
  image_aspect_ratio: "anyres_max_9",
  image_token_index: 151646,
  intermediate_size: 18944,
  max_position_embeddings: 32768,
  mm_hidden_size: 1152,
  mm_newline_position: "grid",
  mm_patch_merge_type: "spatial_unpad",
  mm_projector_lr: null,
  mm_projector_type: "mlp2x_gelu",
  mm_resampler_type: null,
  mm_spatial_pool_mode: "bilinear",
  mm_spatial_pool_stride: 2,
  mm_tunable_parts: "mm_vision_tower,mm_mlp_adapter,mm_language_model",
  mm_use_im_patch_token: false,
  mm_use_im_start_end: false,
  mm_vision_select_feature: "patch",
  mm_vision_select_layer: -2,
  mm_vision_tower: "google/siglip-so400m-patch14-384",
  mm_vision_tower_lr: 2e-6,
  model_type: "llava",
  num_attention_heads: 28,
  num_hidden_layers: 28,
  num_key_value_heads: 4,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 1_000_000,
  tie_word_embeddings: false,
  use_sliding_window: false,
  vocab_size: 152_064,
};
const problemsOf = (said: object): readonly string[] => {
  writeFileSync(join(folder, "config.json"), JSON.stringify(said));
  return checkHfConfig(folder, resolveConfig({ preset: "llava-video-7b" })).problems;
};

describe("config.json", () => {
  test("of the release fits", () => {
    expect(problemsOf(released)).toEqual([]);
  });

  test.each<[string, unknown, string]>([
    ["mm_projector_type", "linear", 'mm_projector_type is "linear", the preset\'s is "mlp2x_gelu"'],
    ["mm_hidden_size", 1024, "mm_hidden_size is 1024, the preset's is 1152"],
    ["mm_vision_select_layer", -1, "mm_vision_select_layer is -1, the preset's is -2"],
    ["mm_newline_position", "one_token", 'mm_newline_position is "one_token", the preset\'s is "grid"'],
    ["mm_patch_merge_type", "flat", 'mm_patch_merge_type is "flat", the preset\'s is "spatial_unpad"'],
    ["mm_spatial_pool_mode", "average", 'mm_spatial_pool_mode is "average", the preset\'s is "bilinear"'],
    ["mm_spatial_pool_stride", 4, "mm_spatial_pool_stride is 4, the preset's is 2"],
    ["mm_resampler_type", "qformer", 'mm_resampler_type is "qformer", the preset\'s is null'],
    ["mm_use_im_start_end", true, "mm_use_im_start_end is true, the preset's is false"],
    [
      "mm_vision_tower",
      "openai/clip-vit-large-patch14-336",
      'mm_vision_tower is "openai/clip-vit-large-patch14-336", the preset\'s is a SigLIP tower',
    ],
    ["mm_pixel_shuffle", 2, "mm_pixel_shuffle is 2, which the lab does not know; known: mm_projector_type, "],
  ])("whose %s is %j is refused, however little else it says", (key, value, message) => {
    for (const all of [released, { architectures: released.architectures }]) {
      const problems = problemsOf({ ...all, [key]: value });
      expect(problems.length).toBe(1);
      expect(problems[0]).toContain(`config.json: ${message}`);
    }
  });

  test("a key that is off says nothing", () => {
    expect(problemsOf({ ...released, mm_pixel_shuffle: null, mm_mask_drop: false })).toEqual([]);
  });
});

describe("tokenizer.json", () => {
  const config = publishedConfig();
  const words = (count: number): string[] => [":", ...Array.from({ length: count - 2 }, (_, i) => `w${i}`)];
  const { vocabSize } = config.language;
  const write = (content: object | string): string => {
    const file = join(folder, "tokenizer.json");
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
    return file;
  };
  const whole = phraseTokenizer(words(vocabSize - 3), []);

  test("with the vocabulary that the weights have fits, and gets the added tokens", () => {
    write(whole);
    expect(checkTokenizer(folder, config)).toEqual({ tokens: vocabSize, problems: [] });
  });

  test.each<[string, object | string, string]>([
    ["of another size", phraseTokenizer(words(9), []), `has 9 tokens, with <image>, <ground>, <coord> 12; preset tiny`],
    ["with more words than the table", phraseTokenizer(words(30), ["<ground>"]), "it belongs to another model"],
    ["of another kind", { ...whole, model: { type: "Unigram", vocab: [["a", 0]] } }, "is of type Unigram"],
    [
      "of BPE without merges",
      { ...whole, model: { type: "BPE", vocab: { a: 0 } } },
      "a BPE tokenizer needs its merges",
    ],
    ["cut off", JSON.stringify(whole).slice(0, 100), "tokenizer.json: "],
  ])("%s is refused, and convert says so", (_, content, message) => {
    write(content);
    const { problems } = checkTokenizer(folder, config);
    expect(problems.length).toBe(1);
    expect(problems[0]).toContain(message);
  });

  test("convert reads the one beside a language model, and says where there is none", () => {
    const { llava, fast3r } = publish(folder, config);
    const lines = (path: string): string => checkCheckpoint(path, config).lines.join("\n");
    expect(lines(llava)).toContain("tokenizer.json: not in this folder; sentences need it");
    writeFileSync(join(llava, "vocab.json"), "{}");
    expect(lines(llava)).toContain("not in this folder; vocab.json is not read; sentences need it");
    writeFileSync(join(llava, "tokenizer.json"), JSON.stringify(whole));
    expect(lines(llava)).toContain(`tokenizer.json: ${vocabSize} tokens`);
    expect(checkCheckpoint(llava, config).fits).toBe(true);
    writeFileSync(join(llava, "tokenizer.json"), JSON.stringify(phraseTokenizer(words(9), [])));
    const bad = checkCheckpoint(llava, config);
    expect(bad.fits).toBe(false);
    expect(bad.lines.join("\n")).toMatch(/has 9 tokens, .* it belongs to another model/);
    // SigLIP's and Fast3R's folders need none, whatever lies there
    writeFileSync(join(fast3r, "tokenizer.json"), "{");
    expect(checkCheckpoint(fast3r, config).fits).toBe(true);
  });
});
