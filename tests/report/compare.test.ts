import { describe, expect, test } from "vitest";
import { compare, compareRows, paperTable } from "../../lib/report/compare";
import { table1, table5 } from "../../lib/report/paper";
import { type Table, toHtml, toMarkdown, toText } from "../../lib/report/table";
import type { Prediction } from "../../lib/runs/answers";
import type { ResultRow } from "../../lib/runs/row";
import { groupRows } from "../../lib/studies/groups";
import { sampleRow } from "./sample";

const rows = [
  sampleRow({ seed: 0, metrics: { acc25: 60, acc50: 50 } }),
  sampleRow({ seed: 1, metrics: { acc25: 64, acc50: 54 } }),
  sampleRow({ variant: "no-sg", seed: 0, metrics: { acc25: 55, acc50: 40 } }),
  sampleRow({ variant: "no-sg", seed: 1, metrics: { acc25: 59, acc50: 44 } }),
];

test("a table whose sentences the tokenizer mostly does not know says so above everything", () => {
  const said = /^THESE NUMBERS MEAN NOTHING: 71 % of the words of the sentences are not in the tokenizer's vocabulary/;
  const table = compare([...rows, sampleRow({ variant: "no-mpe", unknownWords: 71.4 })], table5);
  expect(toText(table).split("\n")[0]).toMatch(said);
  expect(toMarkdown(table)).toMatch(/^\*\*THESE NUMBERS MEAN NOTHING/);
  expect(toHtml(table)).toMatch(/^<p><strong>THESE NUMBERS MEAN NOTHING/);
  // some unknown words are no reason to doubt an answer
  expect(compare([sampleRow({ unknownWords: 20 })], table5).warning).toBeUndefined();
});

describe("from rows alone", () => {
  const lines = compareRows(rows, table5);
  const line = (variant: string, metric: string) => lines.find((l) => l.variant === variant && l.metric === metric)!;

  test("means over seeds, differences to the paper and to full", () => {
    expect(line("full", "acc25")).toMatchObject({ ours: 62, paper: 59.18, n: 240, seeds: 2, synthetic: true });
    expect(line("full", "acc25").difference).toBeCloseTo(2.82, 10);
    expect(line("full", "acc25").delta).toBeUndefined();
    expect(line("no-sg", "acc25")).toMatchObject({ ours: 57, delta: -5 });
    // the paper: 54.40 - 59.18
    expect(line("no-sg", "acc25").paperDelta).toBeCloseTo(-4.78, 10);
    expect(line("no-sg", "acc50").paperDelta).toBeCloseTo(-4.22, 10);
  });

  test("intervals are Student's over seeds", () => {
    // 60 and 64: standard deviation 2.83, t(1) 12.706, over sqrt(2): 25.4
    expect(line("full", "acc25").plusMinus).toBeCloseTo(25.412, 2);
    // both seeds differ by exactly -5
    expect(line("no-sg", "acc25")).toMatchObject({ deltaLow: -5, deltaHigh: -5, perSeed: [-5, -5] });
    // without single answers the spread over rooms is unknown
    expect(line("no-sg", "acc25").verdict).toBeUndefined();
  });

  test("what the paper has and we have not run stays, without numbers of ours", () => {
    const missing = line("no-mpe", "acc25");
    expect(missing).toMatchObject({ paper: 44.13, n: 0, seeds: 0 });
    expect(missing.ours).toBeUndefined();
    expect(missing.difference).toBeUndefined();
  });

  test("one seed gives no interval and no verdict", () => {
    const single = compareRows(
      rows.filter((r) => r.seed === 0),
      table5,
    ).find((l) => l.variant === "no-sg")!;
    expect(single).toMatchObject({ delta: -5, seeds: 1 });
    expect([single.plusMinus, single.deltaLow, single.verdict]).toEqual([undefined, undefined, undefined]);
  });

  test("only some variants", () => {
    expect(new Set(compareRows(rows, table5, undefined, ["full", "no-sg"]).map((l) => l.variant))).toEqual(
      new Set(["full", "no-sg"]),
    );
  });
});

describe("from single answers", () => {
  const answer = (i: number, right: boolean): Prediction => ({
    queryId: `q${i}`,
    sceneId: `s${i}`,
    category: "chair",
    kind: "closest",
    target: 0,
    predicted: 0,
    iou: right ? 0.9 : 0,
    description: "",
    anchors: [],
  });
  const answersOf = (row: ResultRow): Prediction[] =>
    Array.from({ length: 100 }, (_, i) =>
      answer(i, row.variant === "no-sg" ? i < 40 : row.variant === "no-attn" ? i !== 3 && i < 61 : i < 60),
    );
  const some = [...rows, sampleRow({ variant: "no-attn", seed: 0 }), sampleRow({ variant: "no-attn", seed: 1 })];
  const lines = compareRows(some, table5, answersOf).filter((l) => l.metric === "acc25");

  test("a clear difference is lower", () => {
    expect(lines.find((l) => l.variant === "no-sg")).toMatchObject({ delta: -20, verdict: "lower" });
  });

  test("a small one on few rooms is undecided, and more seeds would not help", () => {
    // one answer lost, one won
    expect(lines.find((l) => l.variant === "no-attn")).toMatchObject({
      delta: 0,
      verdict: "undecided (more rooms are needed, not more seeds)",
    });
  });
});

describe("groups", () => {
  test("presets, data sets and boxes are never averaged together", () => {
    const mixed = [
      sampleRow(),
      sampleRow({ preset: "llava-video-7b" }),
      sampleRow({ dataFingerprint: "other" }),
      sampleRow({ proposals: "detector" }),
      sampleRow({ synthetic: false }),
    ];
    expect(groupRows(mixed)).toHaveLength(5);
  });

  test("the last row of a seed counts", () => {
    const [group] = groupRows([
      sampleRow({ metrics: { acc25: 1, acc50: 1 } }),
      sampleRow({ metrics: { acc25: 2, acc50: 2 } }),
    ]);
    expect(group!.map((r) => r.metrics.acc25)).toEqual([2]);
  });
});

describe("the table", () => {
  const comparison = compare(rows, table5);

  test("marks synthetic rows and puts their differences in brackets", () => {
    const full = comparison.rows[0]!;
    expect(full).toMatchObject({
      setting: "full (ours: 8 views, paper: 16 frames)",
      ours: "62.0",
      paper: "59.18 [A]",
      difference: "(+2.8)",
      preset: "nano",
    });
    expect(full.data).toBe("rooms/sample, true boxes, synthetic");
    expect(comparison.notes[0]).toMatch(/^Rows marked "synthetic" were measured on S2-Rooms, the paper's on ScanRefer/);
  });

  test("says how many views ours saw, where the paper's row is told by its own number", () => {
    const setting = (row: ResultRow, paper = table5): string => compare([row], paper).rows[0]!.setting!;
    expect(setting(sampleRow({ frames: 16 }))).toBe("full, 16 frames (full)");
    expect(setting(sampleRow({ frames: 12 }), table1)).toBe("S²-MLLM (ours: 12 views, paper: 16 frames) (full)");
    const several = [
      sampleRow(),
      sampleRow({ variant: "frames-24", frames: 24 }),
      sampleRow({ variant: "frames-2", frames: 2 }),
      sampleRow({ variant: "no-sg" }),
    ];
    expect(
      compare(several, table5)
        .rows.filter((r) => r.metric === "Acc@0.25 (%)")
        .map((r) => r.setting),
    ).toEqual([
      "full (ours: 8 views, paper: 16 frames)",
      "without spatial guidance (no-sg)",
      "without position encoding (no-mpe)",
      "without structure attention (no-attn)",
      "without language guidance (no-lg)",
      "full, 24 frames (frames-24)",
      "full, 2 views (frames-2)",
    ]);
    // not run: the paper's own
    expect(compare([sampleRow({ variant: "no-sg" })], table5).rows[0]).toMatchObject({
      setting: "full, 16 frames (full)",
      ours: "not run",
    });
  });

  test("real rows are compared plainly", () => {
    const real = compare([sampleRow({ synthetic: false, data: "scannet" })], table1);
    expect(real.rows[0]).toMatchObject({ difference: "+0.8", data: "scannet, true boxes" });
    expect(real.notes.join()).not.toContain("synthetic");
  });

  test("says so with one seed, and without any run", () => {
    expect(compare(rows.slice(0, 1), table5).notes.join()).toContain(
      "One seed: the spread between trainings is unknown",
    );
    const empty = compare([], table5);
    expect(empty.rows).toEqual([]);
    expect(empty.notes[0]).toBe("Nothing has been run yet: run the study first.");
  });

  test("gives the numbers as an arquero table with every column", () => {
    expect(comparison.numbers.columnNames()).toContain("verdict");
    expect(comparison.numbers.numRows()).toBe(comparison.lines.length);
  });

  test("renders as text, Markdown and HTML", () => {
    const small: Table = {
      title: "T <1>",
      columns: [
        { key: "a", label: "a|b" },
        { key: "n", label: "n", numeric: true },
      ],
      rows: [{ a: "x & y", n: "1.5" }, { a: "z" }],
      notes: ["note"],
    };
    expect(toText(small)).toBe("T <1>\na|b      n\n─────  ───\nx & y  1.5\nz\n· note");
    expect(toMarkdown(small)).toBe("**T <1>**\n\n| a\\|b | n |\n|---|---:|\n| x & y | 1.5 |\n| z |  |\n\n- note");
    expect(toHtml(small)).toContain("<caption>T &lt;1&gt;</caption>");
    expect(toHtml(small)).toContain('<td style="text-align:left">x &amp; y</td>');
  });

  test("the paper's own table keeps its blanks", () => {
    const table = paperTable(table1);
    expect(table.rows.find((r) => r.label === "MCLN")).toMatchObject({ acc25: "57.20 [B]", acc50: "" });
  });
});
