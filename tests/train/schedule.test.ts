import { expect, test } from "vitest";
import { TrainingConfig } from "../../lib/config/schema";
import { learningRate } from "../../lib/train/schedule";

test("rises linearly, peaks, ends at its final share", () => {
  const parsed = TrainingConfig.parse({
    scenes: 1,
    sentences: 1,
    learningRate: 2,
    warmup: 0.1,
    finalRate: 0.25,
  });
  const config = { ...parsed, steps: 100 };
  expect(learningRate(0, config)).toBeCloseTo(0.2, 12);
  expect(learningRate(9, config)).toBeCloseTo(2, 12);
  expect(learningRate(10, config)).toBeCloseTo(2, 12);
  expect(learningRate(55, config)).toBeCloseTo(2 * (0.25 + 0.75 * 0.5), 12); // half of the cosine
  expect(learningRate(100, config)).toBeCloseTo(0.5, 12);
});
