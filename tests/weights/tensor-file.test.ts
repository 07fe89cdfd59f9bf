import { mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { chooseEngine } from "../../lib/engine/choose";
import { tf } from "../../lib/engine/tf";
import { loadWeights, saveWeights } from "../../lib/weights/tensor-file";

let folder: string;
beforeAll(async () => {
  await chooseEngine({ threads: 1 });
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-weights-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a missing file, a missing tensor and another shape are named", () => {
  const file = join(folder, "model.safetensors");
  const parameters = new Map([
    ["a", tf.variable(tf.fill([2, 3], 1))],
    ["frozen", tf.variable(tf.fill([2], 1))],
  ]);
  expect(() => loadWeights(file, parameters)).toThrow(`${file} is missing: expected weights as safetensors`);
  saveWeights(file, new Map([["a", tf.zeros([3, 2])]]));
  expect(() => loadWeights(file, parameters)).toThrow(
    'tensor "a" is [3, 2], the model needs [2, 3]; the file belongs to another configuration',
  );
  expect(() => loadWeights(file, parameters, ["frozen"])).toThrow(
    'tensor "frozen" is missing; the file belongs to another configuration',
  );
  truncateSync(file, 20);
  expect(() => loadWeights(file, parameters)).toThrow(file);
});
