import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { presets } from "../../lib/config/presets";
import { resolveConfig } from "../../lib/config/resolve";
import { roomSets } from "../../lib/datasets/rooms/config";
import { type StudyName, studies, studyNamed } from "../../lib/studies/definitions";
import { evaluationConfig } from "../../lib/studies/evaluations";
import { jobsOf, protocolOf, seedsOf } from "../../lib/studies/job";

const names = Object.keys(studies) as StudyName[];

test.each(names)("%s: its protocol speaks of its own arms, and of rooms that can be made", (name) => {
  const { variants, protocol } = studyNamed(name);
  expect(new Set(variants).size).toBe(variants.length);
  for (const { arm, against, on = protocol.primary.evaluation, againstOn = on } of protocol.contrasts) {
    expect(variants).toContain(arm);
    expect(variants).toContain(against);
    expect([arm, on]).not.toEqual([against, againstOn]);
    for (const evaluation of [on, againstOn]) expect(protocol.evaluations).toContain(evaluation);
  }
  // what two arms that do not differ look like, in every study that tests one
  if (name !== "table3") expect(protocol.contrasts.some(({ arm }) => arm.split("+").includes("again"))).toBe(true);
  expect(protocol.evaluations).toContain(protocol.primary.evaluation);
  expect([...protocol.looks].sort((a, b) => a - b)).toEqual(protocol.looks);
  expect(protocol.looks[0]).toBeGreaterThanOrEqual(5);
  expect(Object.keys(presets)).toContain(protocol.preset);
  for (const ablation of variants) {
    const config = resolveConfig({ preset: protocol.preset, ablation });
    for (const evaluation of protocol.evaluations) {
      const { folder } = evaluationConfig(config, evaluation).data;
      expect(Object.keys(roomSets), `${ablation}, ${evaluation}`).toContain(folder.slice("data/rooms/".length));
    }
  }
});

test("a protocol that changes gets another version: rows of the old one stand apart", () => {
  const stated = (name: StudyName): string => {
    const { variants, protocol } = studyNamed(name);
    return createHash("sha256")
      .update(JSON.stringify([variants, protocol]))
      .digest("hex")
      .slice(0, 12);
  };
  // a hash that moved: raise the version of that study's protocol if runs of it are committed, then note the new one
  expect(Object.fromEntries(names.map((name) => [name, [studyNamed(name).protocol.version, stated(name)]]))).toEqual(
    pinned,
  );
});

/** Version of each protocol and the hash of what it states. */
const pinned: Record<string, readonly [number, string]> = {
  table5: [1, "c16c031c2af3"],
  table8: [1, "5d12cb9b35ac"],
  additions: [1, "13c634ae0aa3"],
  "position-probes": [1, "be62fd80c819"],
  viewpoint: [1, "68c0df6630b8"],
  "position-scale": [1, "2a6d1be6db8c"],
  "attention-overlap": [1, "134908b807fa"],
  "sg-geometry": [1, "d714658b695d"],
  "few-views": [1, "29c64d62317b"],
  frames: [1, "d7aff19e9090"],
  baselines: [1, "b529ed238d5b"],
  table1: [1, "0d78a2231d84"],
  table3: [1, "fd423ddeadaa"],
  table2: [1, "17d6a6c98d85"],
  table4: [1, "6bb9ceb72bf1"],
  outdoor: [1, "ce02be08cdb2"],
  "proposal-noise": [1, "3f469f17626f"],
  "annotation-errors": [1, "f5b31e998260"],
  "released-vs-paper": [1, "d725ddfbcdad"],
  "honest-eval": [1, "0176c6d530d0"],
  "sg-tower": [1, "8d441287fe50"],
  "sg-weight": [1, "2f0d16731495"],
};

test("only runs as stated are the protocol's: another preset or a changed value is a first look", () => {
  expect(protocolOf({ study: "table5", preset: "nano-long", set: [] })).toBe(studies.table5.protocol.version);
  expect(protocolOf({ study: "table5", preset: "nano", set: [] })).toBe(0);
  expect(protocolOf({ study: "table5", preset: "nano-long", set: ["training.steps=10"] })).toBe(0);
});

test("the A/A arm runs with other seeds, and is asked for by the same numbers", () => {
  const jobs = jobsOf({ study: "table5", preset: "nano-long", variants: ["full", "again"], seeds: [0, 1] });
  expect(jobs.map(({ variant, seed }) => [variant, seed])).toEqual([
    ["full", 0],
    ["full", 1],
    ["again", 1000],
    ["again", 1001],
  ]);
  expect(seedsOf(jobs)).toEqual([0, 1]);
});

test("an evaluation changes what it names at inference, and the rooms", () => {
  const config = resolveConfig({ preset: "nano-long" });
  const changed = evaluationConfig(config, "test-phi-off");
  expect(changed.data.folder).toBe("data/rooms/nano-test");
  expect(changed).toEqual({
    ...config,
    positions: { ...config.positions, coordinates: false },
    data: { ...config.data, folder: "data/rooms/nano-test" },
  });
  expect(evaluationConfig(config, "val")).toEqual(config);
});
