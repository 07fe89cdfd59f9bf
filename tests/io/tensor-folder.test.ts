import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TensorToWrite, writeSafetensors } from "../../lib/io/safetensors";
import { TensorFolder, writeTensorFolder } from "../../lib/io/tensor-folder";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "tensor-folder-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const numbers = (...values: number[]): TensorToWrite => ({ shape: [values.length], data: Float32Array.from(values) });
const four: [string, TensorToWrite][] = [
  ["a", numbers(1, 2)],
  ["b", numbers(3)],
  ["c", numbers(4, 5)],
  ["d", numbers(6)],
];
const index = (): string => join(folder, "model.safetensors.index.json");

function changeIndex(change: (map: Record<string, unknown>) => void): void {
  const json = JSON.parse(readFileSync(index(), "utf8")) as { weight_map: Record<string, unknown> };
  change(json.weight_map);
  writeFileSync(index(), JSON.stringify(json));
}

test("shards and their index are read as one", () => {
  writeTensorFolder(folder, four, 12);
  expect(readdirSync(folder).sort()).toEqual([
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
  ]);
  expect(JSON.parse(readFileSync(index(), "utf8"))).toMatchObject({
    metadata: { total_size: 24 },
    weight_map: { b: "model-00001-of-00002.safetensors", c: "model-00002-of-00002.safetensors" },
  });
  const tensors = TensorFolder.open(folder);
  expect([...tensors.tensors.keys()]).toEqual(["a", "b", "c", "d"]);
  expect([...tensors.read("c").data]).toEqual([4, 5]);
  expect([...tensors.read("a", [1, 2]).data]).toEqual([2]);
  expect(() => tensors.read("e")).toThrow(`${folder}: no tensor "e" in it`);
  tensors.close();
});

test(
  "one file: model.safetensors, another name, or the file itself; links are followed, as in Hugging Face's " + "cache",
  () => {
    const elsewhere = join(folder, "blobs", "1234.safetensors");
    writeSafetensors(elsewhere, four);
    symlinkSync(elsewhere, join(folder, "model.safetensors"));
    for (const path of [folder, elsewhere, join(folder, "blobs")]) {
      const tensors = TensorFolder.open(path);
      expect([...tensors.read("b").data]).toEqual([3]);
      expect(tensors.folder).toBe(path === folder ? folder : join(folder, "blobs"));
      tensors.close();
    }
  },
);

test.each([
  "../model-00001-of-00002.safetensors",
  "/etc/model.safetensors",
  "sub/x.safetensors",
  "..\\x.safetensors",
  "..",
  "weights.bin",
  3,
])("a shard called %j is refused", (name) => {
  writeTensorFolder(folder, four, 12);
  changeIndex((map) => void (map.a = name));
  expect(() => TensorFolder.open(folder)).toThrow(
    `tensor "a" is said to be in ${JSON.stringify(name)}; expected the plain name of a .safetensors file beside ` +
      "the index",
  );
});

test("shards that do not agree with their index", () => {
  writeTensorFolder(folder, four, 12);
  changeIndex((map) => void (map.a = "model-00002-of-00002.safetensors"));
  expect(() => TensorFolder.open(folder)).toThrow(
    'holds tensor "a", which model.safetensors.index.json puts in model-00002-of-00002.safetensors',
  );
  writeTensorFolder(folder, four, 12);
  changeIndex((map) => void delete map.a);
  expect(() => TensorFolder.open(folder)).toThrow(
    'holds tensor "a", which model.safetensors.index.json puts in no file',
  );
  writeTensorFolder(folder, four, 12);
  changeIndex((map) => void (map.e = "model-00001-of-00002.safetensors"));
  expect(() => TensorFolder.open(folder)).toThrow(
    'model-00001-of-00002.safetensors: lacks tensor "e", which model.safetensors.index.json puts there',
  );
});

test("a shard that is missing, or has a tensor of another one", () => {
  writeTensorFolder(folder, four, 12);
  copyFileSync(join(folder, "model-00001-of-00002.safetensors"), join(folder, "model-00002-of-00002.safetensors"));
  expect(() => TensorFolder.open(folder)).toThrow('tensor "a" is in model-00001-of-00002.safetensors too');
  rmSync(join(folder, "model-00002-of-00002.safetensors"));
  expect(() => TensorFolder.open(folder)).toThrow(
    "1 of the 2 files that model.safetensors.index.json names are missing (model-00002-of-00002.safetensors)",
  );
  // with shards of another count beside it, the index is the stale one
  for (const i of [1, 2, 3])
    copyFileSync(join(folder, "model-00001-of-00002.safetensors"), join(folder, `model-0000${i}-of-00003.safetensors`));
  rmSync(join(folder, "model-00001-of-00002.safetensors"));
  expect(() => TensorFolder.open(folder)).toThrow(
    "model.safetensors.index.json: is of another checkpoint: it names model-00001-of-00002.safetensors, " +
      "model-00002-of-00002.safetensors, and beside it lie model-00001-of-00003.safetensors",
  );
});

test("an index that is no index", () => {
  writeFileSync(index(), '{"weight_map":{}}');
  expect(() => TensorFolder.open(folder)).toThrow('expected "weight_map", a file for each tensor');
  writeFileSync(index(), '{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}');
  expect(() => TensorFolder.open(folder)).toThrow(`${index()}: the file names "a" twice`);
  writeFileSync(index(), "nonsense");
  expect(() => TensorFolder.open(folder)).toThrow(`${index()}: the file is not JSON`);
});

test("folders that hold no weights, several, or pickles say what to do", () => {
  expect(() => TensorFolder.open(join(folder, "none"))).toThrow("is not there; expected a Hugging Face folder");
  expect(() => TensorFolder.open(folder)).toThrow("neither model.safetensors nor model.safetensors.index.json in it");
  writeFileSync(join(folder, "pytorch_model.bin"), "");
  expect(() => TensorFolder.open(folder)).toThrow(
    /pytorch_model\.bin: a Python pickle, which can run code and is never read here; convert .*: python -c/,
  );
  expect(() => TensorFolder.open(join(folder, "pytorch_model.bin"))).toThrow("a Python pickle");
  writeSafetensors(join(folder, "vision.safetensors"), four);
  writeSafetensors(join(folder, "text.safetensors"), four);
  expect(() => TensorFolder.open(folder)).toThrow(
    "2 .safetensors files (text.safetensors, vision.safetensors…) and no model.safetensors.index.json",
  );
  mkdirSync(join(folder, "both"));
  writeTensorFolder(join(folder, "both"), four, 100);
  writeSafetensors(join(folder, "both", "model.safetensors"), four);
  expect(() => TensorFolder.open(join(folder, "both"))).toThrow(
    "holds model.safetensors and model.safetensors.index.json",
  );
});
