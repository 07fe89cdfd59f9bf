import { expect, test } from "vitest";
import { planTraining, sizeOf, type TrainRule } from "../../lib/core/parameters";

const rules: readonly TrainRule[] = [
  { pattern: /^layers\.3\./, training: "train", label: "last layer, full" },
  { pattern: /lora_[AB]$/, training: "train", label: "LoRA", rate: 0.5 },
  { pattern: /^layers\./, training: "frozen", label: "base" },
];

test("the first rule that matches decides, with its label and rate", () => {
  const plan = planTraining(["layers.0.w", "layers.0.w.lora_A", "layers.3.w", "layers.3.w.lora_A"], rules);
  expect(Object.fromEntries(plan)).toEqual({
    "layers.0.w": { training: "frozen", label: "base", rate: 1 },
    "layers.0.w.lora_A": { training: "train", label: "LoRA", rate: 0.5 },
    "layers.3.w": { training: "train", label: "last layer, full", rate: 1 },
    "layers.3.w.lora_A": { training: "train", label: "last layer, full", rate: 1 },
  });
});

test("a parameter that no rule covers is an error", () => {
  expect(() => planTraining(["layers.0.w", "head.w"], rules)).toThrow('no training rule covers parameter "head.w"');
});

test("a rule that decides nothing is an error, also when an earlier rule takes all it matches", () => {
  expect(() => planTraining(["layers.0.w", "layers.3.w"], rules)).toThrow(
    "training rule /lora_[AB]$/ (LoRA) matches no parameter",
  );
  expect(() => planTraining(["layers.3.w", "layers.3.w.lora_B"], [rules[0]!, rules[1]!])).toThrow(
    "(LoRA) matches no parameter",
  );
});

test("sizeOf multiplies; a scalar has size 1", () => {
  expect(sizeOf([2, 3, 4])).toBe(24);
  expect(sizeOf([])).toBe(1);
  expect(sizeOf([5, 0])).toBe(0);
});
