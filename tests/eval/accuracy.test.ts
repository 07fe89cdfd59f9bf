import { describe, expect, test } from "vitest";
import { accuracyAt, referIt3dAccuracy, scanReferAccuracy, shareOf } from "../../lib/eval/accuracy";

describe("accuracyAt", () => {
  test("a threshold itself is a hit", () => {
    expect(accuracyAt([0.25, 0.2499, 0.5, 0.9])).toEqual({ acc25: 0.75, acc50: 0.5, n: 4 });
  });

  test("an empty group is 0 of 0", () => {
    expect(accuracyAt([0.9], () => false)).toEqual({ acc25: 0, acc50: 0, n: 0 });
    expect(shareOf([])).toEqual({ share: 0, n: 0 });
  });
});

test("ScanRefer's groups add up", () => {
  const row = scanReferAccuracy([0.9, 0.1, 0.3, 0.6], [false, false, true, true]);
  expect(row.unique).toEqual({ acc25: 0.5, acc50: 0.5, n: 2 });
  expect(row.multiple).toEqual({ acc25: 1, acc50: 0.5, n: 2 });
  expect(row.overall).toEqual({ acc25: 0.75, acc50: 0.5, n: 4 });
});

test("ReferIt3D's two divisions are independent", () => {
  const row = referIt3dAccuracy([0.9, 0.1, 0.3], [true, false, false], [true, true, false]);
  expect([row.easy.n, row.hard.n, row.dependent.n, row.independent.n]).toEqual([1, 2, 2, 1]);
  expect([row.easy.acc25, row.hard.acc25, row.dependent.acc25, row.independent.acc25]).toEqual([1, 0.5, 0.5, 1]);
});
