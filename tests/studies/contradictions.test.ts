import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../../lib/cli/study";
import { rowLines } from "../../lib/runs/row";
import { contradictions } from "../../lib/studies/contradictions";
import { sampleRow, storeSampleRun } from "../report/sample";
import { printed } from "../setup/printed";

test("a run that was done twice with different results is a defect, and named", () => {
  const first = sampleRow({ metrics: { acc25: 60, acc50: 50 } });
  const same = sampleRow({ study: "additions", seconds: 9 });
  const other = sampleRow({ commit: "later", metrics: { acc25: 60.4, acc50: 50 } });
  expect(contradictions([first, same, sampleRow({ seed: 1, metrics: { acc25: 3, acc50: 2 } })])).toEqual([]);
  // other boxes or rooms are other evaluations
  const elsewhere = { metrics: { acc25: 1, acc50: 1 } };
  expect(
    contradictions([
      first,
      sampleRow({ ...elsewhere, split: "test" }),
      sampleRow({ ...elsewhere, proposals: "detector" }),
    ]),
  ).toEqual([]);
  expect(contradictions([first, same, other])).toEqual([
    `run ${first.run} (full, seed 0, val, gt boxes) was done twice with different results: Acc@0.25 60 ` +
      "(commit sample) and 60.4 (commit later); a defect: what differs is not in its identity",
  ]);
});

test("the study's command reports it, above its tables", async () => {
  const results = mkdtempSync(join(tmpdir(), "s2-twice-"));
  process.env.S2_RESULTS = results;
  try {
    const row = storeSampleRun({ variant: "no-mpe" });
    const committed = { ...row, commit: "before", metrics: { ...row.metrics, acc25: row.metrics.acc25 - 1 } };
    writeFileSync(join(results, "table5.jsonl"), rowLines([committed]));
    const args = ["table5", "--preset", "nano", "--variants", "no-mpe", "--seeds", "0"];
    const { status, out } = await printed(run, ...args, "--set", "data.folder=data/rooms/sample");
    expect(status).toBe(0);
    expect(out).toMatch(new RegExp(`^run ${row.run} .* was done twice with different results: .*; a defect: `, "m"));
    expect(out.indexOf("a defect")).toBeLessThan(out.indexOf("Table 5"));
  } finally {
    delete process.env.S2_RESULTS;
    rmSync(results, { recursive: true });
  }
});
