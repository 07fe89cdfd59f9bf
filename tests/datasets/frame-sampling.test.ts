import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Rng } from "../../lib/core/rng";
import { coverageFrames, coverageOf, greedyCoverage, voxelsSeen } from "../../lib/datasets/frame-sampling";
import { openScene } from "../../lib/datasets/scannet";
import { alignedPoseOf, columns, dataFolder, depthIntrinsics, depthOf, rows, writeScan } from "../setup/formats/scan";

const id = "scene0011_00";
let data: ReturnType<typeof dataFolder>;
beforeEach(() => {
  data = dataFolder();
});
afterEach(() => data.remove());
const scan = (name: string): string => join("scans", id, name);

describe("maximum coverage", () => {
  test("voxels are rounded to 0.1 m, ties to even, holes have none", () => {
    const one = (x: number): number => [...voxelsSeen([x, 0, 0])][0]!;
    expect(one(0.04)).toBe(one(0));
    expect(one(0.06)).toBe(one(0.1));
    expect(one(-0.06)).toBe(one(-0.1));
    expect(one(-0.1)).not.toBe(one(0.1));
    expect(voxelsSeen([NaN, NaN, NaN, 1, 2, 3, 1.01, 2, 3])).toEqual(voxelsSeen([1, 2, 3]));
  });

  test("the greedy choice, by hand", () => {
    const sets = [
      [1, 2, 3],
      [3, 4],
      [4, 5, 6, 7],
      [1, 2],
    ].map((s) => new Set(s));
    expect(greedyCoverage(sets, 32, new Rng(0))).toMatchObject({ gains: [4, 3, 0, 0] });
    expect(greedyCoverage(sets, 32, new Rng(0)).order.slice(0, 2)).toEqual([2, 0]);
    expect(greedyCoverage(sets, 1, new Rng(0)).order).toEqual([2]);
    expect(greedyCoverage([], 3, new Rng(0))).toEqual({ order: [], gains: [] });
    // equal gains: the seed decides
    const twins = Array.from({ length: 8 }, () => new Set([1]));
    expect(
      new Set([0, 1, 2, 3, 4, 5].map((seed) => greedyCoverage(twins, 1, new Rng(seed)).order[0])).size,
    ).toBeGreaterThan(1);
  });

  test("a ratio stops early, and frames come in the recording's order", () => {
    const all = { frames: ["30", "4", "100"], gains: [80, 12, 8], coverable: 100, damaged: [] };
    expect(coverageFrames(all)).toEqual(["4", "30", "100"]);
    expect(coverageFrames(all, 0.95)).toEqual(["4", "30", "100"]);
    expect(coverageFrames(all, 0.9)).toEqual(["4", "30"]);
    expect(coverageFrames(all, 0.8)).toEqual(["30"]);
    expect(coverageFrames({ ...all, coverable: 0 }, 0.9)).toEqual(["30"]);
  });

  test("of a scan: every second frame from 64 on, damaged ones left out", async () => {
    await writeScan(data.folder, { frames: 66, lost: [1] });
    data.file(scan("depth/3.png"), "x");
    const scene = openScene(data.folder, id);
    // 65 usable frames: positions 0, 2, 4, … of them, of which position 2 is the damaged frame 3
    const everything = await Promise.all(scene.frames.map((f) => (f === "3" ? [] : worldOf(scene.frames.indexOf(f)))));
    const coverage = await coverageOf(scene, everything.flat(), new Rng(0), 4);
    expect(coverage.damaged).toEqual(["3"]);
    expect(coverage.frames.length).toBe(4);
    expect(coverage.frames.every((f) => scene.frames.indexOf(f) % 2 === 0)).toBe(true);
    expect(coverage.gains).toEqual([...coverage.gains].sort((a, b) => b - a));
    expect(coverage.gains[0]! + coverage.gains[1]!).toBeLessThanOrEqual(coverage.coverable);

    /** World points of a frame, from depth, cameras and poses of the fixture. */
    function worldOf(at: number): number[] {
      const n = Number(scene.frames[at]);
      const d = depthOf(n) / 1000;
      const pose = alignedPoseOf(n);
      return Array.from({ length: rows * columns }, (_, i) => {
        const c = [
          (((i % columns) - depthIntrinsics[2]) / depthIntrinsics[0]) * d,
          ((Math.floor(i / columns) - depthIntrinsics[3]) / depthIntrinsics[1]) * d,
          d,
        ];
        return [0, 1, 2].map(
          (r) => pose[4 * r]! * c[0]! + pose[4 * r + 1]! * c[1]! + pose[4 * r + 2]! * c[2]! + pose[4 * r + 3]!,
        );
      }).flat();
    }
  });

  test("of a scan whose depth cannot be read is an error", async () => {
    await writeScan(data.folder, { frames: 1 });
    data.file(scan("depth/0.png"), "x");
    await expect(coverageOf(openScene(data.folder, id), [], new Rng(0))).rejects.toThrow(
      "none of 1 frames has a depth image that can be read",
    );
  });
});
