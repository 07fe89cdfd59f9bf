import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { commands } from "../../lib/cli/commands";
import { dispatch } from "../../lib/cli/dispatch";
import { configHash, jobsOf } from "../../lib/runs/job";
import { publishRuns } from "../../lib/runs/publish";
import { localFolder, predictionsFile, type ResultRow, readPredictions, readRows, rowLines } from "../../lib/runs/row";
import { rowOf, sampleAttention, samplePredictions } from "../report/sample";

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

const jobs = (variants: readonly string[], seeds = [0]) => jobsOf({ study: "table5", preset: "nano", variants, seeds });

/** A row whose answers are those of another sample seed, so that two runs of one name differ. */
function run(variant: string, sample: number, change: Partial<ResultRow> = {}): ResultRow {
  return { ...rowOf(variant, sample), seed: 0, config: configHash(jobs([variant])[0]!), ...change };
}

function put(row: ResultRow, sample: number, folder: string): void {
  const file = predictionsFile(row, folder);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, gzipSync(JSON.stringify(samplePredictions(row.variant, sample))));
}

/** Name of a run's answers, below the folder. */
const answersOf = (variant: string): string => predictionsFile(run(variant, 0), "");

const files = (): string[] =>
  readdirSync(results, { recursive: true, encoding: "utf8", withFileTypes: true })
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name).slice(results.length + 1))
    .sort();

test("rows, answers and maps move to the committed ones, and a run of the same name is replaced in its place", () => {
  const [full, noSg] = [run("full", 0), run("no-sg", 0)];
  const again = run("full", 5);
  const other = run("no-mpe", 5);
  writeFileSync(join(results, "table5.jsonl"), rowLines([full, noSg]));
  for (const row of [full, noSg]) put(row, 0, results);
  // an older configuration of the same run is no longer shown either
  writeFileSync(
    join(results, "local.jsonl"),
    rowLines([run("full", 1, { config: "0" }), again, other, run("no-lg", 2)]),
  );
  for (const row of [again, other]) put(row, 5, localFolder());
  mkdirSync(join(results, "local", "attention"));
  for (const variant of ["full", "no-lg"])
    writeFileSync(
      join(results, "local", "attention", `scene0000_00-${variant}-s0.json`),
      JSON.stringify(sampleAttention()),
    );

  const published = publishRuns("table5", jobs(["full", "no-mpe"]));

  expect(published).toMatchObject({ rows: [again, other], replaced: 1 });
  expect(readRows(join(results, "table5.jsonl"))).toEqual([again, noSg, other]);
  expect(readRows(join(results, "local.jsonl"))).toEqual([run("no-lg", 2)]);
  for (const [row, sample] of [
    [again, 5],
    [noSg, 0],
    [other, 5],
  ] as const)
    expect(readPredictions(row)).toEqual(samplePredictions(row.variant, sample));
  expect(readPredictions(full)).toBeUndefined();
  expect(files()).toEqual([
    "attention/scene0000_00-full-s0.json",
    "local.jsonl",
    "local/attention/scene0000_00-no-lg-s0.json",
    ...["full", "no-mpe", "no-sg"].map(answersOf).sort(),
    "table5.jsonl",
  ]);
  expect(published.files.map((f) => f.slice(results.length + 1))).toEqual([
    "table5.jsonl",
    answersOf("full"),
    answersOf("no-mpe"),
    "attention/scene0000_00-full-s0.json",
  ]);
});

test("nothing finished, and a row without its answers, are errors that change nothing", () => {
  expect(() => publishRuns("table5", jobs(["full"]))).toThrow(
    "this machine has finished none of these runs of table5; run them first: s2mllm study table5",
  );
  const row = run("full", 3);
  writeFileSync(join(results, "local.jsonl"), rowLines([row]));
  expect(() => publishRuns("table5", jobs(["full"]))).toThrow(
    /^full, seed 0, gt boxes: the answers are not in .*local; take its rows out of .*local\.jsonl and run the study again$/,
  );
  // answers of another run do not stand in
  put(row, 4, localFolder());
  expect(() => publishRuns("table5", jobs(["full"]))).toThrow(/the answers are not in/);
  expect(readRows(join(results, "local.jsonl"))).toEqual([row]);
  expect(files()).not.toContain("table5.jsonl");
});

test("on the command line: every seed of this machine, unless some are named", async () => {
  const seeds = [0, 2].map((seed) => ({ ...run("full", seed), seed }));
  writeFileSync(join(results, "local.jsonl"), rowLines(seeds));
  for (const row of seeds) put(row, row.seed, localFolder());
  for (const stream of [process.stdout, process.stderr]) vi.spyOn(stream, "write").mockReturnValue(true);
  expect(await dispatch(["study", "table5", "--publish", "--seeds", "1", "--json"], commands)).toBe(1);
  expect(await dispatch(["study", "table5", "--publish", "--processes", "1"], commands)).toBe(2);
  expect(await dispatch(["study", "table5", "--publish", "--json"], commands)).toBe(0);
  expect(readRows(join(results, "table5.jsonl"))).toEqual(seeds);
  expect(readFileSync(join(results, "local.jsonl"), "utf8")).toBe("");
});
