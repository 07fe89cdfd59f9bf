import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import {
  type CacheIndex,
  cacheVersion,
  isWhole,
  readIndex,
  readScene,
  SceneCache,
  type SceneHead,
  sceneFile,
  writeIndex,
  writeScene,
} from "../../lib/dataloader/prepared-scenes";
import { recordDims, SceneRecord } from "../../lib/dataloader/record";

const dims = recordDims(resolveConfig({ preset: "nano", set: ["data.frames=2", "data.pool=3"] }));
const box = [0, 0, 0, 1, 1, 1] as const;
const head: SceneHead = {
  id: "scene0000_00",
  key: "0123456789abcdef",
  sources: { scan: "s", proposals: "", parts: { poses: "a" } },
  frames: ["0", "1", "2"],
  skippedFrames: 1,
  damaged: ["3"],
  objects: [{ id: 0, label: "bed", box }],
  proposals: [{ box }, { box, label: "chair", score: 0.5 }],
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-prepared-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/**
 * A folder with one scene: features are its view's number, and patch i of view v has 100 b + 10 v + i % 10 pixels in
 * box b.
 */
function write(): string {
  const record = new SceneRecord(dims);
  for (let v = 0; v < dims.pool; v++) record.features(v).fill(v + 0.5);
  const counts = Uint16Array.from({ length: 3 * dims.pool * dims.N }, (_, i) => {
    const [b, v] = [Math.floor(i / (dims.pool * dims.N)), Math.floor(i / dims.N) % dims.pool];
    return 100 * b + 10 * v + (i % 10);
  });
  writeScene(folder, head, record, counts);
  return join(folder, sceneFile(head));
}

function open(): SceneCache {
  const index: CacheIndex = {
    version: cacheVersion,
    dataFingerprint: "d",
    splits: { train: [head.id], val: [] },
    scenes: [readScene(folder, head, dims)!],
  };
  writeIndex(folder, index);
  expect(readIndex(folder)).toEqual(index);
  return new SceneCache(folder, index, dims);
}

test("what is written is read: head, views in any order, both kinds of boxes", () => {
  write();
  const [scene] = open().scenes("train");
  expect(scene!.entry).toMatchObject(head);
  expect([...new Set(scene!.record.features(2))]).toEqual([2.5]);
  const gt = scene!.patchCounts("gt", [0]);
  expect([gt.length, gt[0], gt[13]]).toEqual([64, 0, 3]);
  // boxes of the detector lie behind the objects; views in the order asked for
  const detector = scene!.patchCounts("detector", [2, 0]);
  expect(detector.length).toBe(2 * 2 * 64);
  /** As `write` has it. */
  const count = (b: number, v: number, i: number): number => 100 * b + 10 * v + (((b * 3 + v) * 64 + i) % 10);
  expect([0, 1, 2, 3].map((k) => detector[k * 64 + 5])).toEqual([
    count(1, 2, 5),
    count(1, 0, 5),
    count(2, 2, 5),
    count(2, 0, 5),
  ]);
  expect(readdirSync(folder).sort()).toEqual(["index.json", "scene0000_00-0123456789abcdef.bin"]);
});

test("a released record is read again", () => {
  write();
  const [scene] = open().scenes("train");
  const { record } = scene!;
  expect(scene!.record).toBe(record);
  scene!.release();
  expect(scene!.record).not.toBe(record);
  expect(scene!.record.features(1)[0]).toBe(1.5);
});

test("a file that is cut off, of another key or of another version is not taken for a scene", () => {
  const path = write();
  const whole = readScene(folder, head, dims)!;
  expect(isWhole(folder, whole, dims)).toBe(true);
  expect(readScene(folder, { ...head, key: "f".repeat(16) }, dims)).toBeUndefined();
  const bytes = readFileSync(path);
  for (const [at, value] of [
    [0, 0x58],
    [8, cacheVersion + 1],
    [20, 0],
  ] as const) {
    const spoilt = Buffer.from(bytes);
    spoilt[at] = value;
    writeFileSync(path, spoilt);
    expect(readScene(folder, head, dims), `byte ${at}`).toBeUndefined();
  }
  writeFileSync(path, bytes);
  truncateSync(path, bytes.length - 1);
  expect(readScene(folder, head, dims)).toBeUndefined();
  expect(isWhole(folder, whole, dims)).toBe(false);
});

test("an index of another version, or none, is told apart", () => {
  expect(readIndex(folder)).toBeUndefined();
  for (const text of ['{"key":"k","dims":{},"splits":{"train":[]}}', '{"version":99}', "half a fi"]) {
    writeFileSync(join(folder, "index.json"), text);
    expect(readIndex(folder)).toBe("other version");
  }
});

test("a file that is too short or gone says so and what to do; an unknown split is named", () => {
  const path = write();
  const cache = open();
  truncateSync(path, 1000);
  const [scene] = cache.scenes("train");
  expect(() => scene!.record).toThrow(
    /scene0000_00-\w+\.bin: expected \d+ bytes at \d+, got \d+; delete it to prepare/,
  );
  expect(() => scene!.patchCounts("detector", [0])).toThrow(/expected 768 bytes at \d+, got 0; delete it/);
  rmSync(path);
  expect(() => scene!.record).toThrow(
    /is gone; another command prepared the scene anew or removed it: run this command/,
  );
  expect(() => cache.scenes("test")).toThrow('no split "test"; known: train, val');
});
