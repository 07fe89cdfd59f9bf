import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { publishedAnswers, publishedForm, readAnswers, sentencesName } from "../../lib/runs/answers";
import { rowOf, samplePredictions, storeSampleRun, writeSampleResults } from "../report/sample";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-answers-"));
  process.env.S2_RESULTS = folder;
});
afterEach(() => {
  delete process.env.S2_RESULTS;
  rmSync(folder, { recursive: true });
});

test("answers come back as written, absent ones as undefined, damaged ones as an error", () => {
  writeSampleResults(folder);
  const row = rowOf("full", 0);
  expect(readAnswers(row)).toEqual(samplePredictions("full", 0));
  expect(readAnswers({ ...row, run: "000000000000" })).toBeUndefined();
  expect(readAnswers({ ...row, split: "dev" })).toBeUndefined();
  const file = publishedAnswers(row);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, "plain text");
  expect(() => readAnswers(row)).toThrow(/[0-9a-f]{12}-val-gt\.json\.gz: not a gzipped JSON file/);
  writeFileSync(file, gzipSync(JSON.stringify([{ ...samplePredictions("full", 0)[0], iou: 7 }])));
  expect(() => readAnswers(row)).toThrow(/0\.iou: .*; delete it and run the study again/);
});

test("two runs of one variant and seed have their own answers: a trial with --set does not stand for the run", () => {
  const plain = storeSampleRun({ sample: 1 });
  const trial = storeSampleRun({ sample: 2, set: ["training.steps=10"] });
  expect(readAnswers(plain)).toEqual(samplePredictions("full", 1));
  expect(readAnswers(trial)).toEqual(samplePredictions("full", 2));
});

test("published answers and their sentences belong together: one alone, or of another commit, is said", () => {
  const row = rowOf("full", 0);
  const file = publishedAnswers(row);
  const all = samplePredictions("full", 0).map((answer, i) =>
    i === 1 ? { ...answer, withoutGround: "cap" as const, truth: 3 } : answer,
  );
  const { hash, sentences, answers } = publishedForm(all, true);
  const beside = join(dirname(file), sentencesName(hash));
  mkdirSync(dirname(beside), { recursive: true });
  writeFileSync(file, answers);
  expect(() => readAnswers(row)).toThrow(/its sentences, .*sentences.[0-9a-f]{16}\.json\.gz, are not there; take both/);
  writeFileSync(beside, sentences);
  expect(readAnswers(row)).toEqual(all);
  writeFileSync(beside, publishedForm(all.slice(1), true).sentences);
  expect(() => readAnswers(row)).toThrow(/\d+ values of predicted for \d+ sentences; take both files from one commit/);
  writeFileSync(beside, "x");
  expect(() => readAnswers(row)).toThrow(/[0-9a-f]{16}\.json\.gz: not a gzipped JSON file/);
});
