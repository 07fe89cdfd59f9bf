import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { interrupt } from "../../lib/core/interrupt";
import { silent } from "../../lib/core/progress";
import { openSession } from "../../lib/eval/session";
import { readAnswers } from "../../lib/runs/answers";
import { runsFolder, storedRuns, trainedOf } from "../../lib/runs/folder";
import { localRows, readRows, runRowsFile } from "../../lib/runs/results";
import { labelOf, ResultRow } from "../../lib/runs/row";
import { studyNamed } from "../../lib/studies/definitions";
import { failuresOf } from "../../lib/studies/failures";
import { jobConfig } from "../../lib/studies/job";
import { runStudy } from "../../lib/studies/run";
import { newRun } from "../../lib/train/identify";
import { eventsName } from "../../lib/train/metrics-log";
import { leastToCompile, type TinyWorld, tinyWorld } from "../setup/tiny-world";

let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), "s2-results-"));
  process.env.S2_RESULTS = results;
});
afterEach(() => {
  delete process.env.S2_RESULTS;
  rmSync(results, { recursive: true });
});

describe("wrong names", () => {
  test("a study, a variant, a preset", async () => {
    expect(() => studyNamed("tabl5")).toThrow('study "tabl5" is unknown (did you mean "table5"?)');
    await expect(runStudy("table5", { preset: "nano", seeds: [0], variants: ["no-mp"] })).rejects.toThrow(
      'variant of table5 "no-mp" is unknown (did you mean "no-mpe"?)',
    );
    await expect(runStudy("table5", { preset: "nan", seeds: [0] })).rejects.toThrow(
      'preset "nan" is unknown (did you mean "nano"?)',
    );
    await expect(runStudy("table5", { preset: "nano", seeds: [0], set: ["training.stesp=1"] })).rejects.toMatchObject({
      exitCode: 2,
    });
  });
});

describe("running", () => {
  let world: TinyWorld;
  beforeAll(async () => {
    world = await tinyWorld(404, { trainRooms: 2, lostPoseEvery: 1 });
  }, 300_000);
  afterAll(() => {
    world.remove();
  });

  const request = (variants: readonly string[], steps: number) => {
    const set = [...world.set, ...leastToCompile, `training.steps=${steps}`];
    return { preset: "nano", seeds: [0], variants, set, processes: 1 };
  };
  const temporary = (folder: string): string[] =>
    (existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : []).filter((name) =>
      name.endsWith(".tmp"),
    );

  test("preparing is stopped by an interrupt and leaves nothing; then it reports what it left out", async () => {
    const config = world.config(leastToCompile);
    // a killed test run may have left the prepared scenes of these rooms
    const { cache } = await openSession(config, silent);
    const caches = dirname(cache.folder);
    rmSync(cache.folder, { recursive: true });
    const before = readdirSync(caches);
    let asked = false;
    const stopped = openSession(config, ({ task }) => {
      if (asked || task !== "prepare scenes") return;
      asked = true;
      interrupt();
    });
    await expect(stopped).rejects.toThrow(
      "preparing scenes was interrupted; the same command goes on where it stopped",
    );
    expect(readdirSync(caches).filter((name) => !before.includes(name) && name.includes(String(process.pid)))).toEqual(
      [],
    );
    const notes: (string | undefined)[] = [];
    await openSession(config, (p) => notes.push(p.note));
    // one frame without a pose in each of the three rooms
    expect(notes).toContain("3 frames without a finite pose left out");
    await world.session(config);
  }, 300_000);

  test("sentences of scenes that are not in the list are counted, and none at all is an error", async () => {
    const notes: (string | undefined)[] = [];
    const session = await openSession(world.config(leastToCompile), ({ task, note }) => {
      if (task !== "fingerprint") notes.push(note);
    });
    const file = join(world.folder, "ScanRefer_filtered_train.json");
    const text = readFileSync(file, "utf8");
    const entries = JSON.parse(text) as { scene_id: string }[];
    expect(session.sentences("train").flatMap((s) => s.queries).length).toBe(entries.length);
    expect(notes).toEqual([]);
    writeFileSync(file, JSON.stringify(entries.map((e, i) => (i < 4 ? { ...e, scene_id: "scene0707_00" } : e))));
    expect(session.sentences("train").flatMap((s) => s.queries).length).toBe(entries.length - 4);
    expect(notes).toEqual(["4 left out: their scenes are not in scannetv2_train.txt"]);
    writeFileSync(file, "[]");
    expect(() => session.sentences("train")).toThrow(
      /ScanRefer_filtered_train\.json: none of its 0 sentences speaks of a scene in scannetv2_train\.txt \(2 scenes\)/,
    );
    writeFileSync(file, JSON.stringify(entries.map((e) => ({ ...e, object_id: "99" }))));
    expect(() => session.sentences("train")).toThrow(
      /object 99 is not in scene scene0000_00, which has objects 0 to \d+/,
    );
    writeFileSync(file, text);
  });

  test("rows are valid and kept, and a second call runs nothing", async () => {
    const options = request(["full", "no-mpe"], 2);
    const rows = await runStudy("table5", options);
    expect(rows.map((r) => [r.variant, r.proposals])).toEqual([
      ["full", "gt"],
      ["full", "detector"],
      ["no-mpe", "gt"],
      ["no-mpe", "detector"],
    ]);
    for (const r of rows) {
      expect(ResultRow.parse(r)).toEqual(r);
      expect(r).toMatchObject({ data: "rooms/tiny", synthetic: true, n: 6, frames: 2, seed: 0 });
      const predictions = readAnswers(r)!;
      expect(predictions.length).toBe(6);
      for (const { predicted, best, written } of predictions) {
        // the pick is the best real box, and what was written before it is kept
        expect(best!.find(([box]) => box >= 0)![0]).toBe(predicted);
        expect(best!.length).toBeGreaterThan(1);
        expect(written).toBeTypeOf("string");
      }
      expect((100 * predictions.filter((p) => p.iou >= 0.25).length) / 6).toBeCloseTo(r.metrics.acc25, 2);
    }
    expect(localRows()).toHaveLength(4);
    expect(readRows()).toEqual(expect.arrayContaining(rows));
    // runs with --set stand apart from their variants' own
    expect(labelOf(rows[0]!)).toMatch(/^full, data\.frames=2, .*training\.steps=2/);
    // what this machine made lies below the runs, all of a run in one folder
    expect(readdirSync(results)).toEqual(["runs"]);
    const [full] = rows;
    const folder = join(runsFolder(), full!.run);
    expect(readdirSync(folder).sort()).toEqual([
      "answers",
      "attention",
      "cost.json",
      eventsName,
      "generation_config.json",
      "manifest.json",
      "metrics.jsonl",
      "model.safetensors",
      runRowsFile,
      "run.json",
    ]);
    expect(readdirSync(join(folder, "attention"))).toEqual(["scene0002_00.json"]);
    const before = readFileSync(join(folder, runRowsFile), "utf8");
    const events: unknown[] = [];
    expect(await runStudy("table5", { ...options, onProgress: (p) => events.push(p) })).toEqual(rows);
    expect(events).toEqual([]);
    expect(readFileSync(join(folder, runRowsFile), "utf8")).toBe(before);
    // without reconstruction in any arm, "no-sg" is "full": arms that are the same share a run
    const same = await runStudy("table5", { ...options, variants: ["no-sg"], onProgress: (p) => events.push(p) });
    expect(same.map((row) => [row.variant, row.run])).toEqual(rows.slice(0, 2).map((row) => ["no-sg", row.run]));
    // another study that asks for the same run shares it
    const shared = await runStudy("additions", {
      ...options,
      variants: ["full"],
      onProgress: (p) => events.push(p),
    });
    expect(events).toEqual([]);
    expect(shared).toEqual(rows.slice(0, 2).map((row) => ({ ...row, study: "additions" })));

    // a training that ended before its answers were stored is not done again
    for (const name of ["answers", runRowsFile]) rmSync(join(folder, name), { recursive: true });
    const tasks = new Set<string>();
    const again = await runStudy("table5", { ...options, onProgress: ({ task }) => tasks.add(task) });
    expect([...tasks].filter((task) => task !== "fingerprint").sort()).toEqual(
      ["detector", "gt"].map((source) => `full seed 0, val, evaluate (${source} proposals)`),
    );
    expect(again).toEqual(rows);
  }, 600_000);

  test("an interrupt keeps finished runs and a checkpoint, and a further call goes on from it", async () => {
    const options = request(["no-sg", "no-mpe"], 40);
    const job = { study: "table5", variant: "no-mpe", preset: "nano", seed: 0, set: options.set };
    const second = join(runsFolder(), newRun(jobConfig(job), "no-mpe", "ort-cpu").id);
    let asked = false;
    const stopped = runStudy("table5", {
      ...options,
      onProgress: ({ task, done }) => {
        if (task !== "no-mpe seed 0" || done < 10 || asked) return;
        asked = true;
        interrupt();
      },
    });
    await expect(stopped).rejects.toThrow(
      /^study interrupted: 1 of 2 runs finished and kept; run it again to go on from the last checkpoints$/,
    );
    const kept = localRows();
    expect(kept.map((r) => r.variant)).toEqual(["no-sg", "no-sg"]);
    const state = JSON.parse(readFileSync(join(second, "checkpoint", "state.json"), "utf8")) as { step: number };
    expect(state.step).toBeGreaterThanOrEqual(10);
    expect(state.step).toBeLessThan(40);
    expect([...temporary(second), ...temporary(results)]).toEqual([]);
    expect(trainedOf(second)).toBeUndefined();
    const firstSteps: number[] = [];
    const rows = await runStudy("table5", {
      ...options,
      onProgress: ({ task, done }) => void (task === "no-mpe seed 0" && firstSteps.push(done)),
    });
    expect(firstSteps[0]).toBeGreaterThan(state.step);
    expect(rows.slice(0, 2)).toEqual(kept);
    expect(rows.length).toBe(4);
    expect(existsSync(join(second, "checkpoint"))).toBe(false);
  }, 600_000);

  test("a failing run is reported with its reason, and the others go on", async () => {
    // a file where a run's folder should be: its first file cannot be written
    const options = request(["no-sg", "no-lg"], 2);
    const job = { study: "table5", variant: "no-sg", preset: "nano", seed: 0, set: options.set };
    const broken = join(runsFolder(), newRun(jobConfig(job), "no-sg", "ort-cpu").id);
    mkdirSync(dirname(broken), { recursive: true });
    writeFileSync(broken, "");
    await expect(runStudy("table5", options)).rejects.toThrow(
      /^1 of 2 runs failed \(1 finished and kept\):\n {2}no-sg-s0: .*(EEXIST|ENOTDIR)/,
    );
    // kept with its error, for the next call to tell
    const [kept, ...more] = failuresOf([job, { ...job, variant: "no-lg" }]);
    expect(more).toEqual([]);
    expect(kept).toMatchObject({ ...job, error: expect.stringMatching(/EEXIST|ENOTDIR/) });
    expect(Date.now() - Date.parse(kept!.at)).toBeLessThan(600_000);
    expect(failuresOf([{ ...job, set: [] }])).toEqual([]);
    rmSync(broken);
    expect(localRows().map((r) => r.variant)).toEqual(["no-lg", "no-lg"]);
    expect(storedRuns().map(({ record }) => record.variant)).toEqual(["no-lg"]);
    await expect(runStudy("table5", { ...request(["full"], 2), set: ["data.folder=data/rooms/none"] })).rejects.toThrow(
      "dataset folder data/rooms/none does not exist; make it with: npm run -s s2mllm -- data make",
    );
  }, 600_000);
});
