import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ablations } from "../../lib/config/ablations";
import { resolveConfig } from "../../lib/config/resolve";
import { Rng } from "../../lib/core/rng";
import { answersName, type Prediction, packAnswers, publishedAnswers } from "../../lib/runs/answers";
import { type AttentionMap, mapsName, publishedMaps } from "../../lib/runs/attention";
import { dataName, RunFolder } from "../../lib/runs/folder";
import { numerics, type RunIdentity, runId } from "../../lib/runs/identity";
import { putRows, runRowsFile } from "../../lib/runs/results";
import { labelOf, type ResultRow, rowLines } from "../../lib/runs/row";
import { changesOf, settingsHash, settingsOf, shortHash } from "../../lib/runs/settings";
import { startingFingerprint } from "../../lib/train/identify";

/** Invented rows for tests of tables and figures: their commit says "sample", they measure nothing. */
export function sampleRow(change: Partial<ResultRow> = {}): ResultRow {
  const run = { study: "table5", variant: "full", preset: "nano", seed: 0, data: "rooms/sample", ...change };
  const known = Object.hasOwn(ablations, run.variant);
  return {
    run: shortHash([run.variant, run.seed, run.data]),
    protocol: 0,
    changes: {},
    // a row of other settings than today's stands apart
    config: known ? settingsHash(resolveConfig({ preset: "nano", ablation: run.variant })) : "000000000000",
    precision: "float32",
    numerics,
    weights: "sample000000",
    split: "val",
    ...run,
    dataFingerprint: "sample000000",
    synthetic: true,
    commit: "sample",
    engine: "none",
    frames: 8,
    proposals: "gt",
    n: 240,
    seconds: 1,
    metrics: { acc25: 60, acc50: 50 },
    baselines: { random: 8, rightClass: 30 },
    upperBound: { acc25: 100, acc50: 100 },
    ...change,
  };
}

const kinds = ["attribute", "closest", "farthest", "between", "support", "vertical", "allocentric", "view"] as const;

/** Chance of a right answer by variant; invented. */
const chances: Record<string, number> = {
  full: 0.7,
  "no-sg": 0.68,
  "no-mpe": 0.35,
  "no-attn": 0.69,
  "no-lg": 0.62,
  "frames-2": 0.5,
  "frames-4": 0.6,
  "frames-12": 0.72,
};
const frames: Record<string, number> = { "frames-2": 2, "frames-4": 4, "frames-12": 12 };

/** Answers of one invented run: 12 scenes of 20 sentences; the same sentences for each variant and seed. */
export function samplePredictions(variant: string, seed: number): Prediction[] {
  const rng = new Rng(seed, `sample/${variant}`);
  return Array.from({ length: 240 }, (_, i) => {
    const right = rng.next() < (chances[variant] ?? 0.5);
    const sceneId = `scene${String(Math.floor(i / 20)).padStart(4, "0")}_00`;
    return {
      queryId: `${sceneId}|${i}`,
      sceneId,
      category: "chair",
      kind: kinds[i % kinds.length]!,
      target: 1,
      predicted: right ? 1 : 2,
      iou: right ? 0.6 + 0.4 * rng.next() : 0,
      description: "the chair closest to the table",
      anchors: [0],
    };
  });
}

export function rowOf(variant: string, seed: number, data = "rooms/sample"): ResultRow {
  const predictions = samplePredictions(variant, seed);
  const share = (of: readonly Prediction[], threshold: number): number =>
    Math.round((10000 * of.filter((p) => p.iou >= threshold).length) / of.length) / 100;
  return sampleRow({
    variant,
    seed,
    data,
    frames: frames[variant] ?? 8,
    metrics: {
      acc25: share(predictions, 0.25),
      acc50: share(predictions, 0.5),
      byRelation: Object.fromEntries(
        kinds.map((k) => [
          k,
          share(
            predictions.filter((p) => p.kind === k),
            0.25,
          ),
        ]),
      ),
    },
  });
}

export function sampleRows(
  seeds: readonly number[] = [0, 1, 2],
  variants = Object.keys(chances),
  data?: string,
): ResultRow[] {
  return variants.flatMap((variant) => seeds.map((seed) => rowOf(variant, seed, data)));
}

/** A finished run of this machine below S2_RESULTS, with its rows and answers as a study leaves them. */
export function storeSampleRun(
  change: {
    readonly variant?: string;
    readonly seed?: number;
    /** Which sample answers it gave. */
    readonly sample?: number;
    readonly set?: readonly string[];
    readonly identity?: Partial<RunIdentity>;
    readonly row?: Partial<ResultRow>;
    readonly map?: boolean;
    readonly synthetic?: boolean;
  } = {},
): ResultRow {
  const { variant = "full", seed = 0, sample = seed, set = [], synthetic = true } = change;
  const config = resolveConfig({
    preset: "nano",
    ablation: variant,
    seed,
    set: ["data.folder=data/rooms/sample", ...set],
  });
  const base = rowOf(variant, sample);
  const identity: RunIdentity = {
    settings: settingsOf(config),
    seed,
    data: base.dataFingerprint,
    weights: startingFingerprint(config),
    engine: base.engine,
    precision: "float32",
    numerics,
    ...change.identity,
  };
  const changes = changesOf(config, variant);
  const data = dataName(config.data.folder);
  const id = runId(identity);
  const run = RunFolder.open({
    format: 1,
    id,
    preset: "nano",
    variant,
    changes,
    identity,
    config,
    data,
    synthetic,
    commit: "sample",
    begun: new Date(Date.UTC(2026, 0, 1, seed)).toISOString(),
  });
  const { settings: _settings, data: dataFingerprint, ...rest } = identity;
  const about = { ...rest, run: id, seed, changes, config: settingsHash(config), data, dataFingerprint, synthetic };
  const row = { ...base, ...about, ...change.row };
  run.adopt("model.safetensors", (file) => writeFileSync(file, "weights"));
  run.write(answersName(row), packAnswers(samplePredictions(variant, sample)));
  if (change.map === true) {
    const map = { ...sampleAttention(), run: id, label: labelOf(row), data, synthetic };
    run.write(`${mapsName}/${map.sceneId}.json`, JSON.stringify(map));
  }
  putRows(run.file(runRowsFile), [row]);
  run.seal({ steps: 1, seconds: 1 });
  run.close();
  return row;
}

const tinyPng =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk" +
  "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

export function sampleAttention(views = 4, heads = 2): AttentionMap {
  const weights = Array.from({ length: heads * views * views }, (_, i) => (i % views === 0 ? 0.4 : 0.6 / (views - 1)));
  return {
    run: rowOf("full", 0).run,
    label: "full",
    preset: "nano",
    seed: 0,
    data: "rooms/sample",
    synthetic: true,
    sceneId: "scene0000_00",
    patch: 10,
    grid: 8,
    heads,
    weights,
    views: Array.from({ length: views }, (_, i) => ({ frame: String(i * 10), image: tinyPng })),
  };
}

/** A results folder as a finished study leaves it. */
export function writeSampleResults(folder: string, data?: string): void {
  const rows = sampleRows([0, 1, 2], undefined, data);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "table5.jsonl"), rowLines(rows));
  for (const row of rows) {
    const file = publishedAnswers(row, folder);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, packAnswers(samplePredictions(row.variant, row.seed)));
  }
  const map = { ...sampleAttention(), run: rows[0]!.run };
  mkdirSync(publishedMaps(map.run, folder), { recursive: true });
  writeFileSync(join(publishedMaps(map.run, folder), `${map.sceneId}.json`), JSON.stringify(map));
}

/** A data folder with scans that have three objects (table, chair, chair) and no picture worth decoding. */
export function writeSampleScans(folder: string, count = 12): void {
  const centres = [
    [0, 0, 0.4],
    [1, 0, 0.5],
    [-1.5, 1, 0.5],
  ];
  const vertices = centres.flatMap(([x, y, z]) =>
    [-0.3, 0.3].flatMap((dx) => [-0.3, 0.3].flatMap((dy) => [-0.3, 0.3].map((dz) => [x! + dx, y! + dy, z! + dz]))),
  );
  const header = [
    "ply",
    "format binary_little_endian 1.0",
    `element vertex ${vertices.length}`,
    ...["x", "y", "z"].map((k) => `property float ${k}`),
    ...["red", "green", "blue"].map((k) => `property uchar ${k}`),
    "element face 0",
    "property list uchar int vertex_indices",
    "end_header",
    "",
  ].join("\n");
  const body = Buffer.alloc(15 * vertices.length, 128);
  vertices.forEach((v, i) => v.forEach((value, k) => body.writeFloatLE(value, 15 * i + 4 * k)));
  const identity = "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n";
  for (let s = 0; s < count; s++) {
    const id = `scene${String(s).padStart(4, "0")}_00`;
    const scan = join(folder, "scans", id);
    for (const part of ["color", "depth", "pose", "intrinsic"]) mkdirSync(join(scan, part), { recursive: true });
    const write = (name: string, content: string | Buffer): void => writeFileSync(join(scan, name), content);
    write("color/0.jpg", "");
    write("depth/0.png", "");
    write("pose/0.txt", identity);
    write("intrinsic/intrinsic_depth.txt", identity);
    write(`${id}.txt`, "axisAlignment = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\n");
    write(`${id}_vh_clean_2.ply`, Buffer.concat([Buffer.from(header), body]));
    write(
      `${id}_vh_clean_2.0.010000.segs.json`,
      JSON.stringify({ segIndices: vertices.map((_, i) => Math.floor(i / 8)) }),
    );
    const labels = ["table", "chair", "chair"];
    write(
      `${id}.aggregation.json`,
      JSON.stringify({ segGroups: labels.map((label, objectId) => ({ objectId, label, segments: [objectId] })) }),
    );
  }
}
