import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { putRows } from "../../lib/runs/results";
import { labelOf, type ResultRow, rowLines } from "../../lib/runs/row";
import { finishedRows } from "../../lib/studies/finished";
import type { Job } from "../../lib/studies/job";
import { storeSampleRun } from "../report/sample";

let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), "s2-finished-"));
  process.env.S2_RESULTS = results;
});
afterEach(() => {
  delete process.env.S2_RESULTS;
  rmSync(results, { recursive: true });
});

const job: Job = {
  study: "table5",
  variant: "no-mpe",
  preset: "nano",
  seed: 0,
  set: ["data.folder=data/rooms/sample"],
};
const found = (of: Job = job, options = {}): ResultRow[] =>
  finishedRows(of.study, [of], options).get(`${of.variant}-s${of.seed}`)!;

test("rows count for the job whose configuration, seed, data and starting weights they are of", () => {
  expect(found()).toEqual([]);
  const row = storeSampleRun({ variant: "no-mpe" });
  expect(found()).toEqual([row]);
  expect(found({ ...job, seed: 1 })).toEqual([]);
  expect(found({ ...job, variant: "full" })).toEqual([]);
  expect(found({ ...job, set: [...job.set, "training.steps=3"] })).toEqual([]);
  expect(found({ ...job, set: ["data.folder=data/rooms/other"] })).toEqual([]);
  // other starting weights
  rmSync(join(results, "runs"), { recursive: true });
  storeSampleRun({ variant: "no-mpe", identity: { weights: "000000000000" } });
  expect(found()).toEqual([]);
});

test("a row of another engine, precision or numerics counts where today's is missing, and is shown as such", () => {
  const half = storeSampleRun({ variant: "no-mpe", identity: { precision: "fp16", engine: "ort-webgpu" } });
  expect(found()).toEqual([half]);
  expect(labelOf(half)).toBe("no-mpe, fp16");
  const old = storeSampleRun({ variant: "no-mpe", sample: 1, identity: { numerics: 0, engine: "wasm" } });
  const today = storeSampleRun({ variant: "no-mpe", sample: 2 });
  expect(found()).toEqual([today]);
  rmSync(join(results, "runs", today.run), { recursive: true });
  // newer code in half precision comes before older code
  expect(found()).toEqual([half]);
  rmSync(join(results, "runs", half.run), { recursive: true });
  expect(found()).toEqual([old]);
});

test("published rows count too, unless this machine must have made them", () => {
  const row = storeSampleRun({ variant: "no-mpe" });
  writeFileSync(join(results, "table5.jsonl"), rowLines([row]));
  rmSync(join(results, "runs"), { recursive: true });
  expect(found()).toEqual([row]);
  expect(found(job, { onlyLocal: true })).toEqual([]);
});

test("studies share runs, and one whose protocol is another does not", () => {
  const row = storeSampleRun({ set: ["lossWeights.anchor=0.5"] });
  const additions: Job = { ...job, study: "additions", variant: "full" };
  expect(found(additions)).toEqual([{ ...row, study: "additions" }]);
  putRows(join(results, "runs", row.run, "rows.jsonl"), [{ ...row, protocol: 7 }]);
  expect(found(additions)).toEqual([]);
});
