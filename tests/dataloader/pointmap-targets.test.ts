import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { Rng } from "../../lib/core/rng";
import { pointmapDepth, pointmapsOf, reconstructionChoice } from "../../lib/dataloader/pointmap-targets";
import { pointmapPixels, type RecordDims, recordDims, SceneRecord } from "../../lib/dataloader/record";
import { multiply4, turnAndShift } from "../../lib/geometry/rigid";
import { difference } from "../setup/tensors";

describe("the choice of scenes and views", () => {
  const recon = (scenesPerStep: number, viewsPerStep: number) => ({
    ...resolveConfig({ preset: "nano" }).reconstruction,
    scenesPerStep,
    viewsPerStep,
  });

  test("0 takes all", () => {
    expect(reconstructionChoice([0.7, 0.1, 0.4], 5, recon(0, 0))).toEqual({
      scenes: [0, 1, 2],
      firstViews: [0, 0, 0],
      count: 5,
    });
    expect(reconstructionChoice([0.7, 0.1], 3, recon(9, 9))).toEqual({ scenes: [0, 1], firstViews: [0, 0], count: 3 });
  });

  test("the smallest draws decide, and every run of neighbouring views comes up", () => {
    expect(reconstructionChoice([0.7, 0.1, 0.4, 0.9], 5, recon(2, 3)).scenes).toEqual([1, 2]);
    const rng = new Rng(0, "draws");
    const first = new Set<number>(),
      scenes = new Set<number>();
    for (let i = 0; i < 200; i++) {
      const choice = reconstructionChoice([rng.next(), rng.next(), rng.next()], 6, recon(1, 4));
      expect(choice.scenes.length).toBe(1);
      scenes.add(choice.scenes[0]!);
      first.add(choice.firstViews[0]!);
    }
    expect([...first].sort()).toEqual([0, 1, 2]); // 6 views hold three runs of 4
    expect([...scenes].sort()).toEqual([0, 1, 2]);
  });
});

test("pointmaps are the unprojected pixels, and the same points seen from the first view", () => {
  const R = 4,
    image = 14,
    views = 3;
  const rng = new Rng(3, "pointmaps");
  const k = { fx: 11, fy: 12.5, cx: 6.2, cy: 7.1 };
  const tilt = Float64Array.of(
    1,
    0,
    0,
    0,
    0,
    Math.cos(1.9),
    -Math.sin(1.9),
    0,
    0,
    Math.sin(1.9),
    Math.cos(1.9),
    0,
    0,
    0,
    0,
    1,
  );
  const poses = Array.from({ length: views }, () =>
    multiply4(turnAndShift(rng.uniform(-3, 3), rng.uniform(-2, 2), rng.uniform(-2, 2), 1.5), tilt),
  );
  const depth = Array.from({ length: views }, () =>
    Uint16Array.from({ length: R * R }, () => (rng.next() < 0.25 ? 0 : 500 + rng.int(4000))),
  );
  const dims: RecordDims = {
    pool: views,
    N: 1,
    side: 1,
    patchPixels: image ** 2,
    C: 1,
    M: 1,
    pooledSide: 1,
    pointmap: R,
    image,
  };
  const record = new SceneRecord(dims);
  depth.forEach((own, v) => {
    record.depth(v).set(own);
    record.setCamera(v, k, poses[v]!);
  });
  const config = resolveConfig({
    preset: "nano",
    set: ["reconstruction.scenesPerStep=0", "reconstruction.viewsPerStep=0"],
  });
  const maps = pointmapsOf([{ scene: { record }, views: [2, 0, 1], draw: 0 }], { dims }, config);
  expect(maps.shape).toEqual([1, 3, R, R, 3]);

  // by formula: x = (u - cx) d / fx at the middle pixel of each of the R x R cells, then world, then the first camera
  const local: number[] = [],
    global: number[] = [],
    valid: number[] = [];
  const first = poses[2]!;
  for (const v of [2, 0, 1]) {
    for (let y = 0; y < R; y++) {
      for (let x = 0; x < R; x++) {
        const d = depth[v]![y * R + x]! / 1000;
        valid.push(d > 0 ? 1 : 0);
        const [u, w] = [Math.floor((x + 0.5) * (image / R)), Math.floor((y + 0.5) * (image / R))];
        const point = [((u - k.cx) * d) / k.fx, ((w - k.cy) * d) / k.fy, d];
        local.push(...point);
        const world = [0, 1, 2].map((i) =>
          [0, 1, 2].reduce((sum, j) => sum + poses[v]![4 * i + j]! * point[j]!, poses[v]![4 * i + 3]!),
        );
        const away = world.map((c, i) => c - first[4 * i + 3]!);
        global.push(
          ...[0, 1, 2].map((i) => (d === 0 ? 0 : [0, 1, 2].reduce((sum, j) => sum + first[4 * j + i]! * away[j]!, 0))),
        );
      }
    }
  }
  expect(Array.from(maps.valid)).toEqual(valid);
  expect(valid).toContain(0);
  expect(difference(maps.local, local, { rtol: 1e-6, atol: 1e-6 })).toBeUndefined();
  expect(difference(maps.global, global, { rtol: 1e-5, atol: 2e-6 })).toBeUndefined();
  // the release: depth in millimetres, intrinsics 11, 12, 6, 7, beside poses in metres
  const released = resolveConfig({ preset: "nano", ablation: "released" }).reconstruction;
  const all = { ...config, reconstruction: { ...released, scenesPerStep: 0, viewsPerStep: 0 } };
  const odd = pointmapsOf([{ scene: { record }, views: [2, 0, 1], draw: 0 }], { dims }, all);
  const i = valid.indexOf(1);
  const [x, y] = [i % R, Math.floor(i / R)];
  const millimetres = depth[2]![i]!;
  const u = Math.floor((x + 0.5) * (image / R));
  expect(odd.local[3 * i + 2]).toBe(millimetres);
  expect(odd.local[3 * i]).toBeCloseTo(((u - 6) * millimetres) / 11, 2);
  expect(odd.local[3 * i + 1]).toBeCloseTo(((Math.floor((y + 0.5) * (image / R)) - 7) * millimetres) / 12, 2);
  // the first view's frame is its own
  expect(
    difference(maps.global.subarray(0, R * R * 3), local.slice(0, R * R * 3), { rtol: 1e-5, atol: 2e-6 }),
  ).toBeUndefined();
});

describe("a target and the tokens that it teaches", () => {
  // frame side, patch side, target pixels a patch; 384 is no multiple of 14, nor 100 of 16
  test.each([
    [384, 14, 14],
    [384, 14, 8],
    [100, 16, 8],
    [112, 14, 8],
    [30, 7, 16],
  ])("show the same places: frame of %i, patches of %i, %i target pixels each", (image, patch, out) => {
    const side = Math.floor(image / patch);
    const R = side * out;
    const dims: RecordDims = {
      pool: 1,
      N: side ** 2,
      side,
      patchPixels: patch ** 2,
      C: 1,
      M: 1,
      pooledSide: 1,
      pointmap: R,
      image,
    };
    // each patch has its own depth; what no patch covers is 60 m away
    const own = (row: number, col: number): number => 1 + (row * side + col) / 100;
    const depth = Float32Array.from({ length: image ** 2 }, (_, i) => {
      const [row, col] = [Math.floor(i / image / patch), Math.floor((i % image) / patch)];
      return row < side && col < side ? own(row, col) : 60;
    });
    const k = { fx: 0.9 * image, fy: 1.1 * image, cx: 0.45 * image, cy: 0.52 * image };
    const record = new SceneRecord(dims);
    record.depth(0).set(pointmapDepth({ depth, size: image }, dims));
    record.setCamera(0, k, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    const config = resolveConfig({ preset: "nano" });
    const { local } = pointmapsOf([{ scene: { record }, views: [0], draw: 0 }], { dims }, config);
    let wrong = 0;
    for (let y = 0; y < R; y++) {
      for (let x = 0; x < R; x++) {
        const [row, col] = [Math.floor(y / out), Math.floor(x / out)];
        const [px, py, pz] = local.subarray((y * R + x) * 3) as unknown as [number, number, number];
        const [u, v] = [(px / pz) * k.fx + k.cx, (py / pz) * k.fy + k.cy];
        const seen = Math.abs(pz - own(row, col)) < 1e-3;
        const placed = Math.floor(Math.round(v) / patch) === row && Math.floor(Math.round(u) / patch) === col;
        if (!seen || !placed) wrong++;
      }
    }
    expect(wrong).toBe(0);
  });

  test("at full size target pixel i is frame pixel i", () => {
    const dims = recordDims(resolveConfig({ preset: "llava-video-7b" }));
    expect([...pointmapPixels(dims)]).toEqual(Array.from({ length: 378 }, (_, i) => i));
  });
});
