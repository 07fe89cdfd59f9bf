import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { run } from "../../lib/cli/study";
import { resolveConfig } from "../../lib/config/resolve";
import { RoomsConfig, roomSets } from "../../lib/datasets/rooms/config";
import { makeRooms } from "../../lib/datasets/rooms/make";
import { openScene } from "../../lib/datasets/scannet";
import { readScanRefer } from "../../lib/datasets/scanrefer";
import { lab } from "../../lib/index";
import { computedBaselineTable } from "../../lib/report/computed-baselines";
import { paperTables } from "../../lib/report/paper";
import { studyTables } from "../../lib/report/study-tables";
import { type Table, toText } from "../../lib/report/table";
import { publishedCost } from "../../lib/runs/cost";
import { writeDurable } from "../../lib/runs/durable";
import { type StudyName, studies, studyNamed } from "../../lib/studies/definitions";
import { parameterTable } from "../../lib/weights/describe";
import { printed } from "../setup/printed";
import { sampleRow } from "./sample";

let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), "s2-tables-"));
  process.env.S2_RESULTS = results;
});
afterEach(() => {
  delete process.env.S2_RESULTS;
  rmSync(results, { recursive: true });
});

test("every study that the paper or its open questions ask for is there, by name", async () => {
  const asked = [
    ...["table1", "table2", "table3", "table4", "table5", "table8", "additions", "few-views", "proposal-noise"],
    ...["outdoor", "released-vs-paper", "position-probes", "honest-eval"],
    // the three break conditions
    ...["sg-weight", "position-scale", "attention-overlap"],
  ];
  const { out } = await printed(run, "--list", "--json");
  const listed = (JSON.parse(out) as { name: string }[]).map(({ name }) => name);
  expect(listed).toEqual(Object.keys(studies));
  for (const name of asked) {
    expect(listed).toContain(name);
    expect(lab.study(name).tables([]).length).toBe(1);
  }
  expect((await printed(run, "--list")).out).toMatch(/^table1 +How does it do on ScanRefer's sentences/m);
});

describe("without a row", () => {
  test.each(Object.keys(studies) as StudyName[])("%s: every arm is not run, and the cost stands below", (name) => {
    const study = studyNamed(name);
    const [table, ...more] = studyTables(study, []);
    expect(more.length).toBe(name === "baselines" ? 1 : 0);
    expect(table!.notes.at(-1)).toMatch(
      new RegExp(`^As stated \\(s2mllm study ${name} --preset ${study.protocol.preset}\\): \\d+ of \\d+ runs to do`),
    );
    if (study.paperTable === undefined)
      expect(table!.rows.map(({ seeds }) => seeds).every((n) => n === "0")).toBe(true);
    else expect(toText(table!)).toContain("not run");
  });

  test.each(["table1", "table2", "table4", "table5", "table8"] as const)(
    "%s has the paper's figures as printed",
    (id) => {
      const text = toText(studyTables(studyNamed(id), [])[0]!);
      for (const row of paperTables[id].rows)
        for (const { value } of Object.values(row.values).flat()) expect(text).toContain(value.toFixed(2));
    },
  );
});

test("Table 2 and 4: each column is of its own evaluation and boxes, one line a run", () => {
  const of = (split: string, proposals: "gt" | "detector", acc25: number, more = {}) =>
    sampleRow({ study: "table2", split, proposals, splitFingerprint: split, metrics: { acc25, acc50: 1, ...more } });
  const rows = [
    of("test", "gt", 1),
    of("test-nr3d", "gt", 61),
    of("test-nr3d", "detector", 52, { easy25: 57, hard25: 44 }),
    of("test-sr3d", "gt", 63),
    of("test-sr3d", "detector", 54),
  ];
  const [table, ...more] = studyTables(studyNamed("table2"), rows);
  expect(more).toEqual([]);
  const full = table!.rows.find(({ setting }) => setting!.startsWith("S²-MLLM"))!;
  expect(full).toMatchObject({
    "nr3d ours": "52.0",
    "sr3d ours": "54.0",
    "nr3dGt ours": "61.0",
    "sr3dGt ours": "63.0",
  });
  expect(full).toMatchObject({ "easy25 ours": "57.0", "hard25 ours": "44.0", "easy25Sr3d ours": "" });
  expect(full["nr3d paper"]).toBe("54.20 or 50.60");
  // an arm of the study without a row
  expect(table!.rows.find(({ setting }) => setting === "no-mpe")).toMatchObject({ "nr3d ours": "not run" });
  const there = (split: string, acc25: number) => ({ ...of(split, "detector", acc25), study: "table4" });
  const [transfer] = studyTables(studyNamed("table4"), [there("arkit-like", 41), there("multiscan-like", 47)]);
  expect(transfer!.rows[0]).toMatchObject({ "arkit ours": "41.0", "arkit paper": "43.26", "multiscan ours": "47.0" });
});

test("rows of another protocol, numerics version or data stand in tables of their own, which say so", () => {
  const table5 = studyNamed("table5");
  const rows = [
    sampleRow({ protocol: 1, metrics: { acc25: 60, acc50: 50 } }),
    sampleRow({ protocol: 0, metrics: { acc25: 61, acc50: 50 } }),
    sampleRow({ protocol: 1, numerics: 0, metrics: { acc25: 62, acc50: 50 } }),
    sampleRow({ protocol: 1, dataFingerprint: "fedcba987654", metrics: { acc25: 63, acc50: 50 } }),
  ];
  const tables = studyTables(table5, rows);
  const shown = tables.map(
    ({ title, rows: lines }) => [/, preset/.exec(title) && title, lines[0]!["acc25 ours"]] as const,
  );
  expect(shown.map(([, ours]) => ours).sort()).toEqual(["60.0", "61.0", "62.0", "63.0"]);
  const titleOf = (ours: string): string => shown.find(([, value]) => value === ours)![0]!;
  expect(titleOf("60.0")).toContain(", protocol 1, version sample00 of the data");
  expect(titleOf("61.0")).not.toContain("protocol");
  expect(titleOf("62.0")).toContain(", protocol 1, numerics 0");
  expect(titleOf("63.0")).toContain("version fedcba98 of the data");
});

describe("Table 3", () => {
  const study = studyNamed("table3");
  const rowOf = (setting: RegExp, rows = [] as Parameters<typeof studyTables>[1]) =>
    studyTables(study, rows)[0]!.rows.find((row) => setting.test(row.setting!))!;

  test("what is counted at 7B is the paper's count of parameters, and stands apart from what was measured", () => {
    const full = rowOf(/^S²-MLLM/);
    expect(full).toMatchObject({ trainable7b: "1767.50", trainable: "1767.50", gpuHours: "72.00", latency: "1.16" });
    expect(full).toMatchObject({ stepOwn: "not run", answerOwn: "not run", memoryOwn: "not run", trainOwn: "not run" });
    // the paper's count has the output layer, which no loss reaches where grounding has no language loss
    const other = resolveConfig({ preset: "video-3d-llm" });
    const output = other.language.vocabSize * other.language.hiddenSize;
    const known = rowOf(/^Video-3D-LLM/);
    expect(Number(known.trainable7b) + output / 1e6).toBeCloseTo(Number(known.trainable), 1);
    const own = parameterTable(resolveConfig({ preset: study.protocol.preset, ablation: "no-sg" })).trainable;
    expect(rowOf(/^no-sg/)).toMatchObject({ trainableOwn: (own / 1e6).toFixed(2) });
    // an answer does not run the reconstruction branch
    expect(rowOf(/^no-sg/).answer7b).toBe(full.answer7b);
    expect(Number(rowOf(/^no-sg/).train7b)).toBeLessThan(Number(full.train7b));
  });

  test("medians over the runs of which a cost was kept", () => {
    const rows = [0, 1, 2].map((seed) => sampleRow({ study: "table3", seed, seconds: 360 * (seed + 1) }));
    rows.forEach(({ run: id }, i) => {
      const cost = { engine: "ort-cpu", stepSeconds: 0.2 + i, answerSeconds: 0.01 * (i + 1), peakMB: 1000 * (i + 1) };
      writeDurable(publishedCost(id), JSON.stringify(cost));
    });
    const full = rowOf(/^S²-MLLM/, rows);
    expect(full).toMatchObject({ trainOwn: "0.20", stepOwn: "1.200", answerOwn: "0.0200", memoryOwn: "2.00" });
    writeDurable(publishedCost(rows[1]!.run), '{"engine": 3}');
    expect(() => rowOf(/^S²-MLLM/, rows)).toThrow(/cost\/\w+\.json: .*engine.*delete it; the run's row stays/);
  });
});

test("what needs no training has rows of its own: counted by hand on made rooms", async () => {
  const folder = join(results, "nano-test");
  const table = (): Table => computedBaselineTable(studyNamed("baselines"), { folder });
  expect(table().notes).toEqual([`${folder} is not here: npm run -s s2mllm -- data make --size nano-test.`]);
  await makeRooms(folder, RoomsConfig.parse({ ...roomSets["nano-test"], testRooms: 6, layouts: 4 }));
  const [any, rightClass, blind, oracle] = table().rows.map((row) => Number(row.all));
  const queries = readScanRefer(join(folder, "ScanRefer_filtered_val.json"));
  const chances = queries.map(({ sceneId, category }) => {
    const { objects } = openScene(folder, sceneId);
    return [1 / objects.length, 1 / objects.filter(({ label }) => label === category).length] as const;
  });
  const mean = (values: readonly number[]): number => (100 * values.reduce((a, b) => a + b, 0)) / values.length;
  expect(any).toBeCloseTo(mean(chances.map(([one]) => one)), 1);
  expect(rightClass).toBeCloseTo(mean(chances.map(([, one]) => one)), 1);
  expect(blind).toBeGreaterThan(rightClass!);
  expect(oracle).toBe(100);
});
