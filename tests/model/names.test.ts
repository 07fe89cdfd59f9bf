import { join } from "node:path";
import { expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { inProject } from "../../lib/core/root";
import { readSafetensors } from "../../lib/io/safetensors";
import { describeModel } from "../../lib/weights/describe";

const ours = describeModel(resolveConfig({ preset: "llava-video-7b" }))
  .map(({ name }) => name)
  .filter((name) => !name.includes(".lora_"));

/** Layers of any number stand for all; positions in short lists (projector, heads) stay. */
const anyLayer = (name: string): string => name.replace(/(layers|dec_blocks)\.\d+\./, "$1.#.");

/** Parameters of a real implementation, as its reference numbers name them. */
function golden(file: string, prefix: string): Set<string> {
  const names = [...readSafetensors(join(inProject("tests", "fixtures", "goldens"), `${file}.safetensors`)).keys()];
  return new Set(names.filter((name) => name.startsWith(prefix)).map((name) => anyLayer(name.slice(prefix.length))));
}

const below = (prefix: string, but?: RegExp): Set<string> =>
  new Set(
    ours
      .filter((name) => name.startsWith(prefix) && but?.test(name) !== true)
      .map((name) => anyLayer(name.slice(prefix.length))),
  );

// the toy models of the goldens have fewer layers and narrower ones, but the same modules
test("the vision tower's names are Hugging Face's SiglipVisionModel's, but for the norm behind the layer that LLaVA-Video drops", () => {
  const real = golden("siglip_vision", "param.");
  for (const name of ["vision_model.post_layernorm.weight", "vision_model.post_layernorm.bias"])
    expect(real.delete(name)).toBe(true);
  expect(below("model.vision_tower.vision_tower.")).toEqual(real);
});

test("the language model's names are Hugging Face's Qwen2ForCausalLM's", () => {
  expect(below("", /^(?!lm_head|model\.)|mm_projector|vision_tower|image_newline/)).toEqual(
    golden("qwen2_causal_lm", "param."),
  );
});

test("the projector is a sequence of which the first and the third have weights", () => {
  expect(below("model.mm_projector.")).toEqual(golden("llava_projector_pool", "proj.param."));
});

test("decoder and heads are Fast3R's, but for the part of the coarsest fusion that has no input", () => {
  const real = golden("fast3r_decoder_head", "param.");
  const idle = [...real].filter((name) => name.includes("refinenet4.resConfUnit1"));
  expect(idle.length).toBe(4);
  for (const name of idle) real.delete(name);
  const local = below("fast3r.", /downstream_head_local/);
  expect(local).toEqual(real);
  // the local head is a second one of the same form
  expect(below("fast3r.downstream_head_local.")).toEqual(below("fast3r.downstream_head."));
});
