import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  findPredictions,
  localFolder,
  predictionsFile,
  readPredictions,
  readRows,
  resultsFolder,
} from "../../lib/runs/row";
import { rowOf, samplePredictions, sampleRow, writeSampleResults } from "../report/sample";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-rows-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("reads a folder's files by name, this machine's own rows last", () => {
  const write = (file: string, seed: number): void =>
    writeFileSync(join(folder, file), `${JSON.stringify(sampleRow({ seed }))}\n`);
  write("local.jsonl", 1);
  write("table5.jsonl", 2);
  write("additions.jsonl", 3);
  writeFileSync(join(folder, "notes.txt"), "no rows");
  expect(readRows(folder).map((r) => r.seed)).toEqual([3, 2, 1]);
});

test("a folder that does not exist yet has no rows", () => {
  expect(readRows(join(folder, "absent"))).toEqual([]);
});

test("a broken line names file and line", () => {
  const file = join(folder, "a.jsonl");
  writeFileSync(file, `${JSON.stringify(sampleRow())}\n\n{"study": "tab`);
  expect(() => readRows(file)).toThrow(
    `${file}, line 3: not a JSON object (was a write cut off?); delete the line and run the study again`,
  );
});

test("a row with a wrong field names it", () => {
  const file = join(folder, "a.jsonl");
  writeFileSync(file, `${JSON.stringify({ ...sampleRow(), metrics: { acc25: 0.61, acc50: 150 } })}\n`);
  expect(() => readRows(file)).toThrow(/a\.jsonl, line 1: not a result row: metrics\.acc50: /);
  writeFileSync(file, "");
  appendFileSync(file, `${JSON.stringify({ ...sampleRow(), extra: 1 })}\n`);
  expect(() => readRows(file)).toThrow(/line 1: .*extra/);
});

test("predictions come back as written, absent ones as undefined, damaged ones as an error", () => {
  writeSampleResults(folder);
  const row = rowOf("full", 0);
  expect(readPredictions(row, folder)).toEqual(samplePredictions("full", 0));
  expect(readPredictions({ ...row, seed: 99 }, folder)).toBeUndefined();
  const file = predictionsFile(row, folder);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, "plain text");
  expect(() => readPredictions(row, folder)).toThrow(/nano-full-s0-gt-\w{12}\.json\.gz: not a gzipped JSON file/);
});

test("two runs of one name each find their own answers, and a third finds none", () => {
  writeSampleResults(folder);
  const committed = rowOf("full", 0);
  // another training of the same variant and seed, on this machine
  const own = { ...rowOf("full", 7), seed: 0 };
  const file = predictionsFile(own, localFolder(folder));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, gzipSync(JSON.stringify(samplePredictions("full", 7))));
  expect(findPredictions(own, folder)).toEqual({ file, answers: samplePredictions("full", 7) });
  expect(findPredictions(committed, folder)).toEqual({
    file: predictionsFile(committed, folder),
    answers: samplePredictions("full", 0),
  });
  const { acc25, acc50, byRelation } = committed.metrics;
  for (const metrics of [
    { acc25: acc25 + 0.1, acc50, byRelation },
    { acc25, acc50: acc50 - 0.1, byRelation },
    { acc25, acc50, byRelation: { ...byRelation, closest: byRelation!.closest! - 1 } },
  ]) {
    expect(readPredictions({ ...committed, metrics }, folder)).toBeUndefined();
  }
  expect(readPredictions({ ...committed, n: 239 }, folder)).toBeUndefined();
});

test("S2_RESULTS names another folder", () => {
  const before = process.env.S2_RESULTS;
  process.env.S2_RESULTS = folder;
  expect(resultsFolder()).toBe(folder);
  if (before === undefined) delete process.env.S2_RESULTS;
  else process.env.S2_RESULTS = before;
});
