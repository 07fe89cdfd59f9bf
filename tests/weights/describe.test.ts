import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ablations } from "../../lib/config/ablations";
import { presets } from "../../lib/config/presets";
import { resolveConfig } from "../../lib/config/resolve";
import { inProject } from "../../lib/core/root";
import { readSafetensors } from "../../lib/io/safetensors";
import { describeModel, parameterTable } from "../../lib/weights/describe";

/** Table of the paper's trainable parameters: spec 5.3, counted from the released configuration. */
const paper: Record<string, number> = {
  "last 4 language layers, full": 932_231_168,
  "word embeddings": 543_510_016,
  "language layers, LoRA": 161_480_704,
  "vision tower, LoRA": 33_492_992,
  projector: 16_980_992,
  "grounding heads, zero target": 51_412_480,
  "projection P": 3_671_040,
  "projection P, LoRA": 294_912,
  "ray encoding ψ": 1_841_664,
  "structure-enhanced module": 22_583_808,
};

describe("llava-video-7b", () => {
  const table = parameterTable(resolveConfig({ preset: "llava-video-7b" }));

  test.each(Object.entries(paper))("%s: %i trainable parameters", (name, count) => {
    expect(table.items.find((item) => item.name === name)).toMatchObject({ parameters: count, trainable: true });
  });

  test("1,767.499776 million train, as the paper's 1767.50", () => {
    expect(table.trainable).toBe(1_767_499_776);
    expect(
      table.items
        .filter(({ trainable }) => trainable)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(Object.keys(paper).sort());
  });

  test("one Qwen2 layer has 233,057,792 parameters without adapters", () => {
    const frozen = table.items.find(({ name }) => name === "language layers")!;
    expect(frozen.parameters / 24).toBe(233_057_792);
  });
});

describe("video-3d-llm", () => {
  const table = parameterTable(resolveConfig({ preset: "video-3d-llm" }));
  const item = (name: string): { parameters: number; trainable: boolean } => table.items.find((i) => i.name === name)!;

  test("8,078.786592 million in all, as the paper's 8078.79 (spec 5.3)", () => {
    expect(table.total).toBe(8_078_786_592);
  });

  test("all of it trains but lm_head, which no grounding loss reaches, and a norm that nothing reads", () => {
    expect(table.items.filter(({ trainable }) => !trainable).map(({ name }) => name)).toEqual([
      "vision tower, last norm (nothing reads it)",
      "lm_head",
    ]);
    expect(table.total - table.trainable).toBe(151_649 * 3584 + 2 * 1152);
    expect(item("last 28 language layers, full")).toMatchObject({ parameters: 28 * 233_057_792, trainable: true });
    expect(item("grounding heads, zero target")).toMatchObject({ parameters: 51_412_480, trainable: true });
  });
});

test.each(
  Object.keys(presets).flatMap((preset) => Object.keys(ablations).map((ablation) => [preset, ablation] as const)),
)("%s, %s: every parameter has a rule and every rule a parameter", (preset, ablation) => {
  expect(parameterTable(resolveConfig({ preset, ablation })).trainable).toBeGreaterThan(0);
});

test("what only a switched-off loss reaches is frozen", () => {
  const items = (ablation: string): Record<string, boolean> =>
    Object.fromEntries(
      parameterTable(resolveConfig({ preset: "nano", ablation })).items.map(({ name, trainable }) => [name, trainable]),
    );
  expect(items("full").lm_head).toBe(true);
  expect(items("no-lg").lm_head).toBe(false);
  expect(items("no-sg")["projection P"]).toBeUndefined();
});

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
// the norm stands behind the layer that LLaVA-Video drops
test("the vision tower's names are Hugging Face's SiglipVisionModel's, but for its last norm", () => {
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
