import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { run as runs } from "../../lib/cli/runs";
import { runsFolder } from "../../lib/runs/folder";
import { storeSampleRun } from "../report/sample";
import { printed } from "../setup/printed";

let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), "s2-cli-runs-"));
  process.env.S2_RESULTS = results;
});
afterEach(() => {
  delete process.env.S2_RESULTS;
  rmSync(results, { recursive: true });
});

const log = (run: string, losses: readonly number[]): void =>
  writeFileSync(
    join(runsFolder(), run, "metrics.jsonl"),
    losses.map((total, step) => `${JSON.stringify({ step, seconds: step, total })}\n`).join(""),
  );

test("list shows every run under its differences, and says which folders are of the layout before", async () => {
  expect((await printed(runs, "list")).out).toContain("No run yet: s2mllm train, or s2mllm study table5.");
  const plain = storeSampleRun();
  const trial = storeSampleRun({ seed: 1, set: ["training.steps=10"], identity: { numerics: 0 } });
  mkdirSync(join(runsFolder(), "table5", "nano-full-s0-0"), { recursive: true });
  writeFileSync(join(runsFolder(), "table5", "nano-full-s0-0", "config.json"), "{}");
  const { out } = await printed(runs, "list");
  expect(out).toMatch(new RegExp(`^${plain.run} +full +0 +nano +S2-Rooms \\(synthetic\\)`, "m"));
  expect(out).toMatch(new RegExp(`^${trial.run} +full, training\\.steps=10 +1 +nano`, "m"));
  expect(out).toContain(
    "Today's numerics version is 1: runs of another one were made by code that computes otherwise.",
  );
  expect(out).toContain("Not read, since made before runs had ids (remove them): table5/nano-full-s0-0.");
  const json = JSON.parse((await printed(runs, "list", "--json")).out) as { runs: { id: string }[]; notRead: string[] };
  expect(json.runs.map((r) => r.id)).toEqual([plain.run, trial.run]);
  expect(json.notRead).toEqual(["table5/nano-full-s0-0"]);
});

test("show says what a run is made of, and its evaluations; a beginning of its id is enough", async () => {
  const row = storeSampleRun({ set: ["training.steps=10"] });
  const { out } = await printed(runs, "show", row.run.slice(0, 4));
  expect(out).toMatch(new RegExp(`^${row.run}  full, training\\.steps=10, seed 0, nano$`, "m"));
  expect(out).toMatch(/^changes {3}training\.steps=10$/m);
  expect(out).toMatch(/^precision {1}float32$/m);
  expect(out).toMatch(new RegExp(`table5 +val +true boxes +240 +${row.metrics.acc25.toFixed(1)}`));
});

test("diff compares configurations, losses and answers", async () => {
  const [one, two] = [storeSampleRun({ sample: 0 }), storeSampleRun({ sample: 1, set: ["training.steps=10"] })];
  log(one.run, [3, 2, 1]);
  log(two.run, [3, 2.5, 1.25]);
  const { out } = await printed(runs, "diff", one.run, two.run);
  expect(out).toContain("training.steps: 1100 there, 10 here");
  expect(out).toMatch(/^ +1 +2\.0000 +2\.5000 +\+0\.5000$/m);
  const { tables } = JSON.parse((await printed(runs, "diff", one.run, two.run, "--json")).out) as {
    tables: { rows: Record<string, string>[] }[];
  };
  const [answers] = tables[2]!.rows;
  const numbers = ["both", "one", "two", "neither"].map((key) => Number(answers![key]));
  expect(numbers.reduce((a, b) => a + b)).toBe(240);
  expect(numbers.every((count) => count > 0)).toBe(true);
  const right = (share: number): number => Math.round((share * 240) / 100);
  expect(numbers[0]! + numbers[1]!).toBe(right(one.metrics.acc25));
  expect(numbers[0]! + numbers[2]!).toBe(right(two.metrics.acc25));
  const same = await printed(runs, "diff", one.run, one.run);
  expect(same.out).toContain("Nothing differs.");
  expect(same.out).toContain("All 3 logged steps are the same.");
});

test("rm removes runs, but none whose rows are published nowhere else unless told to", async () => {
  const row = storeSampleRun();
  await expect(runs(["rm", row.run])).rejects.toMatchObject({
    exitCode: 2,
    message: expect.stringContaining(`${row.run}: has rows that are published nowhere else; publish them`),
  });
  expect(existsSync(join(runsFolder(), row.run))).toBe(true);
  expect((await printed(runs, "rm", row.run, "--force")).out).toContain(`${row.run}: removed `);
  expect(existsSync(join(runsFolder(), row.run))).toBe(false);
});

test("wrong usage names what is taken", async () => {
  await expect(runs(["shwo"])).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining('got "shwo"') });
  await expect(runs([])).rejects.toThrow("takes list, show, diff, rm, got nothing");
  await expect(runs(["diff", "a"])).rejects.toThrow("diff takes two runs, got 1");
  await expect(runs(["show", "a"])).rejects.toThrow(/this machine has made none yet/);
});
