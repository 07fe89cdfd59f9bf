import { expect, test } from "vitest";
import { meanOfKnown, median } from "../../lib/core/averages";

test("medians of odd and even counts, in any order", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeUndefined();
});

test("what is not known is left out of a mean", () => {
  expect(meanOfKnown([1, undefined, 4])).toBe(2.5);
  expect(meanOfKnown([undefined])).toBeUndefined();
});
