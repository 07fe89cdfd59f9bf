import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { describeModel } from "../../lib/weights/describe";
import { canonicalName, matchNames, matchProblems } from "../../lib/weights/hf-names";

test.each([
  // LLaVA-Video's own names are the model's
  ["model.layers.3.self_attn.q_proj.weight", "model.layers.3.self_attn.q_proj.weight"],
  [
    "model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
    "model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
  ],
  // PEFT
  [
    "base_model.model.model.layers.3.self_attn.q_proj.lora_A.default.weight",
    "model.layers.3.self_attn.q_proj.lora_A.weight",
  ],
  ["base_model.model.model.layers.3.self_attn.q_proj.base_layer.weight", "model.layers.3.self_attn.q_proj.weight"],
  // SigLIP alone, the projector alone, Fast3R's checkpoint
  [
    "vision_model.embeddings.position_embedding.weight",
    "model.vision_tower.vision_tower.vision_model.embeddings.position_embedding.weight",
  ],
  ["mm_projector.0.weight", "model.mm_projector.0.weight"],
  ["net.decoder.dec_blocks.0.attn.qkv.weight", "fast3r.decoder.dec_blocks.0.attn.qkv.weight"],
  ["downstream_head_local.dpt.head.0.weight", "fast3r.downstream_head_local.dpt.head.0.weight"],
])("%s", (name, canonical) => {
  expect(canonicalName(name)).toBe(canonical);
  expect(canonicalName(canonical)).toBe(canonical);
});

describe("matchNames", () => {
  const specs = describeModel(resolveConfig({ preset: "nano" }));
  const complete = new Map(specs.map(({ name, shape }) => [name, { shape }]));

  test("a checkpoint with the model's names fits", () => {
    const match = matchNames(specs, complete);
    expect(matchProblems(match)).toEqual([]);
    expect(match.found.size).toBe(specs.length);
  });

  test("missing, misshapen and misspelt tensors are named", () => {
    const broken = new Map(complete);
    broken.delete("model.norm.weight");
    broken.set("model.norn.weight", { shape: [128] });
    broken.set("lm_head.weight", { shape: [1, 128] });
    expect(matchProblems(matchNames(specs, broken))).toEqual([
      "missing: model.norm.weight",
      "lm_head.weight: expected [256, 128], got [1, 128]",
      "unexpected: model.norn.weight (near: model.norm.weight)",
    ]);
  });

  test("two spellings of one parameter are not silently one", () => {
    const twice = new Map(complete);
    twice.set("mm_projector.0.bias", { shape: [128] });
    expect(matchProblems(matchNames(specs, twice))).toEqual([
      "mm_projector.0.bias: means the same parameter as model.mm_projector.0.bias",
    ]);
  });

  test("what the tower, the head and the reference never run is no surprise", () => {
    const more = new Map(complete);
    const idle = [
      "vision_model.post_layernorm.weight",
      "vision_model.head.probe",
      "text_model.head.weight",
      "logit_scale",
      "vision_model.encoder.layers.4.mlp.fc1.weight",
      "encoder.enc_blocks.0.norm1.weight",
      "downstream_head.dpt.scratch.refinenet4.resConfUnit1.conv1.weight",
      "downstream_head.dpt.scratch.layer_rn.0.weight",
      "model.layers.0.self_attn.rotary_emb.inv_freq",
    ];
    for (const name of idle) more.set(name, { shape: [1] });
    const match = matchNames(specs, more);
    expect(matchProblems(match)).toEqual([]);
    expect(match.unused).toEqual(idle);
  });
});
