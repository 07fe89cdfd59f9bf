import { expect, test } from "vitest";
import { ablations } from "../../lib/config/ablations";
import { paperCell, paperTables, paperValue, table5 } from "../../lib/report/paper";
import { studies } from "../../lib/studies/definitions";

test("every row has a value, a source, and only values of its table's columns", () => {
  for (const table of Object.values(paperTables)) {
    for (const row of table.rows) {
      for (const readings of Object.values(row.values)) {
        expect(readings.length, `${table.id} ${row.label}`).toBeGreaterThan(0);
        for (const { sources } of readings) expect(sources.length).toBeGreaterThan(0);
      }
      expect(
        Object.keys(row.values).filter((k) => !(k in table.columns)),
        `${table.id} ${row.label}`,
      ).toEqual([]);
      expect(Object.keys(row.values).length).toBeGreaterThan(0);
    }
  }
});

test("percentages are percentages", () => {
  for (const table of [paperTables.table1, paperTables.table2, paperTables.table4, table5, paperTables.table8]) {
    for (const { value } of table.rows.flatMap((r) => Object.values(r.values).flat())) {
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
  const of = (row: number): number => paperValue(table5.rows[row], "acc25")!;
  const deltas = [1, 2, 3, 4, 5].map((row) => Math.round(100 * (of(row) - of(0))) / 100);
  expect(deltas).toEqual([-4.78, -15.05, -0.05, -1.43, 1.41]);
});

test("where sources disagree both figures stand, the project's summary first; each names where it was read", () => {
  const [ours] = paperTables.table2.rows;
  expect(paperCell(ours, "nr3d")).toBe("54.20 [S], 50.60 [A]");
  expect(paperCell(ours, "sr3d")).toBe("44.30 [S], 53.90 [A]");
  expect(paperCell(ours, "similar")).toBe("73.40 [S]");
  expect(paperValue(ours, "nr3d")).toBe(54.2);
  expect(ours!.note).toMatch(/equal MCLN's/);
  expect(paperCell(ours, "easy25")).toBe("");
  expect(Object.keys(paperTables.table2.columns)).toEqual(
    expect.arrayContaining(["easy25", "hard25", "dep25", "indep25"]),
  );
});
