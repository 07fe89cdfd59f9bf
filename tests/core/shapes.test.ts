import { expect, test } from "vitest";
import { ShapeError } from "../../lib/core/errors";
import { expectShape } from "../../lib/core/shapes";

test("binds letters and returns them", () => {
  expect(expectShape("f", "x", [2, 5, 3], "B N 3")).toEqual({ B: 2, N: 5 });
  expect(expectShape("f", "x", [], "")).toEqual({});
});

test("letters that are bound must agree, here and within one pattern", () => {
  const bound = expectShape("f", "x", [2, 5], "B N");
  expect(expectShape("f", "y", [5, 7], "N D", bound)).toEqual({ B: 2, N: 5, D: 7 });
  expect(() => expectShape("f", "y", [4, 7], "N D", bound)).toThrow("f: y must be [N=5, D], got [4, 7]");
  expect(() => expectShape("f", "square", [4, 5], "N N")).toThrow("f: square must be [N, N], got [4, 5]");
});

test("the bound legend is not changed", () => {
  const bound = { B: 2 };
  expectShape("f", "x", [2, 9], "B N", bound);
  expect(bound).toEqual({ B: 2 });
});

test("rank and literal sizes are checked", () => {
  expect(() => expectShape("pointmapLoss", "valid", [1, 2], "B V Y")).toThrow(
    new ShapeError("pointmapLoss", "valid", "B, V, Y", [1, 2]),
  );
  expect(() => expectShape("f", "points", [8, 4], "P 3")).toThrow("f: points must be [P, 3], got [8, 4]");
});
