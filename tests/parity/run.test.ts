import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { inProject } from "../../lib/core/root";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
import { readSafetensors, writeSafetensors } from "../../lib/io/safetensors";
import { type Golden, readGoldens } from "../../lib/parity/case";
import { runCase } from "../../lib/parity/run";

const folder = inProject("tests", "fixtures", "goldens");
const goldens = readGoldens(folder);

/** A copy of one golden with its index entry, or its numbers, changed. */
function changed(
  name: string,
  change: (golden: { tensors: { name: string; role: string }[] }) => void,
): { folder: string; golden: Golden } {
  const copy = mkdtempSync(join(tmpdir(), "golden-"));
  cpSync(join(folder, `${name}.safetensors`), join(copy, `${name}.safetensors`));
  const golden = structuredClone(goldens.find(({ file }) => file === `${name}.safetensors`)!) as unknown as {
    tensors: { name: string; role: string }[];
  };
  change(golden);
  writeFileSync(join(copy, "index.json"), JSON.stringify({ format: 1, goldens: [golden] }));
  copies.push(copy);
  return { folder: copy, golden: readGoldens(copy)[0]! };
}
const copies: string[] = [];
afterAll(() => copies.forEach((copy) => rmSync(copy, { recursive: true })));

describe.each(["ort-cpu", "wasm"] as const)("on %s", (engine) => {
  test.each(goldens.map(({ file }) => file))("%s: every output and gradient", async (file) => {
    expect((await chooseEngine({ engine })).engine).toBe(engine);
    const result = runCase(folder, goldens.find((golden) => golden.file === file)!);
    expect(result.failures).toEqual([]);
    expect(result.pass).toBe(true);
  });
});

describe("the comparison itself", () => {
  test("a wrong number fails and is named", async () => {
    await chooseEngine({ engine: "wasm" });
    const { folder: copy, golden } = changed("dust3r_conf_loss", () => {});
    const path = join(copy, golden.file);
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
      string,
      { data_offsets: [number, number] }
    >;
    const at = 8 + length + header.loss!.data_offsets[0];
    bytes.writeFloatLE(bytes.readFloatLE(at) * 1.001, at);
    writeFileSync(path, bytes);
    const result = runCase(copy, golden);
    expect(result.pass).toBe(false);
    expect(result.failures).toHaveLength(1);
    expect(result.failures[0]).toMatch(/^loss\[0\]: got .*, expected .*/);
  });

  test("a tensor that no runner produces is a failure", () => {
    const { folder: copy, golden } = changed("dust3r_conf_loss", (g) => {
      g.tensors.find(({ name }) => name === "view0.pred_conf")!.role = "output";
    });
    expect(runCase(copy, golden).failures).toEqual(["view0.pred_conf: not produced"]);
  });

  test("an unknown family and a missing parameter are failures, not crashes", () => {
    expect(runCase(folder, { file: "other.safetensors", config: {}, tensors: [] }).failures[0]).toContain(
      'no runner for "other"',
    );
    const { folder: copy, golden } = changed("siglip_vision", (g) => {
      const index = g.tensors.findIndex(({ name }) => name === "param.vision_model.encoder.layers.0.mlp.fc1.bias");
      g.tensors.splice(index, 1);
    });
    expect(runCase(copy, golden).failures[0]).toContain(
      "missing: model.vision_tower.vision_tower.vision_model.encoder.layers.0.mlp.fc1.bias",
    );
  });

  test.each([
    ["siglip_vision", "image_size"],
    ["siglip_vision", "num_attention_heads"],
    ["qwen2_causal_lm", "num_key_value_heads"],
    ["qwen2_lora", "lora"],
    ["qwen2_lora", "base_weights"],
    ["fast3r_decoder_head", "dim"],
    ["fast3r_decoder_head", "layer_dims"],
    ["fast3r_conf_loss", "views"],
    ["s2mllm_end_to_end", "dv"],
    ["s2mllm_end_to_end", "model"],
    ["v3d_end_to_end", "ground"],
    ["v3d_geometry", "disc"],
  ])("%s without its option %s says so", (name, option) => {
    for (const value of [undefined, "many"]) {
      const { folder: copy, golden } = changed(name, (g) => {
        const { config } = g as unknown as { config: Record<string, unknown> };
        if (value === undefined) delete config[option];
        else config[option] = value;
      });
      const [failure] = runCase(copy, golden).failures;
      expect(failure).toMatch(new RegExp(`^golden ${name}: .*config.*\\b${option}\\b`));
    }
  });

  test("a case leaves no tensor and no variable behind", () => {
    const golden = goldens.find(({ file }) => file === "llava_projector_pool.safetensors")!;
    runCase(folder, golden);
    const before = tf.memory().numTensors;
    runCase(folder, golden);
    expect(tf.memory().numTensors).toBe(before);
  });

  test("a folder without an index is named", () => {
    expect(() => readGoldens(join(folder, "nowhere"))).toThrow(/no index\.json in it/);
  });
});

/** Names of the global head and of its maps, as the local head has them. */
const local = (name: string): string =>
  name.replace(/downstream_head\b/, "downstream_head_local").replace(/^(view\d+\.(?:pts3d|conf))$/, "$1_local");

describe("a case of one block", () => {
  beforeAll(async () => {
    await chooseEngine({ engine: "wasm" });
  });

  test.each([
    ["the global head alone", /^downstream_head\./, /^view\d+\.(pts3d|conf)$/],
    ["no head", /^never/, /^never/],
  ])("Fast3R's decoder with %s", (_, head, outputs) => {
    const { folder: copy, golden } = changed("fast3r_decoder_head", (g) => {
      g.tensors = g.tensors.filter(({ name, role }) => {
        if (role === "grad" || name === "loss") return false;
        if (/^param\.downstream_head/.test(name)) return head.test(name.slice("param.".length));
        return role !== "output" || outputs.test(name) || /^(decoder\.out|image_idx_emb)/.test(name);
      });
      const { config } = g as unknown as { config: Record<string, unknown> };
      if (!head.test("downstream_head."))
        for (const key of ["nh", "nw", "patch", "fdim", "layer_dims"]) delete config[key];
    });
    expect(golden.tensors.filter(({ role }) => role === "output").length).toBeGreaterThan(2);
    expect(runCase(copy, golden).failures).toEqual([]);
  });

  test.each([
    ["the local head alone", [local]],
    ["both heads", [(name: string) => name, local]],
  ])("Fast3R's decoder with %s, whose weights and maps are the global one's", (_, names) => {
    const of = goldens.find(({ file }) => file === "fast3r_decoder_head.safetensors")!;
    const named = <T>(list: readonly (readonly [string, T])[]): Map<string, T> =>
      new Map(list.flatMap(([name, value]) => names.map((to) => [to(name), value] as const)));
    const kept = of.tensors.filter(({ name, role }) => role !== "grad" && name !== "loss");
    const copy = mkdtempSync(join(tmpdir(), "golden-"));
    copies.push(copy);
    writeSafetensors(join(copy, of.file), [...named([...readSafetensors(join(folder, of.file))])]);
    const tensors = [...named(kept.map((t) => [t.name, t] as const))].map(([name, t]) => ({ ...t, name }));
    expect(tensors.some(({ name }) => name === "view0.pts3d_local")).toBe(true);
    expect(runCase(copy, { ...of, tensors }).failures).toEqual([]);
  });

  // x W0' + b0, GELU by its definition, W2' + b2, all in float64; widths that no model has
  test.each([
    [5, 21],
    [9, 7],
    [6, 1],
  ])("a projector from %i to %i", (din, dout) => {
    const rng = new Rng(din, "projector");
    const draw = (...shape: number[]): Float32Array =>
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => rng.normal());
    const [w0, b0, w2, b2, x] = [draw(dout, din), draw(dout), draw(dout, dout), draw(dout), draw(3, din)];
    const linear = (rows: number[][], w: Float32Array, b: Float32Array): number[][] =>
      rows.map((row) => Array.from(b, (bias, o) => row.reduce((sum, v, i) => sum + v * w[o * row.length + i]!, bias)));
    /** Normal distribution function: Simpson's rule on its density. */
    const normal = (z: number): number => {
      const [n, density] = [2000, (t: number) => Math.exp(-(t ** 2) / 2) / Math.sqrt(2 * Math.PI)];
      const h = z / n;
      let sum = density(0) + density(z);
      for (let i = 1; i < n; i++) sum += (i % 2 === 0 ? 2 : 4) * density(i * h);
      return 0.5 + (sum * h) / 3;
    };
    const rows = Array.from({ length: 3 }, (_, r) => Array.from(x.subarray(r * din, (r + 1) * din)));
    const inner = linear(rows, w0, b0).map((row) => row.map((v) => v * normal(v)));
    const y = Float32Array.from(linear(inner, w2, b2).flat());
    const weight = draw(3, dout);
    const loss = y.reduce((sum, v, i) => sum + v * weight[i]!, 0) / y.length;
    const copy = mkdtempSync(join(tmpdir(), "golden-"));
    copies.push(copy);
    const tensors = {
      "proj.param.0.weight": { shape: [dout, din], data: w0 },
      "proj.param.0.bias": { shape: [dout], data: b0 },
      "proj.param.2.weight": { shape: [dout, dout], data: w2 },
      "proj.param.2.bias": { shape: [dout], data: b2 },
      "proj.x": { shape: [3, din], data: x },
      "proj.loss_weight": { shape: [3, dout], data: weight },
      "proj.y": { shape: [3, dout], data: y },
      "proj.loss": { shape: [], data: Float32Array.of(loss) },
    };
    writeSafetensors(join(copy, "llava_projector_pool.safetensors"), Object.entries(tensors));
    const golden: Golden = {
      file: "llava_projector_pool.safetensors",
      config: {},
      tensors: Object.entries(tensors).map(([name, { shape }]) => ({
        name,
        shape,
        role: name.includes("param") ? "param" : /\.(y|loss)$/.test(name) ? "output" : "input",
        tolerance: 1e-5,
      })),
    };
    expect(runCase(copy, golden)).toMatchObject({ pass: true, failures: [] });
  });
});
