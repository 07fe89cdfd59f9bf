import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { interrupt } from "../../lib/core/interrupt";
import { silent } from "../../lib/core/progress";
import { openSession } from "../../lib/eval/session";
import { finishedRows, localRowsFile } from "../../lib/runs/finished";
import { configHash, type Job, jobConfig, runFolder } from "../../lib/runs/job";
import { presentRows } from "../../lib/runs/present";
import { latestRows, predictionsFile, ResultRow, readPredictions, readRows } from "../../lib/runs/row";
import { runStudy, studyNamed } from "../../lib/studies/run";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

const job: Job = { study: "table5", variant: "no-mpe", preset: "nano", seed: 0, set: ["training.steps=2"] };
let results: string;
beforeEach(() => {
  results = mkdtempSync(join(tmpdir(), "s2-results-"));
  process.env.S2_RESULTS = results;
});
afterEach(() => {
  delete process.env.S2_RESULTS;
  rmSync(results, { recursive: true });
});

function row(of: Job, acc25: number, change: Partial<ResultRow> = {}): ResultRow {
  const { study, variant, preset, seed } = of;
  return {
    study,
    variant,
    preset,
    seed,
    data: "rooms/tiny",
    dataFingerprint: "f",
    config: configHash(of),
    synthetic: true,
    commit: "c",
    engine: "ort-cpu",
    frames: 8,
    proposals: "gt",
    n: 4,
    seconds: 1,
    metrics: { acc25, acc50: acc25 },
    baselines: { random: 10 },
    upperBound: { acc25: 100, acc50: 100 },
    ...change,
  };
}

function store(file: string, rows: readonly ResultRow[]): void {
  writeFileSync(join(results, file), rows.map((r) => `${JSON.stringify(r)}\n`).join(""));
}

describe("a configuration's fingerprint", () => {
  test("changes with the configuration and not with the seed", () => {
    const hash = configHash(job);
    expect(hash).toMatch(/^[0-9a-f]{12}$/);
    expect(configHash({ ...job, seed: 5 })).toBe(hash);
    expect(jobConfig({ ...job, seed: 5 }).seed).toBe(5);
    for (const other of [{ variant: "full" }, { preset: "llava-video-7b" }, { set: ["training.steps=3"] }, { set: [] }])
      expect(configHash({ ...job, ...other })).not.toBe(hash);
    // a study is no part of the configuration, but of the run's folder
    expect(configHash({ ...job, study: "additions" })).toBe(hash);
    expect(runFolder({ ...job, study: "additions" })).not.toBe(runFolder(job));
  });
});

describe("rows of the present", () => {
  let folder: string;
  let own: Job;
  beforeEach(() => {
    folder = join(results, "rooms", "tiny");
    mkdirSync(folder, { recursive: true });
    own = { ...job, set: [`data.folder=${folder}`] };
  });
  const lay = (fingerprint: string): void => writeFileSync(join(folder, "rooms.json"), JSON.stringify({ fingerprint }));

  test("are of the data that are here, or of any while there are none", () => {
    store("table5.jsonl", [row(own, 10, { dataFingerprint: "0123456789ab" })]);
    const found = (): number => finishedRows("table5", [own]).get("no-mpe-s0")!.length;
    expect(found()).toBe(1);
    lay("0123456789abcdef");
    expect(found()).toBe(1);
    lay("fedcba9876543210");
    expect(found()).toBe(0);
  });

  test("are of their variant's own configuration: runs with --set, of older settings or unknown variants stand apart", () => {
    const plain: Job = { ...job, set: [] };
    const data = "rooms/none";
    const rows = [
      row(plain, 10, { data }),
      row(job, 20, { data }),
      row(plain, 30, { data, variant: "full" }),
      row(plain, 40, { data, variant: "gone" }),
    ];
    expect(presentRows(rows)).toEqual([rows[0]]);
    const [usual, changed] = rows.slice(0, 2).map((r) => predictionsFile(r, results));
    expect(usual).not.toBe(changed);
  });
});

describe("finished rows", () => {
  const found = (options = {}): number[] =>
    finishedRows("table5", [job], options)
      .get("no-mpe-s0")!
      .map((r) => r.metrics.acc25);

  test("those of this machine replace the committed ones", () => {
    expect(found()).toEqual([]);
    store("table5.jsonl", [row(job, 10), row(job, 20, { proposals: "detector" })]);
    expect(found()).toEqual([10, 20]);
    expect(found({ onlyLocal: true })).toEqual([]);
    store("local.jsonl", [row(job, 30)]);
    expect(found()).toEqual([30]);
    expect(found({ onlyLocal: true })).toEqual([30]);
  });

  test("rows of another configuration, variant, seed, preset or study do not count", () => {
    store("table5.jsonl", [
      row(job, 1, { config: "000000000000" }),
      row(job, 2, { variant: "full" }),
      row(job, 3, { seed: 1 }),
      row(job, 4, { preset: "big" }),
      row(job, 5, { study: "additions" }),
    ]);
    expect(found()).toEqual([]);
  });

  test("a line that was cut off is an error that names it", () => {
    store("local.jsonl", [row(job, 30)]);
    appendFileSync(localRowsFile(), '{"study":"tab');
    expect(() => found()).toThrow(/local\.jsonl, line 2: not a JSON object \(was a write cut off\?\)/);
  });
});

describe("wrong names", () => {
  test("a study, a variant, a preset", async () => {
    expect(() => studyNamed("table4")).toThrow('study "table4" is unknown (did you mean "table5"?)');
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
  const folders = new Set<string>();
  // one decoder layer and no reconstruction: little to compile in each process
  const small = [
    "data.frames=2",
    "data.pool=3",
    "language.layers=1",
    "lora.fullLayers=1",
    "reconstruction.enabled=false",
    "lossWeights.recon=0",
    "training.scenes=1",
  ];
  beforeAll(async () => {
    world = await tinyWorld(404, { trainRooms: 2, lostPoseEvery: 1 });
  }, 300_000);
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    world.remove();
  });

  const request = (variants: readonly string[], steps: number) => {
    const set = [...world.set, ...small, `training.steps=${steps}`];
    for (const variant of variants) folders.add(runFolder({ study: "table5", variant, preset: "nano", seed: 0, set }));
    return { preset: "nano", seeds: [0], variants, set, processes: 1 };
  };
  const temporary = (folder: string): string[] =>
    (existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : []).filter((name) =>
      name.endsWith(".tmp"),
    );

  test("preparing is stopped by an interrupt and leaves nothing; then it reports what it left out", async () => {
    const config = world.config(small);
    const caches = join(dirname(dirname(runFolder(job))), "..", "cache");
    // a killed test run may have left the prepared scenes of these rooms
    const { cache } = await openSession(config, silent);
    rmSync(cache.folder, { recursive: true });
    const before = readdirSync(caches);
    let asked = false;
    const stopped = openSession(config, () => {
      if (!asked) interrupt();
      asked = true;
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
    const session = await openSession(world.config(small), (p) => notes.push(p.note));
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
    const options = request(["full", "no-sg"], 2);
    const rows = await runStudy("table5", options);
    expect(rows.map((r) => [r.variant, r.proposals])).toEqual([
      ["full", "gt"],
      ["full", "detector"],
      ["no-sg", "gt"],
      ["no-sg", "detector"],
    ]);
    for (const r of rows) {
      expect(ResultRow.parse(r)).toEqual(r);
      expect(r).toMatchObject({ data: "rooms/tiny", synthetic: true, n: 6, frames: 2, seed: 0 });
      const predictions = readPredictions(r)!;
      expect(predictions.length).toBe(6);
      expect((100 * predictions.filter((p) => p.iou >= 0.25).length) / 6).toBeCloseTo(r.metrics.acc25, 2);
    }
    expect(readRows(localRowsFile())).toEqual(rows);
    expect(latestRows(readRows())).toEqual(rows);
    // what this machine made stays apart from what is committed
    expect(readdirSync(join(results, "local", "attention"))).toEqual(["scene0002_00-full-s0.json"]);
    expect(readdirSync(results).sort()).toEqual(["local", "local.jsonl"]);
    const before = readFileSync(localRowsFile(), "utf8");
    const events: unknown[] = [];
    expect(await runStudy("table5", { ...options, onProgress: (p) => events.push(p) })).toEqual(rows);
    expect(events).toEqual([]);
    expect(readFileSync(localRowsFile(), "utf8")).toBe(before);
  }, 600_000);

  test("an interrupt keeps finished runs and a checkpoint, and a further call goes on from it", async () => {
    const options = request(["no-sg", "no-mpe"], 40);
    const second = runFolder({ study: "table5", variant: "no-mpe", preset: "nano", seed: 0, set: options.set });
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
    const kept = readRows(localRowsFile());
    expect(kept.map((r) => r.variant)).toEqual(["no-sg", "no-sg"]);
    const state = JSON.parse(readFileSync(join(second, "checkpoint", "state.json"), "utf8")) as { step: number };
    expect(state.step).toBeGreaterThanOrEqual(10);
    expect(state.step).toBeLessThan(40);
    expect([...temporary(second), ...temporary(results)]).toEqual([]);
    expect(existsSync(join(second, "model.safetensors"))).toBe(false);
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
    // a folder where a run's folder should be: its first file cannot be written
    const options = request(["no-sg", "no-lg"], 2);
    const broken = runFolder({ study: "table5", variant: "no-sg", preset: "nano", seed: 0, set: options.set });
    rmSync(broken, { recursive: true, force: true });
    mkdirSync(dirname(broken), { recursive: true });
    writeFileSync(broken, "");
    await expect(runStudy("table5", options)).rejects.toThrow(
      /^1 of 2 runs failed \(1 finished and kept\):\n {2}no-sg-s0: .*(EEXIST|ENOTDIR)/,
    );
    expect(readRows(localRowsFile()).map((r) => r.variant)).toEqual(["no-lg", "no-lg"]);
    await expect(runStudy("table5", { ...request(["full"], 2), set: ["data.folder=data/rooms/none"] })).rejects.toThrow(
      "dataset folder data/rooms/none does not exist; make it with: npm run -s s2mllm -- data make",
    );
  }, 600_000);
});
