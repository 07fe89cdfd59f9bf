import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { S2Config } from "../../lib/config/schema";
import { Rng } from "../../lib/core/rng";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
import { readSafetensors, type TensorToWrite, writeSafetensors } from "../../lib/io/safetensors";
import { disposeParameters } from "../../lib/model/initialise";
import { randomInputs } from "../../lib/model/random-inputs";
import { forward } from "../../lib/model/s2mllm";
import { openAdapter, saveAdapter } from "../../lib/weights/adapter";
import { describeModel } from "../../lib/weights/describe";
import { finishedParameters, startingParameters } from "../../lib/weights/parameters";
import { Weights } from "../../lib/weights/weights";
import { publish, publishedConfig } from "../model/published";

const config = publishedConfig();
const base = "lmms-lab/LLaVA-Video-7B-Qwen2";
let top: string, folder: string;
/** What training left: other numbers everywhere. */
const trained = new Map(
  describeModel(config).map(({ name, shape }) => {
    const rng = new Rng(7, name);
    return [name, Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng.normal())];
  }),
);

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "adapter-"));
  folder = join(top, "adapter");
  saveAdapter(folder, config, (name) => trained.get(name)!, base);
});
afterEach(() => rmSync(top, { recursive: true }));

const json = (): Record<string, unknown> =>
  JSON.parse(readFileSync(join(folder, "adapter_config.json"), "utf8")) as Record<string, unknown>;
const say = (change: Record<string, unknown>): void =>
  writeFileSync(join(folder, "adapter_config.json"), JSON.stringify({ ...json(), ...change }));
function edit(file: string, change: (tensors: Map<string, TensorToWrite>) => void): void {
  const tensors = new Map<string, TensorToWrite>(readSafetensors(join(folder, file)));
  change(tensors);
  writeSafetensors(join(folder, file), tensors);
}

test("PEFT's layout: names, settings, what is saved whole, and LLaVA's second file for the rest", () => {
  expect(readdirSync(folder).sort()).toEqual([
    "adapter_config.json",
    "adapter_model.safetensors",
    "non_lora_trainables.safetensors",
  ]);
  const settings = json();
  expect(settings).toMatchObject({
    peft_type: "LORA",
    r: 2,
    lora_alpha: 16,
    bias: "none",
    base_model_name_or_path: base,
  });
  const q = "model.layers.0.self_attn.q_proj";
  expect(settings.target_modules).toContain(q);
  expect(settings.target_modules).toContain("model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc1");
  expect(settings.target_modules).toContain("encoder_to_decoder_proj");
  expect(settings.modules_to_save).toEqual(
    expect.arrayContaining([
      "model.embed_tokens",
      "model.mm_projector.0",
      "st_attention_block.norm2",
      "ground_head_obj.0",
      "model.layers.1.input_layernorm",
    ]),
  );
  const adapter = readSafetensors(join(folder, "adapter_model.safetensors"));
  expect(adapter.get(`base_model.model.${q}.lora_A.weight`)).toMatchObject({
    shape: [2, 16],
    data: trained.get(`${q}.lora_A.weight`),
  });
  expect(adapter.get(`base_model.model.${q}.lora_B.weight`)).toMatchObject({ shape: [16, 2] });
  expect(adapter.has("base_model.model.model.mm_projector.0.weight")).toBe(true);
  expect(adapter.has(`base_model.model.${q}.weight`)).toBe(false);
  const others = [...readSafetensors(join(folder, "non_lora_trainables.safetensors")).keys()];
  expect(others).toContain("base_model.model.ground_head_zero_target");
  expect(others).toContain("base_model.model.model.layers.1.self_attn.q_proj.base_layer.weight");
  expect(others).toContain("base_model.model.encoder_to_decoder_proj.base_layer.bias");
});

test("round trip: what trained comes from the adapter, what is frozen from the base", () => {
  const { llava, fast3r, values } = publish(top, config);
  const weights = Weights.open([llava, fast3r, folder], config);
  expect(weights.added).toEqual([]);
  const frozen = new Set<string>();
  for (const { name } of describeModel(config)) {
    const read = weights.values(name);
    if (read.every((v, i) => v === trained.get(name)![i])) continue;
    frozen.add(name);
    expect(read, name).toEqual(values.get(name));
  }
  expect(
    [...frozen].every(
      (name) =>
        /^(model\.vision_tower|model\.layers\.0|model\.norm|model\.image_newline|lm_head|fast3r)/.test(name) &&
        !name.includes("lora"),
    ),
  ).toBe(true);
  expect(frozen.has("model.layers.0.self_attn.q_proj.weight")).toBe(true);
  weights.close();
});

test("a run that kept its adapter answers without Fast3R's checkpoint, which training asks for", async () => {
  await chooseEngine({ threads: 1 });
  const { llava, fast3r } = publish(top, config);
  const run = join(top, "run");
  mkdirSync(run);
  renameSync(folder, join(run, "adapter"));
  // as llava-video-7b: nothing starts from random numbers that a checkpoint has
  const published: S2Config = { ...config, language: { ...config.language, init: "huggingface" } };
  const without = { ...published, checkpoints: [llava] };
  expect(() => startingParameters(without)).toThrow("no weights for the reconstruction decoder (Fast3R_ViT_Large_512)");
  const scores = (from: S2Config): number[] => {
    const parameters = finishedParameters(run, from);
    const inputs = { objects: 3, before: 2, after: 1, tokens: 4 };
    const values = tf.tidy(() => [
      ...forward(parameters, randomInputs(config, new Rng(1, "scene"), inputs), config).scores.dataSync(),
    ]);
    disposeParameters(parameters);
    return values;
  };
  const got = scores(without);
  expect(got.every(Number.isFinite)).toBe(true);
  expect(got).toEqual(scores({ ...published, checkpoints: [llava, fast3r] }));
});

test("settings that change nothing, and unknown ones that are off, are accepted", () => {
  say({
    init_lora_weights: "gaussian",
    eva_config: null,
    qalora_group_size: 16,
    peft_version: "0.18.0",
    use_new: false,
  });
  openAdapter(folder, config).close();
  // EVA chooses where A begins, and leaves the base as it is
  say({ init_lora_weights: "eva", eva_config: { rho: 1 }, arrow_config: null, target_parameters: null });
  openAdapter(folder, config).close();
});

test("names with PEFT's adapter name and short module names are read too", () => {
  edit("adapter_model.safetensors", (tensors) => {
    for (const [name, tensor] of [...tensors]) {
      if (!name.includes(".lora_")) continue;
      tensors.delete(name);
      tensors.set(name.replace(".weight", ".default.weight"), tensor);
    }
  });
  say({
    target_modules: [
      "q_proj",
      "k_proj",
      "v_proj",
      "o_proj",
      "out_proj",
      "fc1",
      "fc2",
      "gate_proj",
      "up_proj",
      "down_proj",
      "encoder_to_decoder_proj",
    ],
    modules_to_save: [
      "mm_projector",
      "embed_tokens",
      "st_attention_block",
      "mlp_pe",
      "ground_head_obj",
      "ground_head_query",
      "ground_head_skip",
      "input_layernorm",
      "post_attention_layernorm",
    ],
  });
  const adapter = openAdapter(folder, config);
  expect(adapter.sources.get("model.layers.0.self_attn.q_proj.lora_A.weight")!.stored).toMatch(
    /lora_A\.default\.weight$/,
  );
  adapter.close();
  say({ target_modules: ".*(_proj|fc[12])" });
  openAdapter(folder, config).close();
});

describe("an adapter that does not fit is refused", () => {
  const without = (key: string, name: string): Record<string, unknown> => ({
    [key]: (json()[key] as string[]).filter((n) => n !== name),
  });
  const more = (key: string, name: string): Record<string, unknown> => ({
    [key]: [...(json()[key] as string[]), name],
  });

  test.each<[string, Record<string, unknown> | (() => Record<string, unknown>), string]>([
    ["another rank", { r: 4 }, "adapter_config.json: r is 4, expected 2 (--set lora.rank=4 follows the adapter)"],
    [
      "another alpha",
      { lora_alpha: 32 },
      "adapter_config.json: lora_alpha is 32, expected 16 (--set lora.alpha=32 follows the adapter)",
    ],
    ["no rank", { r: null }, "adapter_config.json: r is missing"],
    ["another method", { peft_type: "IA3" }, 'peft_type is "IA3", expected "LORA"'],
    ["another scale", { use_rslora: true }, "use_rslora is true, expected false"],
    ["DoRA", { use_dora: true }, "use_dora is true, expected false"],
    ["PiSSA", { init_lora_weights: "pissa" }, 'init_lora_weights is "pissa", expected true or false or "gaussian"'],
    ["fast PiSSA", { init_lora_weights: "pissa_niter_16" }, "path_initial_model_for_weight_conversion"],
    ["OLoRA", { init_lora_weights: "olora" }, 'init_lora_weights is "olora"'],
    ["LoftQ", { init_lora_weights: "loftq", loftq_config: { loftq_bits: 4 } }, 'loftq_config is {"loftq_bits":4}'],
    ["CorDA", { init_lora_weights: "corda", corda_config: {} }, "corda_config is {}, expected null"],
    ["repeated layers", { layer_replication: [[0, 2]] }, "layer_replication is [[0,2]], expected null"],
    ["QALoRA", { use_qalora: true }, "use_qalora is true, expected false"],
    ["a setting of the future", { use_better: 3 }, "use_better is 3, which is not known here"],
    ["trained biases", { bias: "all" }, 'bias is "all", expected "none"'],
    ["biases of its own", { lora_bias: true }, "lora_bias is true, expected false"],
    ["scales of their own", { alpha_pattern: { q_proj: 8 } }, 'alpha_pattern is {"q_proj":8}, expected {}'],
    ["trained tokens", { trainable_token_indices: [7] }, "trainable_token_indices is [7], expected null"],
    ["parameters that are no modules", { target_parameters: ["experts.w1"] }, 'target_parameters is ["experts.w1"]'],
    ["layers that are chosen", { layers_to_transform: [0] }, "layers_to_transform is [0], expected null"],
    ["routed adapters", { arrow_config: { top_k: 3 } }, 'arrow_config is {"top_k":3}, expected null'],
    ["adapters that a token switches on", { alora_invocation_tokens: [1] }, "alora_invocation_tokens is [1]"],
    ["LoRA-GA", { init_lora_weights: "lora_ga" }, 'init_lora_weights is "lora_ga"'],
    ["ranks of their own", { rank_pattern: { q_proj: 8 } }, 'rank_pattern is {"q_proj":8}, expected {}'],
    [
      "targets that do not name an adapter",
      () => without("target_modules", "encoder_to_decoder_proj"),
      "target_modules does not name encoder_to_decoder_proj, which has an adapter",
    ],
    [
      "targets without a tensor",
      () => more("target_modules", "conv9"),
      "target_modules names conv9, of which there is no tensor",
    ],
    ["targets that are no pattern", { target_modules: "(" }, 'target_modules is "(", which is no pattern'],
    [
      "saved modules that do not name a tensor",
      () => without("modules_to_save", "model.embed_tokens"),
      "modules_to_save does not name model.embed_tokens, which is in adapter_model.safetensors",
    ],
    [
      "saved modules without a tensor",
      () => more("modules_to_save", "classifier"),
      "modules_to_save names classifier, of which there is no tensor",
    ],
  ])("%s", (_, change, message) => {
    say(typeof change === "function" ? change() : change);
    const said = new RegExp(
      `^${folder}: the adapter does not fit the preset tiny: .*${message.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`,
    );
    expect(() => openAdapter(folder, config)).toThrow(said);
  });

  test("a missing, a misshapen and an unknown tensor", () => {
    const q = "base_model.model.model.layers.0.self_attn.q_proj";
    edit("adapter_model.safetensors", (tensors) => {
      tensors.delete(`${q}.lora_B.weight`);
      tensors.set(`${q}.lora_A.weight`, { shape: [4, 16], data: new Float32Array(64) });
      tensors.set("base_model.model.score.weight", { shape: [1], data: Float32Array.of(1) });
    });
    for (const problem of [
      "missing: model.layers.0.self_attn.q_proj.lora_B.weight; ",
      "lora_A.weight: expected [2, 16], got [4, 16]; unexpected: base_model.model.score.weight",
    ])
      expect(() => openAdapter(folder, config)).toThrow(problem);
  });

  test("one tensor in both files", () => {
    edit("non_lora_trainables.safetensors", (tensors) =>
      tensors.set("base_model.model.mlp_pe.0.bias", { shape: [6], data: new Float32Array(6) }),
    );
    expect(() => openAdapter(folder, config)).toThrow(
      'tensor "base_model.model.mlp_pe.0.bias" is in adapter_model.safetensors too',
    );
  });

  test("no tensors, or pickled ones", () => {
    renameSync(join(folder, "non_lora_trainables.safetensors"), join(folder, "non_lora_trainables.bin"));
    expect(() => openAdapter(folder, config)).toThrow(
      /non_lora_trainables\.bin: a Python pickle, which can run code and is never read .*trainables\.safetensors$/,
    );
    rmSync(join(folder, "adapter_model.safetensors"));
    expect(() => openAdapter(folder, config)).toThrow("adapter_model.safetensors: is not there");
  });

  test("a configuration without adapters has none to save", () => {
    expect(() =>
      saveAdapter(
        folder,
        publishedConfig({ lora: { vision: false, language: false } }),
        () => new Float32Array(0),
        base,
      ),
    ).toThrow("has no adapters");
  });
});
