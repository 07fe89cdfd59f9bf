import { describe, expect, test } from "vitest";
import { inProject } from "../lib/core/root";
import { type Box, cornersOf, iou, iouExact } from "../lib/geometry/box";
import { cellRays, unproject } from "../lib/geometry/camera";
import { objectPatches, patchGrid, patchMeans, patchRanges, pixelsInside } from "../lib/geometry/patches";
import { voxelsOf } from "../lib/geometry/voxels";
import { numbersOf, readSafetensors } from "../lib/io/safetensors";

/**
 * Tensors of a fixture by name; the numbers come from the reference implementations
 * (tests/fixtures/goldens/README.md).
 */
function golden(name: string): (tensor: string) => number[] {
  const tensors = readSafetensors(inProject("tests/fixtures/goldens", `${name}.safetensors`));
  return (tensor) => numbersOf(tensors.get(tensor)!);
}

/** |a - b| <= t |b| + t max|b|, the fixtures' own tolerance. */
function close(got: ArrayLike<number>, want: readonly number[], t = 1e-4): void {
  expect(got.length).toBe(want.length);
  const most = want.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
  const worst = want.reduce((w, x, i) => Math.max(w, Math.abs(got[i]! - x) - t * Math.abs(x)), 0);
  expect(worst).toBeLessThanOrEqual(t * most);
}

const rows = <T extends number[]>(flat: readonly number[], width: number): T[] =>
  Array.from({ length: flat.length / width }, (_, i) => flat.slice(i * width, (i + 1) * width) as T);
const camera = (m: readonly number[]) => ({ fx: m[0]!, fy: m[5]!, cx: m[2]!, cy: m[6]! });
const range = { voxel: 0.1, min: [-15, -15, -5], max: [15, 15, 5] } as const;

describe("v3d_geometry", () => {
  const get = golden("v3d_geometry");
  const depth = get("depth_mm").map((mm) => mm / 1000);
  const views = [0, 1].map((v) => {
    const k = camera(get("intrinsics").slice(16 * v, 16 * v + 16));
    return unproject(
      depth.slice(3600 * v, 3600 * (v + 1)),
      60,
      60,
      k,
      get("poses").slice(16 * v, 16 * v + 16),
      "centre",
    );
  });

  test("world coordinates", () =>
    close(
      views.flatMap((w) => [...w]),
      get("world_coords"),
    ));

  test.each([14, 27])("patches of %i after the last 6 rows and columns were cut", (patch) => {
    const grid = { imageCols: 60, rows: Math.floor(54 / patch), cols: Math.floor(54 / patch), patch };
    close(
      views.flatMap((w) => [...patchMeans(w, grid).mean_N3]),
      get(`avg_patch${patch}`),
    );
    close(
      views.flatMap((w) => [...patchRanges(w, grid)]),
      get(`minmax_patch${patch}`),
    );
  });

  test("voxels, also at exact ties", () => {
    expect([...voxelsOf(get("disc.points"), range)]).toEqual(get("disc.voxels"));
    expect([...voxelsOf(get("disc_ties.points"), { voxel: 0.25, min: [-2, -1, 0], max: [2, 1, 3] })]).toEqual(
      get("disc_ties.voxels"),
    );
  });
});

describe.each(["v3d_end_to_end", "s2mllm_end_to_end"])("%s", (name) => {
  const get = golden(name);
  const low = get("depth_low");
  const poses = rows(get("poses"), 16);
  const intrinsics = rows(get("intrinsics"), 16).map(camera);
  /** Every value of the 24x24 maps repeated 16x16. */
  const depths = [0, 1].map((v) =>
    Float64Array.from(
      { length: 384 * 384 },
      (_, i) => low[576 * v + Math.floor(Math.floor(i / 384) / 16) * 24 + Math.floor((i % 384) / 16)]!,
    ),
  );
  const boxes = rows<number[]>(get("objects"), 6) as unknown as Box[];
  const worlds = depths.map((d, v) =>
    unproject(
      d.map((mm) => mm / 1000),
      384,
      384,
      intrinsics[v]!,
      poses[v]!,
      "centre",
    ),
  );

  test("voxels of patch means and box centres", () => {
    const patch = name === "v3d_end_to_end" ? 27 : 14;
    const grid = patchGrid(384, 384, patch);
    const means = worlds.flatMap((w) => [...patchMeans(w, grid).mean_N3]);
    expect([...voxelsOf(means, range)]).toEqual(get("world_voxels"));
    expect([
      ...voxelsOf(
        boxes.flatMap((b) => b.slice(0, 3)),
        range,
      ),
    ]).toEqual(get("box_center_voxels"));
  });

  test("patches of each object", () => {
    const grid = patchGrid(384, 384, 14);
    const perView = worlds.map((w) => pixelsInside(w, grid, boxes));
    const counts = Int32Array.from(
      boxes.flatMap((_, o) => perView.flatMap((c) => [...c.subarray(729 * o, 729 * (o + 1))])),
    );
    expect([...objectPatches(counts, boxes.length, 196, { minShare: 0.5, fallbackShare: 0 })]).toEqual(
      get("object_patch"),
    );
  });

  if (name === "s2mllm_end_to_end") {
    test("rays of 27-pixel cells, zero where depth is 0", () => {
      const grid = { rows: 14, cols: 14, cell: 27 };
      const rays = depths.flatMap((depth, v) => [
        ...cellRays(grid, intrinsics[v]!, poses[v]!, { depth, imageCols: 384 }),
      ]);
      close(rays, get("ray.dir"));
    });
  }
});

describe("scanrefer_eval", () => {
  const get = golden("scanrefer_eval");
  const predicted = rows<number[]>(get("pred_boxes"), 6) as unknown as Box[];
  const truth = rows<number[]>(get("gt_boxes"), 6) as unknown as Box[];

  test("corners in ScanRefer's order", () =>
    close(
      predicted.flatMap((b) => cornersOf(b).flat()),
      get("corners_pred"),
    ));

  test("overlaps and hits, with and without epsilon", () => {
    const withEpsilon = predicted.map((p, i) => iou(p, truth[i]!));
    const without = predicted.map((p, i) => iouExact(p, truth[i]!));
    close(withEpsilon, get("iou"));
    close(without, get("iou_no_eps"));
    const hits = (values: number[], least: number): number[] => values.map((x) => (x >= least ? 1 : 0));
    expect(hits(withEpsilon, 0.25)).toEqual(get("hit25"));
    expect(hits(withEpsilon, 0.5)).toEqual(get("hit50"));
    expect(hits(without, 0.25)).toEqual(get("hit25_no_eps"));
    expect(hits(without, 0.5)).toEqual(get("hit50_no_eps"));
  });
});
