import { describe, expect, test } from "vitest";
import { ratioOf } from "../../lib/bench/statistics";

describe("ratios", () => {
  test("compare rounds, so that a machine that slows down for both shows no difference", () => {
    // the machine is ten times slower in the second round
    expect(
      ratioOf(
        [
          [1, 1, 1],
          [10, 10],
        ],
        [
          [2, 2],
          [20, 20],
        ],
      ),
    ).toEqual({ median: 0.5, least: 0.5, most: 0.5 });
    expect(ratioOf([[1], [3], [2]], [[1], [1], [1]])).toEqual({ median: 2, least: 1, most: 3 });
  });

  test("leave out rounds without the other, and are absent without any", () => {
    expect(ratioOf([[1], [1]], [[4], []])).toEqual({ median: 0.25, least: 0.25, most: 0.25 });
    expect(ratioOf([[1]], [[]])).toBeUndefined();
    expect(ratioOf([], [[1]])).toBeUndefined();
  });
});
