import { describe, expect, test } from "vitest";
import type { Box } from "../../lib/geometry/box";
import { objectPatches, patchGrid, patchMeans, patchRanges, pixelsInside } from "../../lib/geometry/patches";
import { roundHalfEven, voxelsOf } from "../../lib/geometry/voxels";
import fc from "../setup/fast-check";

/** 4x5 image whose pixel (row, column) lies at (column, row, 0): two by two patches of 2, the last column left over. */
function plane(): Float32Array {
  return Float32Array.from(Array.from({ length: 20 }, (_, i) => [i % 5, Math.floor(i / 5), 0]).flat());
}

describe("patches", () => {
  test("leftover pixels on the right and at the bottom belong to none", () => {
    expect(patchGrid(384, 384, 14)).toEqual({ imageCols: 384, rows: 27, cols: 27, patch: 14 });
    expect(patchMeans(plane(), patchGrid(4, 5, 2)).mean_N3).toEqual(
      Float32Array.of(0.5, 0.5, 0, 2.5, 0.5, 0, 0.5, 2.5, 0, 2.5, 2.5, 0),
    );
  });

  test("holes do not count, and a patch of holes is unknown", () => {
    const world = plane();
    for (const pixel of [0, 1, 5, 2]) world.fill(NaN, 3 * pixel, 3 * pixel + 3);
    const { mean_N3, known_N } = patchMeans(world, patchGrid(4, 5, 2));
    // only (1, 1) is left of the first patch; (3, 0), (2, 1), (3, 1) of the second
    expect([...mean_N3.subarray(0, 6)]).toEqual([1, 1, 0, ...[8 / 3, 2 / 3].map(Math.fround), 0]);
    world.fill(NaN, 18, 21);
    const gone = patchMeans(world, patchGrid(4, 5, 2));
    expect([...gone.known_N]).toEqual([0, 1, 1, 1]);
    expect([...gone.mean_N3.subarray(0, 3)]).toEqual([0, 0, 0]);
    expect([...known_N]).toEqual([1, 1, 1, 1]);
  });

  test("ranges hold the least and the greatest", () => {
    expect([...patchRanges(plane(), patchGrid(4, 5, 2)).subarray(6, 12)]).toEqual([2, 0, 0, 3, 1, 0]);
  });

  test("counts pixels on the border of a box, and none without measurement", () => {
    const world = plane();
    world.fill(NaN, 0, 3);
    const boxes: Box[] = [
      [0.5, 0, 0, 1, 0, 0.2],
      [3, 3, 0, 0.1, 0.1, 0.1],
      [9, 9, 9, 1, 1, 1],
    ];
    expect([...pixelsInside(world, patchGrid(4, 5, 2), boxes)]).toEqual([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  });

  test("counting by ranges equals counting every pixel", () => {
    const point = fc.tuple(...[0, 1, 2].map(() => fc.double({ min: 0, max: 4, noNaN: true })));
    fc.assert(
      fc.property(
        fc.array(fc.option(point, { nil: undefined }), { minLength: 36, maxLength: 36 }),
        point,
        point,
        (pixels, centre, size) => {
          const world = Float32Array.from(pixels.flatMap((p) => p ?? [NaN, NaN, NaN]));
          const box = [...centre, ...size] as unknown as Box;
          const counts = pixelsInside(world, patchGrid(6, 6, 3), [box]);
          const expected = [0, 0, 0, 0];
          for (let i = 0; i < 36; i++) {
            const inside = [0, 1, 2].every(
              (k) => world[3 * i + k]! >= box[k]! - box[k + 3]! / 2 && world[3 * i + k]! <= box[k]! + box[k + 3]! / 2,
            );
            if (inside) expected[Math.floor(i / 18) * 2 + Math.floor((i % 6) / 3)]!++;
          }
          expect([...counts]).toEqual(expected);
        },
      ),
    );
  });
});

describe("objectPatches", () => {
  test("needs the floored share: 98 of 196, 182 of 729", () => {
    expect([...objectPatches(Int32Array.of(97, 98, 196), 1, 196, { minShare: 0.5, fallbackShare: 0 })]).toEqual([
      0, 1, 1,
    ]);
    expect([...objectPatches(Int32Array.of(181, 182), 1, 729, { minShare: 0.25, fallbackShare: 0 })]).toEqual([0, 1]);
  });

  test("falls back to the best patch where it is good enough", () => {
    const rule = { minShare: 0.5, fallbackShare: 0.05 };
    // 5% of 196 is 9.8
    expect([...objectPatches(Int32Array.of(9, 10, 3, 9, 9, 8), 2, 196, rule)]).toEqual([0, 1, 0, 0, 0, 0]);
    expect([...objectPatches(Int32Array.of(10, 98, 97), 1, 196, rule)]).toEqual([0, 1, 0]);
    expect([...objectPatches(Int32Array.of(20, 20), 1, 196, rule)]).toEqual([1, 0]);
    expect([...objectPatches(Int32Array.of(20, 20), 1, 196, { ...rule, fallbackShare: 0 })]).toEqual([0, 0]);
  });

  test("an empty patch never belongs, and no objects are no error", () => {
    expect([...objectPatches(Int32Array.of(0, 1), 1, 196, { minShare: 0, fallbackShare: 0 })]).toEqual([0, 1]);
    expect(objectPatches(new Int32Array(0), 0, 196, { minShare: 0.5, fallbackShare: 0.05 }).length).toBe(0);
  });
});

describe("voxels", () => {
  const range = { voxel: 0.1, min: [-15, -15, -5], max: [15, 15, 5] } as const;

  test("the origin, and points outside the range (paper.md 10)", () => {
    expect([...voxelsOf([0, 0, 0], range)]).toEqual([150, 150, 50]);
    expect([...voxelsOf([99, 99, 99], range)]).toEqual([300, 300, 100]);
    expect([...voxelsOf([-99, -15, -5], range)]).toEqual([0, 0, 0]);
  });

  test("ties go to the even number, unknown points to 0", () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, 0, -2, 2, 3]);
    expect([...voxelsOf([NaN, NaN, NaN], range)]).toEqual([0, 0, 0]);
  });
});
