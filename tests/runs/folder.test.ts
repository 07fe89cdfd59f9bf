import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/resolve";
import {
  describeRun,
  findRun,
  oldRunFolders,
  RunFolder,
  type RunRecord,
  readRecord,
  recordConfig,
  removeRun,
  runsFolder,
  storedRuns,
  trainedOf,
  verified,
} from "../../lib/runs/folder";
import { type RunIdentity, runId } from "../../lib/runs/identity";
import { changesOf, settingsOf } from "../../lib/runs/settings";

let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), "s2-folder-"));
  process.env.S2_RESULTS = results;
});
afterEach(() => {
  delete process.env.S2_RESULTS;
  rmSync(results, { recursive: true });
});

/** The record of a run that was never trained. */
function record(set: readonly string[] = [], change: Partial<RunIdentity> = {}, begun = "2026-01-01"): RunRecord {
  const config = resolveConfig({ preset: "nano", seed: change.seed ?? 0, set });
  const identity: RunIdentity = {
    settings: settingsOf(config),
    seed: 0,
    data: "d",
    weights: "w",
    engine: "ort-cpu",
    precision: "float32",
    numerics: 1,
    ...change,
  };
  return {
    format: 1,
    id: runId(identity),
    preset: "nano",
    variant: "full",
    changes: changesOf(config, "full"),
    identity,
    config,
    data: "rooms/nano",
    synthetic: true,
    commit: "c",
    begun: `${begun}T00:00:00.000Z`,
  };
}

/** Makes a run's folder as a finished training leaves it. */
function finished(of: RunRecord, path?: string): string {
  const run = RunFolder.open(of, path);
  run.write("metrics.jsonl", '{"step":9,"seconds":1}\n');
  run.adopt("model.safetensors", (file) => writeFileSync(file, "weights"));
  run.seal({ steps: 10, seconds: 1 });
  run.close();
  return run.path;
}

describe("a run's folder", () => {
  test("lies under the run's id, says what the run is, and is gone on with by the same run alone", () => {
    const of = record(["training.steps=10"]);
    const folder = finished(of);
    expect(folder).toBe(join(runsFolder(), of.id));
    expect(readdirSync(folder).sort()).toEqual(["manifest.json", "metrics.jsonl", "model.safetensors", "run.json"]);
    expect(readRecord(folder)).toEqual(of);
    expect(recordConfig(of, folder).training.steps).toBe(10);
    expect(describeRun(of)).toBe("full, training.steps=10, seed 0, nano");
    const again = RunFolder.open(record(["training.steps=10"], {}, "2026-02-02"));
    expect([again.record.begun, again.trained]).toEqual([of.begun, { steps: 10, seconds: 1 }]);
    again.close();
  });

  test("that holds another run is refused by name, with the differences of both", () => {
    const folder = join(results, "mine");
    const [there, here] = [
      record(["training.steps=10"]),
      record(["training.learningRate=0.01"], { seed: 2, data: "e" }),
    ];
    finished(there, folder);
    expect(() => RunFolder.open(here, folder)).toThrow(
      [
        `${folder}: holds run ${there.id} (full, training.steps=10, seed 0, nano), not ${here.id} ` +
          "(full, training.learningRate=0.01, seed 2, nano); name another folder, or remove this one. They differ in",
        "training.learningRate: 0.0015 there, 0.01 here",
        "training.steps: 10 there, 1100 here",
        'data: "d" there, "e" here',
        "seed: 0 there, 2 here",
      ].join("\n  "),
    );
    // nothing was touched, and the lock is free
    RunFolder.open(there, folder).close();
    expect(readRecord(folder).id).toBe(there.id);
    for (const other of [{ engine: "wasm" }, { precision: "fp16" }, { numerics: 0 }, { weights: "v" }])
      expect(() => RunFolder.open(record(["training.steps=10"], other), folder)).toThrow(
        new RegExp(`${Object.keys(other)[0]}: .* there, .* here$`),
      );
  });

  test("is held by one at a time", () => {
    const of = record();
    const run = RunFolder.open(of);
    expect(() => RunFolder.open(of)).toThrow(`run ${of.id} (full, seed 0, nano) is being written by process`);
    expect(() => removeRun({ record: of, folder: run.path })).toThrow("is being written by process");
    run.close();
    removeRun({ record: of, folder: run.path });
    expect(existsSync(run.path)).toBe(false);
  });

  test("of the layout before runs had ids is recognised and not misread", () => {
    const folder = join(runsFolder(), "table5", "nano-full-s0-2a5f16b28e6c");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "config.json"), "{}");
    writeFileSync(join(folder, "model.safetensors"), "weights");
    const said = /was made before runs had ids \(it has no run\.json\), so that nothing says which configuration/;
    expect(() => findRun(folder)).toThrow(said);
    expect(() => RunFolder.open(record(), folder)).toThrow(said);
    expect(readdirSync(folder).sort()).toEqual(["config.json", "model.safetensors"]);
    expect(oldRunFolders()).toEqual([join("table5", "nano-full-s0-2a5f16b28e6c")]);
    expect(storedRuns()).toEqual([]);
  });

  test("whose weights are not what was written, or not finished, gives none", () => {
    const folder = finished(record());
    expect(verified(folder, "model.safetensors")).toBe(join(folder, "model.safetensors"));
    writeFileSync(join(folder, "model.safetensors"), "weighty");
    expect(() => verified(folder, "model.safetensors")).toThrow(
      /model\.safetensors: is not what the run wrote \(7 bytes, SHA-256 [0-9a-f]{12}…, by manifest\.json\)/,
    );
    rmSync(join(folder, "model.safetensors"));
    const run = RunFolder.open(record());
    expect(run.trained).toBeUndefined();
    run.close();
    rmSync(join(folder, "manifest.json"));
    expect(trainedOf(folder)).toBeUndefined();
    expect(() => verified(folder, "model.safetensors")).toThrow("the run's training did not come to its end");
  });

  test("whose record was changed is an error that names it", () => {
    const folder = finished(record());
    const file = join(folder, "run.json");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace('"seed": 0', '"seed": 1'));
    expect(() => readRecord(folder)).toThrow(/run\.json: its id [0-9a-f]{12} is not that of its identity/);
    writeFileSync(file, text.slice(0, 40));
    expect(() => readRecord(folder)).toThrow(/run\.json: the file is not JSON/);
    writeFileSync(file, "{}");
    expect(() => readRecord(folder)).toThrow(/run\.json: format: .*; it was changed by hand or by another version/);
  });
});

describe("a run is found", () => {
  test("by its id, by a unique beginning of it, and by its folder", () => {
    const [one, two] = [record([], {}, "2026-03-01"), record([], { seed: 1 }, "2026-01-01")];
    for (const of of [one, two]) finished(of);
    const outside = record(["training.steps=5"]);
    const elsewhere = finished(outside, join(results, "elsewhere"));
    // in the order in which they were begun
    expect(storedRuns().map(({ record: { id } }) => id)).toEqual([two.id, one.id]);
    let shared = 0;
    while (one.id[shared] === two.id[shared]) shared++;
    expect(findRun(one.id).record.id).toBe(one.id);
    expect(findRun(two.id.slice(0, shared + 1)).record.id).toBe(two.id);
    expect(findRun(elsewhere).record.id).toBe(outside.id);
    expect(() => findRun("zz")).toThrow(
      `"zz" is neither a run's id, nor the beginning of one, nor the folder of a run; this machine has\n` +
        `  ${two.id}  full, seed 1, nano\n  ${one.id}  full, seed 0, nano`,
    );
    expect(() => findRun("")).toThrow(/neither a run's id/);
    if (shared > 0) expect(() => findRun(one.id.slice(0, shared))).toThrow(/^2 runs begin with/);
  });

  test("or there is none at all", () => {
    expect(() => findRun("abc")).toThrow(/this machine has made none yet \(s2mllm train makes one\)$/);
  });
});
