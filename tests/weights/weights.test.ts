import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { run as convert } from "../../lib/cli/convert";
import { run as params } from "../../lib/cli/params";
import type { S2Config } from "../../lib/config/schema";
import { Rng } from "../../lib/core/rng";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
import { readSafetensors, type TensorToWrite, writeSafetensors } from "../../lib/io/safetensors";
import { TensorFolder } from "../../lib/io/tensor-folder";
import { Generation } from "../../lib/model/generate";
import { disposeParameters } from "../../lib/model/initialise";
import { randomInputs } from "../../lib/model/random-inputs";
import { forward } from "../../lib/model/s2mllm";
import { matchCheckpoint } from "../../lib/weights/checkpoint";
import { describeModel } from "../../lib/weights/describe";
import { writeRandomWeights } from "../../lib/weights/random-weights";
import { StreamedParameters } from "../../lib/weights/streamed";
import { Weights } from "../../lib/weights/weights";
import { type Published, publish, publishedConfig } from "../model/published";
import { printed } from "../setup/printed";

const config = publishedConfig();
let top: string;
let folders: Published;
beforeAll(async () => {
  await chooseEngine({ threads: 1 });
});
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "weights-"));
  folders = publish(top, config);
});
afterEach(() => rmSync(top, { recursive: true }));

const sizes = { objects: 3, before: 2, after: 1, tokens: 4 };

/** Scores of one random scene. */
function scoresOf(parameters: Parameters<typeof forward>[0], of: S2Config = config): Float32Array {
  return tf.tidy(
    () => forward(parameters, randomInputs(of, new Rng(1, "scene"), sizes), of).scores.dataSync() as Float32Array,
  );
}

function asVariables(values: ReadonlyMap<string, Float32Array>): Map<string, tf.Variable> {
  return new Map(
    describeModel(config).map(({ name, shape }) => [name, tf.variable(tf.tensor(values.get(name)!, [...shape]))]),
  );
}

/** Problems that `convert` would print of a folder. */
function problemsOf(path: string, of: S2Config = config): readonly string[] {
  const folder = TensorFolder.open(path);
  try {
    return matchCheckpoint(folder, describeModel(of), of).problems;
  } finally {
    folder.close();
  }
}

/** Rewrites the file of a folder with one file. */
function change(path: string, edit: (tensors: Map<string, TensorToWrite>) => void): void {
  const file = join(path, "model.safetensors");
  const tensors = new Map<string, TensorToWrite>(readSafetensors(file));
  edit(tensors);
  writeSafetensors(file, tensors);
}

describe("a tiny LLaVA-Video-7B with the real names", () => {
  test("loads from four shards with nothing missing or unexpected, and scores as before it was saved", () => {
    expect(readdirSync(folders.llava).filter((name) => name.endsWith(".safetensors")).length).toBe(4);
    expect(problemsOf(folders.llava)).toEqual([]);
    expect(problemsOf(folders.fast3r)).toEqual([]);
    const before = asVariables(folders.values);
    const weights = Weights.open([folders.llava, folders.fast3r], config);
    const after = weights.load();
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
    for (const [name, variable] of after) expect(variable.dataSync(), name).toEqual(folders.values.get(name));
    expect(scoresOf(after)).toEqual(scoresOf(before));
    // what no checkpoint has is listed: adapters, structure module, ψ, grounding heads, projection P
    const added = new Set(weights.added.map((name) => (name.includes(".lora_") ? "lora" : name.split(".")[0]!)));
    expect([...added].sort()).toEqual([
      "encoder_to_decoder_proj",
      "ground_head_obj",
      "ground_head_query",
      "ground_head_skip",
      "ground_head_zero_target",
      "lora",
      "mlp_pe",
      "st_attention_block",
    ]);
    weights.close();
    disposeParameters(before);
    disposeParameters(after);
  });

  test("SigLIP alone serves as the vision tower, its last layer and its text side are left out", () => {
    const alone = join(top, "siglip");
    const prefix = "model.vision_tower.vision_tower.";
    const tower = [...folders.values].filter(([name]) => name.startsWith(prefix) && !name.includes(".lora_"));
    const shapes = new Map(describeModel(config).map(({ name, shape }) => [name, shape]));
    writeSafetensors(join(alone, "model.safetensors"), [
      ...tower.map(([name, data]): [string, TensorToWrite] => [
        name.replace(prefix, ""),
        { shape: shapes.get(name)!, data },
      ]),
      ["vision_model.encoder.layers.2.mlp.fc1.bias", { shape: [1], data: Float32Array.of(0) }],
      ["text_model.final_layer_norm.bias", { shape: [1], data: Float32Array.of(0) }],
      ["logit_scale", { shape: [1], data: Float32Array.of(0) }],
    ]);
    const { vision } = config;
    const write = (heads: number): void =>
      writeFileSync(
        join(alone, "config.json"),
        JSON.stringify({
          architectures: ["SiglipModel"],
          vision_config: {
            hidden_size: vision.hiddenSize,
            num_attention_heads: heads,
            image_size: vision.imageSize,
            patch_size: vision.patchSize,
          },
        }),
      );
    write(vision.heads);
    expect(problemsOf(alone)).toEqual([]);
    expect(() => Weights.open([folders.llava, alone, folders.fast3r], config)).toThrow(
      `${alone}: holds the vision tower, which ${folders.llava} holds too; name only one of them`,
    );
    write(4);
    expect(problemsOf(alone)).toEqual(["config.json: vision_config.num_attention_heads is 4, the preset's is 3"]);
  });

  test("a part that no folder holds is asked for by name", () => {
    expect(() => Weights.open([folders.llava], config)).toThrow(
      "no weights for the reconstruction decoder (Fast3R_ViT_Large_512)",
    );
    expect(() => Weights.open([], config)).toThrow(
      "no weights for the vision tower (LLaVA-Video-7B-Qwen2, or google/siglip-so400m-patch14-384) " +
        "and the language model (LLaVA-Video-7B-Qwen2) and the reconstruction decoder",
    );
  });

  test("missing, unexpected, misshapen, doubled and quantised tensors are each named", () => {
    change(folders.fast3r, (tensors) => {
      tensors.delete("decoder.dec_norm.weight");
      tensors.set("decoder.dec_norn.weight", { shape: [8], data: new Float32Array(8) });
      tensors.set("decoder.dec_norm.bias", { shape: [9], data: new Float32Array(9) });
      tensors.set("fast3r.decoder.decoder_embed.bias", { shape: [8], data: new Float32Array(8) });
      tensors.set("decoder.dec_blocks.0.norm1.bias", { shape: [8], data: new Uint8Array(8) });
    });
    expect(problemsOf(folders.fast3r)).toEqual([
      "missing: fast3r.decoder.dec_norm.weight",
      "decoder.dec_norm.bias: expected [8], got [9]",
      "fast3r.decoder.decoder_embed.bias: means the same parameter as decoder.decoder_embed.bias",
      "unexpected: decoder.dec_norn.weight (near: fast3r.decoder.dec_norm.weight)",
      "decoder.dec_blocks.0.norm1.bias: stored as U8, expected one of F32, F16, BF16, F64",
    ]);
    expect(() => Weights.open([folders.llava, folders.fast3r], config)).toThrow(
      `${folders.fast3r}: does not fit the preset tiny: missing: fast3r.decoder.dec_norm.weight; `,
    );
  });

  test("half of a module that the paper adds is not filled up silently", () => {
    change(folders.fast3r, (tensors) => tensors.set("mlp_pe.0.bias", { shape: [6], data: new Float32Array(6) }));
    expect(problemsOf(folders.fast3r)).toContain("missing: mlp_pe.0.weight");
  });

  test("another model is refused: by its class, its heads, its vocabulary, its names", () => {
    const path = join(folders.llava, "config.json");
    const said = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    writeFileSync(
      path,
      JSON.stringify({ ...said, architectures: ["LlamaForCausalLM"], num_attention_heads: 8, rope_theta: 10_000 }),
    );
    expect(problemsOf(folders.llava)).toEqual([
      "config.json: the checkpoint is a LlamaForCausalLM; " +
        "the preset is built from LlavaQwenForCausalLM, SiglipModel, SiglipVisionModel, Fast3R",
      "config.json: num_attention_heads is 8, the preset's is 4",
      "config.json: rope_theta is 10000, the preset's is 100",
    ]);
    writeFileSync(path, JSON.stringify(said));
    const larger = publishedConfig({ language: { vocabSize: 40 } });
    expect(problemsOf(folders.llava, larger)).toEqual([
      "model.embed_tokens.weight: expected [40, 16], got [29, 16]",
      "lm_head.weight: expected [40, 16], got [29, 16]",
    ]);
    const other = join(top, "other");
    mkdirSync(other);
    writeSafetensors(join(other, "model.safetensors"), [
      ["transformer.h.0.attn.weight", { shape: [1], data: Float32Array.of(1) }],
    ]);
    expect(problemsOf(other)).toEqual([
      "none of its 1 tensors is one of the model's: it belongs to another model",
      "unexpected: transformer.h.0.attn.weight",
    ]);
  });
});

describe("streamed", () => {
  test("a pass that frees each part scores as one with all weights in memory, from half-precision shards", () => {
    const half = publish(join(top, "half"), config, "BF16");
    const weights = Weights.open([half.llava, half.fast3r], config);
    const loaded = weights.load();
    const whole = scoresOf(loaded);
    disposeParameters(loaded);
    const tensors = tf.memory().numTensors;
    let told = 0;
    const parameters = new StreamedParameters(weights, (bytes) => void (told = bytes));
    const streamed = scoresOf(parameters);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(told).toBe(parameters.bytesRead);
    // the runtime may join operations across parts when it sees the whole pass: float32 rounding
    whole.forEach((score, i) => expect(Math.abs(score - streamed[i]!)).toBeLessThan(2e-6));
    expect(new Set(whole).size).toBeGreaterThan(2);
    // and bfloat16 changed the scores, so that the halves were really read
    expect(
      Math.max(...scoresOf(asVariables(folders.values)).map((score, i) => Math.abs(score - whole[i]!))),
    ).toBeGreaterThan(1e-5);
    weights.close();
  });

  test("further tokens read the language model again, but for what fits into memory", () => {
    const weights = Weights.open([folders.llava, folders.fast3r], config);
    const perToken = [...weights.specs.values()]
      .filter(({ name }) => /^(model\.(embed_tokens|layers|norm)|lm_head|ground_head)/.test(name))
      .reduce((n, { shape }) => n + 4 * shape.reduce((a, b) => a * b, 1), 0);
    const read = (keepBytes: number): { each: number; kept: number; scores: Float32Array } => {
      const parameters = new StreamedParameters(weights, () => {}, keepBytes);
      const inputs = randomInputs(config, new Rng(1, "scene"), sizes);
      const room = sizes.tokens + 1;
      const prefix = inputs.groundRows.dataSync()[0]! + 1 - sizes.tokens;
      const shape = { scenes: 1, sentences: 1, objects: sizes.objects, prefix, question: sizes.tokens, written: 1 };
      const generation = new Generation(parameters, config, shape);
      tf.tidy(() => void generation.begin(inputs).scores.dataSync());
      const before = parameters.bytesRead;
      const scores = tf.tidy(
        () =>
          generation
            .next({
              ids: tf.tensor2d([3], [1, 1], "int32"),
              place: tf.tensor1d([...Array(sizes.tokens).fill(0), 1]),
              kept: tf.ones([1, 1, room]),
            })
            .scores.dataSync() as Float32Array,
      );
      const out = { each: parameters.bytesRead - before, kept: parameters.keptBytes, scores };
      generation.dispose();
      parameters.dispose();
      return out;
    };
    const none = read(0);
    const some = read(perToken / 2);
    const all = read(1e12);
    expect(none.each).toBeGreaterThan(0.9 * perToken);
    expect(none.kept).toBe(0);
    expect(some.kept).toBeGreaterThan(0);
    expect(some.kept).toBeLessThanOrEqual(perToken / 2);
    expect(some.each + some.kept).toBeLessThanOrEqual(none.each + some.kept);
    expect(some.each).toBeLessThan(none.each);
    expect(all.each).toBe(0);
    for (const { scores } of [some, all])
      scores.forEach((score, i) => expect(Math.abs(score - none.scores[i]!)).toBeLessThan(1e-5));
    weights.close();
  });

  test("no more than one part's parameters are held at once, and no intermediates are promised", () => {
    const weights = Weights.open([folders.llava, folders.fast3r], config);
    const parameters = new StreamedParameters(weights);
    let most = 0;
    const watched = {
      has: (name: string) => parameters.has(name),
      get: (name: string) => {
        const t = parameters.get(name);
        most = Math.max(most, tf.memory().numTensors);
        return t;
      },
      part: <T>(run: (...inputs: tf.Tensor[]) => T, prefix: string, inputs: readonly tf.Tensor[]) =>
        parameters.part(run, prefix, inputs),
    };
    const before = tf.memory().numTensors;
    // an answer needs no reconstruction branch
    scoresOf(watched, { ...config, reconstruction: { ...config.reconstruction, enabled: false } });
    // a layer has 26 parameters with its adapters, all its tensors together are fewer than the model's parameters
    expect(most - before).toBeLessThan(weights.specs.size / 2);
    expect(() =>
      tf.tidy(
        () => void forward(parameters, randomInputs(config, new Rng(1), sizes), config, { intermediates: "all" }),
      ),
    ).toThrow("leave no intermediates");
    weights.close();
  });

  test("random weights in half precision fill a model", () => {
    const folder = join(top, "random");
    const answering = publishedConfig({ reconstruction: { enabled: false }, lossWeights: { recon: 0 } });
    writeRandomWeights(folder, answering, 4000);
    const weights = Weights.open([folder], answering);
    expect(weights.added).toEqual([]);
    expect(scoresOf(new StreamedParameters(weights), answering).every(Number.isFinite)).toBe(true);
    weights.close();
  });
});

describe("s2mllm convert", () => {
  test("a folder of another size: status 1, every name in the JSON document", async () => {
    const { status, out } = await printed(convert, folders.llava, "--preset", "video-3d-llm", "--json");
    expect(status).toBe(1);
    const document = JSON.parse(out) as {
      fits: boolean;
      parts: string[];
      misshapen: { name: string }[];
      missing: string[];
      problems: string[];
      claim: string;
    };
    expect(document).toMatchObject({
      fits: false,
      claim: "LlavaQwenForCausalLM",
      parts: ["language model", "vision tower"],
    });
    expect(document.missing).toContain("model.layers.27.mlp.down_proj.weight");
    expect(document.misshapen.map(({ name }) => name)).toContain("model.embed_tokens.weight");
    expect(document.problems.length).toBeGreaterThan(300);
  });

  test("the text names a few and counts the rest", async () => {
    const { status, out } = await printed(convert, folders.llava);
    expect(status).toBe(1);
    expect(out).toMatch(/^.*llava: \d+ tensors, a LlavaQwenForCausalLM\n {2}language model: /);
    expect(out).toMatch(/and \d+ more \(--json lists all\)\ndoes not fit llava-video-7b: \d+ problems\n$/);
  });

  test("a file that is no checkpoint, and wrong usage", async () => {
    writeFileSync(join(top, "x.safetensors"), "nonsense");
    await expect(convert([join(top, "x.safetensors")])).rejects.toThrow("not a sound safetensors file");
    await expect(convert([])).rejects.toThrow("takes one folder or file");
  });

  test("params says the same beside its counts", async () => {
    const alone = JSON.parse((await printed(convert, folders.llava, "--json")).out) as object;
    const both = await printed(params, "--preset", "llava-video-7b", "--checkpoint", folders.llava, "--json");
    expect(both.status).toBe(1);
    expect(JSON.parse(both.out)).toMatchObject({ trainable: 1767499776, checkpoint: alone });
    expect((await printed(params, "--preset", "llava-video-7b", "--checkpoint", folders.llava)).out).toMatch(
      /does not fit llava-video-7b: \d+ problems\n$/,
    );
  });
});

afterAll(() => tf.disposeVariables());
