import { expect, test } from "vitest";
import { identityDifferences, numerics, type RunIdentity, runId } from "../../lib/runs/identity";

const identity: RunIdentity = {
  settings: { preset: "nano", "training.steps": 1100 },
  seed: 0,
  data: "a702dc0cb083",
  weights: "b6f3d58cc21e",
  engine: "ort-cpu",
  precision: "float32",
  numerics,
};

test("each part of what a run's outcome depends on changes its id, and the order of keys does not", () => {
  const id = runId(identity);
  expect(id).toMatch(/^[0-9a-f]{12}$/);
  const others: Partial<RunIdentity>[] = [
    { settings: { preset: "nano", "training.steps": 10 } },
    { seed: 1 },
    { data: "000000000000" },
    { weights: "000000000000" },
    { engine: "wasm" },
    { precision: "float16" },
    { numerics: numerics + 1 },
  ];
  const ids = others.map((change) => runId({ ...identity, ...change }));
  expect(new Set([id, ...ids]).size).toBe(others.length + 1);
  expect(runId(Object.fromEntries(Object.entries(identity).reverse()) as RunIdentity)).toBe(id);
});

test("differences name config values by their path, and the rest by its part", () => {
  expect(
    identityDifferences(identity, { ...identity, settings: { preset: "nano" }, seed: 2, precision: "float16" }),
  ).toEqual([
    "training.steps: 1100 there, the default here",
    'precision: "float32" there, "float16" here',
    "seed: 0 there, 2 here",
  ]);
  expect(identityDifferences(identity, identity)).toEqual([]);
});
