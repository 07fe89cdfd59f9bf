import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { run } from "../../lib/cli/study";
import { storeSampleRun } from "../report/sample";
import { printed } from "../setup/printed";

let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), "s2-plan-"));
  process.env.S2_RESULTS = results;
});
afterEach(() => {
  delete process.env.S2_RESULTS;
  rmSync(results, { recursive: true });
});

test("study NAME --plan states the protocol and what it costs, and runs nothing", async () => {
  const { status, out } = await printed(run, "table5", "--plan");
  expect(status).toBe(0);
  const text = out;
  for (const line of [
    /^table5, protocol \d+, preset nano-long, the paper's table5$/m,
    /^Question: What does each component/m,
    /^Hypothesis: /m,
    /^ {2}no-mpe against full: lower$/m,
    /^ {2}again against full: within$/m,
    /^Primary metric: Acc@0\.25 of all sentences, evaluation test, true boxes$/m,
    /^Smallest effect of interest: 2 points$/m,
    /^Seeds: 8; contrasts that are undecided go on to 12\. Each of the 2 looks tests at 2\.5 %, Holm/m,
    /^Cost as stated \(--preset nano-long\): 96 of 96 runs to do \(no finished run says how long one takes\)$/m,
    /^Cost of a first look \(--preset nano\), evaluated on val alone.*: 12 of 12 runs to do/m,
  ])
    expect(text).toMatch(line);
});

test("the cost comes from the seconds a step of finished runs", async () => {
  // 1,100 steps in 1,100 s
  storeSampleRun({ variant: "no-mpe", row: { seconds: 1100 } });
  const { out } = await printed(run, "table5", "--plan", "--variants", "no-mpe", "--seeds", "5", "--json");
  const { plans } = JSON.parse(out) as { plans: { preset: string; coreHours: number }[] };
  expect(plans.map(({ preset }) => preset)).toEqual(["nano-long", "nano"]);
  expect(plans[0]!.coreHours).toBeCloseTo(2000 / 3600, 5);
  expect(plans[1]!.coreHours).toBeCloseTo(1100 / 3600, 5);
  // an arm without a run of its own costs by its share of the operations
  const hours = async (variant: string): Promise<number> => {
    const text = (await printed(run, "few-views", "--plan", "--variants", variant, "--seeds", "5", "--json")).out;
    return (JSON.parse(text) as { plans: { coreHours: number }[] }).plans[0]!.coreHours;
  };
  const [few, many] = [await hours("frames-2"), await hours("full")];
  expect(few / many).toBeGreaterThan(0.3);
  expect(few / many).toBeLessThan(0.8);
});
