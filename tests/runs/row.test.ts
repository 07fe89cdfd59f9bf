import { expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import { labelOf, latestRows, ResultRow } from "../../lib/runs/row";
import { settingsHash } from "../../lib/runs/settings";
import { sampleRow } from "../report/sample";

test("a row stands under its variant alone only where it is the variant's own configuration in float32", () => {
  expect(labelOf(sampleRow())).toBe("full");
  const changed = presentRow({ "training.steps": 10 });
  expect(labelOf(changed)).toBe("full, training.steps=10");
  expect(labelOf(sampleRow({ precision: "fp16" }))).toBe("full, fp16");
  // settings of an older version of the preset, and a variant that is gone
  expect(labelOf(sampleRow({ config: "2a5f16b28e6c" }))).toBe("full, other settings than today's (2a5f16b28e6c)");
  expect(labelOf(sampleRow({ variant: "gone" }))).toBe("gone, other settings than today's (000000000000)");
});

/** A row of "full" with changes, of today's settings. */
function presentRow(changes: Record<string, unknown>): ResultRow {
  const set = Object.entries(changes).map(([path, value]) => `${path}=${JSON.stringify(value)}`);
  return sampleRow({ changes, config: settingsHash(resolveConfig({ preset: "nano", set })) });
}

test("the last row of an evaluation is the one to use; another run, split, study or box is another one", () => {
  const again = sampleRow({ n: 9 });
  const others = [
    { run: "000000000000" },
    { split: "dev" },
    { study: "additions" },
    { proposals: "detector" as const },
  ];
  const rows = [sampleRow({ n: 1 }), ...others.map((change) => sampleRow(change)), again];
  expect(latestRows(rows)).toEqual([again, ...others.map((change) => sampleRow(change))]);
});

test("a row is closed: an unknown field, a missing one and a number out of range are named", () => {
  expect(ResultRow.safeParse(sampleRow()).success).toBe(true);
  const fault = (row: object): string =>
    ResultRow.safeParse(row)
      .error!.issues.map((i) => i.path.join("."))
      .join();
  const { precision: _, ...without } = sampleRow();
  expect(fault(without)).toBe("precision");
  expect(fault({ ...sampleRow(), run: "full-s0" })).toBe("run");
  expect(fault({ ...sampleRow(), metrics: { acc25: 0.61, acc50: 150 } })).toBe("metrics.acc50");
  expect(ResultRow.safeParse({ ...sampleRow(), extra: 1 }).success).toBe(false);
});
