import { expect, test } from "vitest";
import { contradictions } from "../../lib/studies/contradictions";
import { sampleRow } from "../report/sample";

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
