import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { commands } from "../../lib/cli/commands";
import { dispatch } from "../../lib/cli/dispatch";
import {
  answersName,
  type Prediction,
  packAnswers,
  publishedAnswers,
  publishedForm,
  readAnswers,
  sentencesName,
  sentencesOf,
} from "../../lib/runs/answers";
import { readAttention } from "../../lib/runs/attention";
import { readRecord, runsFolder, trainedOf, verified } from "../../lib/runs/folder";
import { publishRows } from "../../lib/runs/publish";
import { localRows, putRows, readRows } from "../../lib/runs/results";
import type { ResultRow } from "../../lib/runs/row";
import { samplePredictions, storeSampleRun } from "../report/sample";

let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), "s2-publish-"));
  process.env.S2_RESULTS = results;
});
afterEach(() => {
  vi.restoreAllMocks();
  delete process.env.S2_RESULTS;
  rmSync(results, { recursive: true });
});

/** Published files by their path below the results. */
const files = (): string[] =>
  readdirSync(results, { recursive: true, encoding: "utf8", withFileTypes: true })
    .filter((e) => e.isFile() && !e.parentPath.startsWith(runsFolder()))
    .map((e) => join(e.parentPath, e.name).slice(results.length + 1))
    .sort();

const without = ({ best: _, ...answer }: Prediction): Prediction => answer;

/** A published row with its answers, made by older code on another machine. */
function committed(row: ResultRow, run: string, sample: number): ResultRow {
  const old = { ...row, run, numerics: 0 };
  putRows(join(results, "table5.jsonl"), [old]);
  mkdirSync(dirname(publishedAnswers(old)), { recursive: true });
  writeFileSync(publishedAnswers(old), packAnswers(samplePredictions(row.variant, sample)));
  return old;
}

test("rows, answers and maps move to the published ones; one made again takes the old one's place", () => {
  const full = storeSampleRun({ sample: 5, map: true });
  const noMpe = storeSampleRun({ variant: "no-mpe" });
  const noLg = storeSampleRun({ variant: "no-lg" });
  const changed = storeSampleRun({ set: ["training.steps=10"] });
  const [oldFull, noSg] = [committed(full, "000000000001", 0), committed(noMpe, "000000000002", 3)].map((row, i) =>
    i === 0 ? row : { ...row, variant: "no-sg" },
  ) as [ResultRow, ResultRow];
  writeFileSync(join(results, "table5.jsonl"), [oldFull, noSg].map((row) => `${JSON.stringify(row)}\n`).join(""));

  const published = publishRows("table5", [full, noMpe]);

  expect(published).toMatchObject({ rows: [full, noMpe], replaced: 1, leftOut: [] });
  expect(readRows(join(results, "table5.jsonl"))).toEqual([full, noSg, noMpe]);
  // runs with other settings or that nobody published stay
  expect(
    localRows()
      .map((row) => row.run)
      .sort(),
  ).toEqual([noLg.run, changed.run].sort());
  expect(readAnswers(full)).toEqual(samplePredictions("full", 5));
  expect(readAnswers(oldFull)).toBeUndefined();
  const map = join("attention", full.run, "scene0000_00.json");
  const answers = [full, noSg, noMpe].map((row) => publishedAnswers(row, "").replace(/^\//, ""));
  // all runs answered the same sentences; the one that nobody publishes again keeps its own
  const shared = join("answers", sentencesName(sentencesOf(publishedAnswers(full))!));
  expect(sentencesOf(publishedAnswers(noMpe))).toBe(sentencesOf(publishedAnswers(full)));
  expect(files()).toEqual([...answers, map, shared, "table5.jsonl"].sort());
  expect(published.files).toContain(join(results, shared));
  // what the run itself needs stays with it
  const folder = join(runsFolder(), full.run);
  expect(readdirSync(folder).sort()).toEqual(
    ["answers", "attention", "manifest.json", "model.safetensors", "rows.jsonl", "run.json"].sort(),
  );
  expect(readdirSync(join(folder, "answers"))).toEqual([]);
  expect(trainedOf(folder)).toEqual({ steps: 1, seconds: 1 });
  expect(verified(folder, "rows.jsonl")).toBe(join(folder, "rows.jsonl"));
});

test("scores are published of seed 0 of three variants, picks and words of every run", () => {
  const rows = [storeSampleRun({}), storeSampleRun({ seed: 1 }), storeSampleRun({ variant: "no-lg" })];
  const before = rows.map((row) =>
    readAnswers(row)!.map((a, i): Prediction => ({ ...a, best: [[a.predicted, 0.5]], written: `words ${i % 3}` })),
  );
  rows.forEach((row, i) => writeFileSync(join(runsFolder(), row.run, answersName(row)), packAnswers(before[i]!)));
  publishRows("table5", rows);
  expect(rows.map((row) => readAnswers(row)![0]!.best !== undefined)).toEqual([true, false, false]);
  rows.forEach((row, i) => expect(readAnswers(row)).toEqual(before[i]!.map((a) => (i === 0 ? a : without(a)))));
});

test("sentences that no published answer belongs to any more go with the last of them", () => {
  const row = storeSampleRun({});
  publishRows("table5", [row]);
  const [first] = readdirSync(join(results, "answers", "sentences"));
  // the same evaluation again, of other sentences
  const again = storeSampleRun({ seed: row.seed, set: ["training.steps=11"] });
  const other = { ...again, changes: row.changes };
  const asked = samplePredictions("full", 0).slice(1);
  writeFileSync(join(runsFolder(), again.run, answersName(again)), packAnswers(asked));
  publishRows("table5", [other]);
  const { hash } = publishedForm(asked, true);
  expect(readdirSync(join(results, "answers", "sentences"))).toEqual([`${hash}.json.gz`]);
  expect(first).not.toBe(`${hash}.json.gz`);
});

test("pictures of a data set whose owners do not allow it are left out, and that is said", () => {
  const folder = join(results, "kitchens", "mine");
  const real = { synthetic: false, map: true, set: [`data.folder=${folder}`] };
  const row = storeSampleRun(real);
  const { leftOut } = publishRows("table5", [row]);
  expect(leftOut).toEqual([
    expect.stringMatching(/^run [0-9a-f]{12}: the pictures of kitchens\/mine stay on this machine/),
  ]);
  const published = join(results, "attention", row.run, "scene0000_00.json");
  expect(readFileSync(published, "utf8")).not.toContain("data:image");
  // with the weights, which are the run's own
  rmSync(join(runsFolder(), row.run, "attention"), { recursive: true });
  const map = readAttention({ run: row.run, scene: "scene0000_00" });
  expect(map.views).toEqual([0, 10, 20, 30].map((frame) => ({ frame: String(frame) })));
  expect(map.weights.length).toBe(32);

  // a set whose card allows it
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "card.md"), "---\nname: mine\nframes: may be passed on\n---\n");
  const other = storeSampleRun({ ...real, seed: 1 });
  expect(publishRows("table5", [other]).leftOut).toEqual([]);
  expect(readFileSync(join(results, "attention", other.run, "scene0000_00.json"), "utf8")).toContain("data:image");
});

test("nothing finished, and a row without its answers, are errors that change nothing", () => {
  expect(() => publishRows("table5", [])).toThrow(
    "this machine has finished none of these runs of table5; run them first: s2mllm study table5",
  );
  const row = storeSampleRun();
  rmSync(join(runsFolder(), row.run, answersName(row)));
  expect(() => publishRows("table5", [row])).toThrow(
    new RegExp(`^full, seed 0, gt boxes: the answers are not in .*gz; remove the run \\(s2mllm runs rm ${row.run}\\)`),
  );
  expect(localRows()).toEqual([row]);
  expect(files()).toEqual([]);
});

test("on the command line: every seed of this machine, unless some are named", async () => {
  const rows = [0, 2].map((seed) => storeSampleRun({ seed }));
  for (const stream of [process.stdout, process.stderr]) vi.spyOn(stream, "write").mockReturnValue(true);
  expect(await dispatch(["study", "table5", "--publish", "--seeds", "1", "--json"], commands)).toBe(1);
  expect(await dispatch(["study", "table5", "--publish", "--processes", "1"], commands)).toBe(2);
  expect(await dispatch(["study", "table5", "--publish", "--json"], commands)).toBe(1);
  const file = join(results, "table5.jsonl");
  expect(existsSync(file)).toBe(false);
  // their data are those of another folder than the preset's
  const set = "data.folder=data/rooms/sample";
  expect(await dispatch(["study", "table5", "--publish", "--set", set, "--json"], commands)).toBe(0);
  expect(readRows(file)).toEqual(rows);
  expect(localRows()).toEqual([]);
  expect(readRecord(join(runsFolder(), rows[0]!.run)).id).toBe(rows[0]!.run);
});
