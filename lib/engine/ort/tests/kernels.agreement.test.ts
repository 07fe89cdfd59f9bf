import { describe, expect, it } from "vitest";
import {
  type Agreement,
  GATHERS,
  NAN_MAY_GO,
  NAN_STAYS,
  numbersOf,
  OUTSIDE,
  OUTSIDE_COMPUTED,
  POOLS,
} from "./agreement-cases";
import { type Engine, leaveOut, use, WHERE } from "./engines";

async function agree(engine: Engine, cases: Readonly<Record<string, Agreement>>): Promise<void> {
  await use(engine);
  for (const [name, { f, want }] of Object.entries(cases)) expect(numbersOf(f), name).toEqual(want);
}

async function poolAlike(engine: Engine): Promise<void> {
  for (const [name, f] of Object.entries(POOLS)) {
    await use("cpu");
    const want = numbersOf(f);
    await use(engine);
    expect(numbersOf(f), name).toEqual(want);
  }
}

describe.each(["cpu", "wasm", "ort-cpu"] as const)("%s, as every backend,", (engine) => {
  it("keeps NaN", () => agree(engine, { ...NAN_STAYS, ...NAN_MAY_GO }));
  it("gathers in batches", () => agree(engine, GATHERS));
  it("pools alike", () => poolAlike(engine));
  it("refuses indices outside", async () => {
    await use(engine);
    for (const [name, f] of Object.entries({ ...OUTSIDE, ...OUTSIDE_COMPUTED }))
      expect(() => numbersOf(f), name).toThrow(/index|indices/i);
  });
});

describe.skipIf(leaveOut)(`a GPU's rules, ${WHERE}`, { timeout: 120_000 }, () => {
  it("keep NaN where they can", () => agree("ort-webgpu", NAN_STAYS));
  it("gather in batches", () => agree("ort-webgpu", GATHERS));
  it("pool alike", () => poolAlike("ort-webgpu"));
  it("refuse indices outside that are known beforehand", async () => {
    await use("ort-webgpu");
    for (const [name, f] of Object.entries(OUTSIDE))
      expect(() => numbersOf(f), name).toThrow("GatherV2: the index value");
  });
});
