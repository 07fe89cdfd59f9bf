import { describe, expect, test } from "vitest";
import { difference, expectTensorClose } from "../setup/tensors";

describe("difference", () => {
  test("nothing within atol + rtol * |expected|", () => {
    expect(difference([1, 100], [1.05, 104], { rtol: 0.04, atol: 0.01 })).toBeUndefined();
    expect(difference(3, [3])).toBeUndefined();
    expect(difference([], [])).toBeUndefined();
    expect(difference([NaN, Infinity, 0], [NaN, Infinity, -0])).toBeUndefined();
  });

  test("names count, place, values and allowance of the worst", () => {
    expect(difference([1, 2, 3.5, 9], [1, 2.1, 3, 9], { rtol: 0, atol: 0.01 })).toBe(
      "2 of 4 numbers differ; worst at [2]: got 3.5, expected 3 (off by 5.00e-1, allowed 1.00e-2; rtol 0, atol 0.01)",
    );
  });

  test.each([
    [[NaN], [1]],
    [[1], [NaN]],
    [[Infinity], [1]],
    [[1], [Infinity]],
    [[-Infinity], [Infinity]],
  ])("%j is not close to %j", (actual, expected) => {
    expect(difference(actual, expected, { rtol: 10, atol: 1e9 })).toMatch(/^1 of 1 numbers differ/);
  });

  test("another count", () => {
    expect(difference([1, 2], [1])).toBe("2 numbers instead of 1");
  });
});

test("expectTensorClose fails with that text", () => {
  expectTensorClose([1], [1]);
  expect(() => expectTensorClose([1], [2])).toThrow("1 of 1 numbers differ; worst at [0]: got 1, expected 2");
});
