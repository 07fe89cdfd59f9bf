import { expect, test } from "vitest";
import { ablations } from "../../lib/config/ablations";
import { paperTables, table5 } from "../../lib/report/paper";

test("every row has a value, a source, and only values of its table's columns", () => {
  for (const table of Object.values(paperTables)) {
    for (const row of table.rows) {
      expect(row.sources.length, `${table.id} ${row.label}`).toBeGreaterThan(0);
      expect(Object.keys(row.values).filter((k) => !(k in table.columns)), `${table.id} ${row.label}`).toEqual([]);
      expect(Object.values(row.values).some((v) => v !== undefined)).toBe(true);
    }
  }
});

test("percentages are percentages", () => {
  for (const table of [paperTables.table1, paperTables.table2, paperTables.table4, table5, paperTables.table8]) {
    for (const value of table.rows.flatMap((r) => Object.values(r.values))) {
      expect(value).toBeGreaterThan(0);
      expect(value).toBeLessThan(100);
    }
  }
});

test("the ablations of table 5 are variants of this project", () => {
  expect(table5.rows.flatMap((r) => r.variant ?? []).filter((v) => !(v in ablations))).toEqual([]);
});

test("the differences that the paper prints follow from its values", () => {
  // reading note A of table 5: -4.78, -15.05, -0.05, -1.43, and +1.41 with 24 frames
  const full = table5.rows[0]!.values["acc25"]!;
  const deltas = table5.rows.slice(1, 6).map((r) => Math.round(100 * (r.values["acc25"]! - full)) / 100);
  expect(deltas).toEqual([-4.78, -15.05, -0.05, -1.43, 1.41]);
});
