import { describe, expect, test } from "vitest";
import { type Box, boundsOf, boxOfBounds, boxOfPoints, cornersOf, iou, iouExact } from "../../lib/geometry/box";
import fc from "../setup/fast-check";

const coordinate = fc.double({ min: -5, max: 5, noNaN: true });
const edge = fc.double({ min: 0.05, max: 4, noNaN: true });
const boxes: fc.Arbitrary<Box> = fc.tuple(coordinate, coordinate, coordinate, edge, edge, edge);

describe("boxes", () => {
  test("half of a unit box overlaps by a third", () => {
    // shared 0.5, union 1.5
    expect(iouExact([0, 0, 0, 1, 1, 1], [0.5, 0, 0, 1, 1, 1])).toBeCloseTo(1 / 3, 12);
    expect(iou([0, 0, 0, 1, 1, 1], [0.5, 0, 0, 1, 1, 1])).toBeCloseTo(0.5 / (1.5 + 1e-8), 12);
  });

  test("the epsilon makes an exact half just miss", () => {
    const whole: Box = [0, 0, 0, 1, 1, 1];
    const half: Box = [0.25, 0, 0, 0.5, 1, 1];
    expect(iou(whole, half)).toBeLessThan(0.5);
    expect(iouExact(whole, half)).toBe(0.5);
  });

  test("boxes that touch or lie apart share nothing", () => {
    expect(iou([0, 0, 0, 1, 1, 1], [1, 0, 0, 1, 1, 1])).toBe(0);
    expect(iouExact([0, 0, 0, 1, 1, 1], [1, 0, 0, 1, 1, 1])).toBe(0);
    // apart on two axes: the product of two negative edges must not count
    expect(iouExact([0, 0, 0, 1, 1, 1], [3, 3, 0, 1, 1, 1])).toBe(0);
    expect(iou([0, 0, 0, 1, 1, 1], [3, 3, 0, 1, 1, 1])).toBe(0);
  });

  test("overlap is symmetric, within 0 and 1, and 1 with itself", () => {
    fc.assert(
      fc.property(boxes, boxes, (a, b) => {
        expect(iouExact(a, b)).toBe(iouExact(b, a));
        expect(iou(a, b)).toBeGreaterThanOrEqual(0);
        expect(iou(a, b)).toBeLessThanOrEqual(1 + 1e-12);
        expect(iouExact(a, a)).toBeCloseTo(1, 6);
      }),
    );
  });

  test("overlap does not change when both boxes move together", () => {
    fc.assert(
      fc.property(boxes, boxes, coordinate, (a, b, t) => {
        const moved = ([x, ...rest]: Box): Box => [x + t, ...rest];
        expect(iouExact(moved(a), moved(b))).toBeCloseTo(iouExact(a, b), 6);
      }),
    );
  });

  test("bounds and box are two forms of one thing", () => {
    fc.assert(
      fc.property(boxes, (box) => {
        boxOfBounds(boundsOf(box)).forEach((x, i) => expect(x).toBeCloseTo(box[i]!, 9));
      }),
    );
  });

  test("the box of a box's corners is the box", () => {
    fc.assert(
      fc.property(boxes, (box) => {
        boxOfPoints(cornersOf(box).flat())!.forEach((x, i) => expect(x).toBeCloseTo(box[i]!, 9));
      }),
    );
  });

  test("takes only the points that are asked for", () => {
    expect(boxOfPoints([0, 0, 0, 9, 9, 9, 1, 2, 3], [0, 2])).toEqual([0.5, 1, 1.5, 1, 2, 3]);
    expect(boxOfPoints([])).toBeUndefined();
    expect(boxOfPoints([1, 2, 3], [])).toBeUndefined();
  });
});
