import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { runChild } from "../../lib/core/child";
import { inProject } from "../../lib/core/root";
import { dropRows, localRows, putRows, readRows, resultsFolder } from "../../lib/runs/results";
import { rowLines } from "../../lib/runs/row";
import { sampleRow, storeSampleRun } from "../report/sample";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-rows-"));
  process.env.S2_RESULTS = folder;
});
afterEach(() => {
  vi.restoreAllMocks();
  delete process.env.S2_RESULTS;
  rmSync(folder, { recursive: true });
});

test("published files are read by name, then this machine's runs in the order in which they were begun", () => {
  const write = (file: string, seed: number): void =>
    writeFileSync(join(folder, file), rowLines([sampleRow({ seed })]));
  write("table5.jsonl", 2);
  write("additions.jsonl", 3);
  writeFileSync(join(folder, "notes.txt"), "no rows");
  const later = storeSampleRun({ seed: 5 });
  const earlier = storeSampleRun({ seed: 4 });
  expect(resultsFolder()).toBe(folder);
  expect(readRows().map((r) => r.seed)).toEqual([3, 2, 4, 5]);
  expect(localRows()).toEqual([earlier, later]);
});

test("a folder that does not exist yet has no rows", () => {
  process.env.S2_RESULTS = join(folder, "absent");
  expect(readRows()).toEqual([]);
});

test("a line that was cut off is set aside and named, once, and the rest is read", () => {
  const said: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => (said.push(String(text)), true));
  const file = join(folder, "table5.jsonl");
  writeFileSync(file, `${rowLines([sampleRow()])}{"study": "tab`);
  expect(readRows()).toEqual([sampleRow()]);
  expect(said.join("")).toBe(
    `${file}: a line was cut off and set aside in table5.jsonl.damaged; the study makes what it held again\n`,
  );
  expect(readFileSync(`${file}.damaged`, "utf8")).toBe('{"study": "tab\n');
  expect(readFileSync(file, "utf8")).toBe(rowLines([sampleRow()]));
  // a second one is kept beside the first
  appendFileSync(file, "null\n{}x\n");
  expect(readRows()).toEqual([sampleRow()]);
  expect(readFileSync(`${file}.damaged`, "utf8")).toBe('{"study": "tab\nnull\n{}x\n');
  expect(readRows()).toEqual([sampleRow()]);
});

test("a row with a wrong field names file, line and field", () => {
  const file = join(folder, "a.jsonl");
  writeFileSync(file, `\n${JSON.stringify({ ...sampleRow(), metrics: { acc25: 0.61, acc50: 150 } })}\n`);
  expect(() => readRows(file)).toThrow(/a\.jsonl, line 2: not a result row: metrics\.acc50: /);
  writeFileSync(file, `${JSON.stringify({ ...sampleRow(), extra: 1 })}\n`);
  expect(() => readRows(file)).toThrow(/line 1: .*extra/);
});

test("rows of the layout before runs had ids are said and left alone", () => {
  const said: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => (said.push(String(text)), true));
  writeFileSync(join(folder, "local.jsonl"), '{"study":"table5","variant":"full"}\n');
  expect(readRows()).toEqual([]);
  expect(said.join("")).toMatch(
    /local\.jsonl: rows of the layout before runs had ids; they .* are not read, remove them/,
  );
});

test("rows are put in place of those of the same evaluations, and taken out", () => {
  const file = join(folder, "table5.jsonl");
  putRows(file, [sampleRow({ n: 1 }), sampleRow({ seed: 1, run: "000000000001" })]);
  putRows(file, [sampleRow({ n: 2 })]);
  expect(readRows(file).map((r) => [r.seed, r.n])).toEqual([
    [0, 2],
    [1, 240],
  ]);
  dropRows(file, [sampleRow()]);
  expect(readRows(file).map((r) => r.seed)).toEqual([1]);
  expect(existsSync(`${file}.lock`)).toBe(false);
});

test("several processes that write one file of rows double none and lose none", async () => {
  const file = join(folder, "table5.jsonl");
  const module = inProject("tests", "runs", "row-writer.ts");
  const seeds = Array.from({ length: 3 }, (_, k) => Array.from({ length: 12 }, (_, i) => 10 * i + k));
  // each writes its own rows and one that all of them write
  await Promise.all(seeds.map((own) => runChild(module, { file, seeds: [...own, 999] })));
  expect(
    readRows(file)
      .map((r) => r.seed)
      .sort((a, b) => a - b),
  ).toEqual([...seeds.flat(), 999].sort((a, b) => a - b));
}, 120_000);
