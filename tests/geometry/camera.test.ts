import { describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { cornersOf } from "../../lib/geometry/box";
import {
  cellRays,
  checkIntrinsics,
  cropIntrinsics,
  project,
  scaleIntrinsics,
  unproject,
} from "../../lib/geometry/camera";
import { identity4, invertRigid, multiply4, transformPoints, turnAndShift, turnPoints } from "../../lib/geometry/rigid";
import fc from "../setup/fast-check";

const k = { fx: 100, fy: 110, cx: 31.5, cy: 23.5 };
/** A camera that looks along world +x, with world z up. */
const ahead = Float64Array.of(0, 0, 1, 2, -1, 0, 0, 3, 0, -1, 0, 1.5, 0, 0, 0, 1);
const angle = fc.double({ min: -3, max: 3, noNaN: true });

describe("unproject", () => {
  test("a pixel at the principal point lies straight ahead", () => {
    // pose moves (0, 0, d) to (2 + d, 3, 1.5)
    const world = unproject([4], 1, 1, { ...k, cx: 0, cy: 0 }, ahead);
    expect([...world]).toEqual([6, 3, 1.5]);
  });

  test("columns go right and rows go down, at whole pixels", () => {
    const world = unproject([2, 2, 2, 2], 2, 2, { fx: 1, fy: 1, cx: 0, cy: 0 }, identity4());
    // (u, v, 1) * 2
    expect([...world]).toEqual([0, 0, 2, 2, 0, 2, 0, 2, 2, 2, 2, 2]);
  });

  test("a hole is not a number, or the camera centre as released", () => {
    expect([...unproject([0], 1, 1, k, ahead)]).toEqual([NaN, NaN, NaN]);
    expect([...unproject([0], 1, 1, k, ahead, "centre")]).toEqual([2, 3, 1.5]);
  });

  test("project undoes it", () => {
    fc.assert(
      fc.property(fc.nat(63), fc.nat(47), fc.double({ min: 0.2, max: 9, noNaN: true }), angle, (u, v, d, a) => {
        const pose = multiply4(turnAndShift(a, 1, -2, 0.5), ahead);
        const depth = new Float64Array(48 * 64);
        depth[v * 64 + u] = d;
        const at = 3 * (v * 64 + u);
        const seen = project(unproject(depth, 48, 64, k, pose).subarray(at, at + 3), k, invertRigid(pose));
        // points are stored as float32
        expect(seen.u).toBeCloseTo(u, 2);
        expect(seen.v).toBeCloseTo(v, 2);
        expect(seen.depth).toBeCloseTo(d, 4);
      }),
    );
  });
});

describe("intrinsics", () => {
  test("of ScanNet's depth camera after resizing and cropping to 384", () => {
    // paper.md 10: fx 577.87, cx 319.5, cy 239.5 -> 462.30, 191.6, 191.6
    const cut = cropIntrinsics(scaleIntrinsics({ fx: 577.87, fy: 577.87, cx: 319.5, cy: 239.5 }, 0.8, 0.8), 64, 0);
    expect(cut.fx).toBeCloseTo(462.296, 3);
    expect(cut.cx).toBeCloseTo(191.6, 9);
    expect(cut.cy).toBeCloseTo(191.6, 9);
  });

  test.each([
    [{ ...k, fx: NaN }, "intrinsics must be finite numbers"],
    [{ ...k, fy: 0 }, "intrinsics must have a focal length above 0"],
    [{ ...k, cx: 65 }, "intrinsics have their principal point outside the image"],
  ])("wrong ones are refused: %j", (wrong, message) => {
    expect(() => checkIntrinsics(wrong, { cols: 64, rows: 48 }, "scan")).toThrow(UserError);
    expect(() => checkIntrinsics(wrong, { cols: 64, rows: 48 }, "scan")).toThrow(`scan: ${message}`);
  });
});

describe("cellRays", () => {
  test("are unit vectors through the middle pixel of each cell", () => {
    const rays = cellRays({ rows: 2, cols: 3, cell: 16 }, k, ahead);
    expect(rays.length).toBe(18);
    for (let i = 0; i < 6; i++) {
      const ray = rays.subarray(3 * i, 3 * i + 3);
      expect(Math.hypot(...ray)).toBeCloseTo(1, 6);
      const seen = project([2 + ray[0]!, 3 + ray[1]!, 1.5 + ray[2]!], k, invertRigid(ahead));
      expect(seen.u).toBeCloseTo((i % 3) * 16 + 8, 3);
      expect(seen.v).toBeCloseTo(Math.floor(i / 3) * 16 + 8, 3);
    }
  });

  test("the released form is zero at a hole and the same elsewhere", () => {
    const depth = new Float32Array(32 * 48).fill(2.5);
    depth[8 * 48 + 8] = 0;
    const grid = { rows: 2, cols: 3, cell: 16 };
    const released = cellRays(grid, k, ahead, { depth, imageCols: 48 });
    const plain = cellRays(grid, k, ahead);
    expect([...released.subarray(0, 3)].map(Math.abs)).toEqual([0, 0, 0]);
    for (let i = 3; i < 18; i++) expect(released[i]).toBeCloseTo(plain[i]!, 5);
  });
});

describe("rigid transforms", () => {
  test("the inverse undoes", () => {
    fc.assert(
      fc.property(angle, angle, (a, t) => {
        const pose = multiply4(turnAndShift(a, t, -t, 2 * t), ahead);
        const unit = multiply4(pose, invertRigid(pose));
        identity4().forEach((x, i) => expect(unit[i]).toBeCloseTo(x, 9));
      }),
    );
  });

  test("quarter turns of points are the rotation by that angle, exactly", () => {
    const points = cornersOf([1, 2, 0.5, 0.6, 1.4, 1]).flat();
    for (let turns = -1; turns < 5; turns++) {
      const rotated = transformPoints(turnAndShift((turns * Math.PI) / 2, 0, 0, 0), points);
      turnPoints(Float64Array.from(points), turns).forEach((x, i) => expect(x).toBeCloseTo(rotated[i]!, 12));
    }
    expect([...turnPoints(Float64Array.from(points), 4)]).toEqual(points);
    // counter-clockwise seen from above: +x goes to +y
    expect([...turnPoints(Float64Array.of(1, 0, 7), 1)]).toEqual([0, 1, 7]);
  });

  test("points go through a matrix", () => {
    expect([...transformPoints(ahead, [0, 0, 4, 1, 0, 0])]).toEqual([6, 3, 1.5, 2, 2, 1.5]);
  });
});
