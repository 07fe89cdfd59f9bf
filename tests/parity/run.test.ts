import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { inProject } from "../../lib/core/root";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
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
