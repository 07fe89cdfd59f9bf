import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { recordBytes, recordDims, SceneRecord } from "../../lib/dataloader/record";

const config = (...set: string[]) => resolveConfig({ preset: "nano", set: ["data.frames=2", "data.pool=3", ...set] });

/** Writes another number into each block of each view, then reads all of them again. */
function fillAndRead(record: SceneRecord, seen: (view: number) => Uint8Array | Float32Array): void {
  const { pool } = record.dims;
  const pose = (view: number): number[] => Array.from({ length: 16 }, (_, i) => view + i / 16);
  const blocks = (view: number) => [
    seen(view),
    record.patchXyz(view),
    record.patchKnown(view),
    record.rays(view),
    record.depth(view),
  ];
  for (let v = 0; v < pool; v++) {
    blocks(v).forEach((block, b) => block.fill(10 * b + v + 1));
    record.setCamera(v, { fx: 100 + v, fy: 200 + v, cx: 0.5, cy: -0.25 }, pose(v));
  }
  const copy = new SceneRecord(record.dims, record.bytes.slice(0));
  for (let v = 0; v < pool; v++) {
    blocks(v).forEach((block, b) => expect(block.every((x) => x === 10 * b + v + 1)).toBe(true));
    const { intrinsics, pose: own } = copy.camera(v);
    expect(intrinsics).toEqual({ fx: 100 + v, fy: 200 + v, cx: 0.5, cy: -0.25 });
    expect([...own]).toEqual(pose(v));
  }
}

describe("a record", () => {
  test("has a block for each view of each kind, none over another", () => {
    const features = new SceneRecord(recordDims(config()));
    fillAndRead(features, (v) => features.features(v));
    const pixels = new SceneRecord(recordDims(config("lora.vision=true", "lora.rank=2")));
    fillAndRead(pixels, (v) => pixels.pixels(v));
    const pooled = new SceneRecord(recordDims(config("positions.coordinatesAt=pooled")));
    fillAndRead(pooled, (v) => pooled.features(v));
    expect(pooled.patchXyz(0).length).toBe(16 * 3);
  });

  test("takes the bytes that its numbers take", () => {
    const dims = recordDims(config());
    const { N, C, M, pool, pointmap } = dims;
    expect([dims.side, N, dims.pooledSide, M, pool, pointmap]).toEqual([8, 64, 4, 16, 3, 64]);
    // cameras in float64, then float32, then depth in uint16
    const numbers = pool * (20 * 8 + 4 * (N * C + 4 * N + 3 * M) + 2 * pointmap ** 2);
    expect(recordBytes(dims)).toBe(Math.ceil(numbers / 8) * 8);
  });

  test("gives features or colours, and says which it keeps", () => {
    expect(() => new SceneRecord(recordDims(config())).pixels(0)).toThrow("keep features, not colours");
    const colours = new SceneRecord(recordDims(config("lora.vision=true", "lora.rank=2")));
    expect(() => colours.features(0)).toThrow("keep colours, not features");
  });
});

test("no fewer views are prepared than the model sees", () => {
  expect(recordDims(resolveConfig({ preset: "nano", ablation: "frames-24" })).pool).toBe(24);
  expect(recordDims(resolveConfig({ preset: "nano" })).pool).toBe(12);
  expect(recordDims(resolveConfig({ preset: "llava-video-7b" })).pool).toBe(16);
});
