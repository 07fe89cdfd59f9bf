import { expect, test } from "vitest";
import { ablations } from "../../lib/config/ablations";
import { paperTables, table5 } from "../../lib/report/paper";
import { studies } from "../../lib/studies/definitions";

test("every row has a value, a source, and only values of its table's columns", () => {
  for (const table of Object.values(paperTables)) {
    for (const row of table.rows) {
      expect(row.sources.length, `${table.id} ${row.label}`).toBeGreaterThan(0);
      expect(
        Object.keys(row.values).filter((k) => !(k in table.columns)),
        `${table.id} ${row.label}`,
      ).toEqual([]);
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

test("the ablations of tables 5 and 8 are variants of this project", () => {
  expect(
    [...table5.rows, ...paperTables.table8.rows].flatMap((r) => r.variant ?? []).filter((v) => !(v in ablations)),
  ).toEqual([]);
});

test("a study has the reference of its paper's table, and what the table asks for where a preset can run it", () => {
  for (const { paperTable, variants } of [studies.table5, studies.table8]) {
    const { reference, rows } = paperTables[paperTable];
    const known: readonly string[] = variants;
    expect(known[0]).toBe(reference);
    // nano's rooms have 12 frames
    expect(rows.flatMap((r) => r.variant ?? []).filter((v) => v !== "frames-24" && !known.includes(v))).toEqual([]);
  }
});

test("the differences that the paper prints follow from its values", () => {
  // reading note A of table 5: -4.78, -15.05, -0.05, -1.43, and +1.41 with 24 frames
  const full = table5.rows[0]!.values.acc25!;
  const deltas = table5.rows.slice(1, 6).map((r) => Math.round(100 * (r.values.acc25! - full)) / 100);
  expect(deltas).toEqual([-4.78, -15.05, -0.05, -1.43, 1.41]);
});
