import { expect, test } from "vitest";
import type { MetricsLine } from "../../lib/train/metrics-log";
import { transitionsOf } from "../../lib/train/transitions";

const lines = (values: (i: number) => Readonly<Record<string, number | undefined>>, count = 40) =>
  Array.from({ length: count }, (_, i) => ({ step: 10 * i + 9, seconds: i, ...values(i) }) as MetricsLine);

test("the step at which a kind is learnt, and null where the run ended before", () => {
  const found = transitionsOf(
    lines((i) => ({
      "accuracy/closest": i < 20 ? 0.3 : 0.9,
      // near, but never there
      "accuracy/view": 0.75,
      // a lucky stretch early does not count
      "accuracy/farthest": i < 6 ? 1 : i < 30 ? 0.4 : 0.95,
      accuracy: 0.9,
    })),
  );
  // lines 19 to 23 have a mean of (0.3 + 4 * 0.9) / 5 = 0.78: the window of 20 to 24 is the first
  expect(found).toEqual({ closest: 249, view: null, farthest: 339 });
});

test("kinds that few batches hold, and logs that are too short", () => {
  expect(transitionsOf(lines((i) => (i % 4 === 0 ? { "accuracy/support": 1 } : {}), 40))).toEqual({
    support: 169,
  });
  expect(transitionsOf(lines(() => ({ "accuracy/closest": 1 }), 4))).toEqual({ closest: null });
  expect(transitionsOf([])).toEqual({});
});
