import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run as check } from "../../lib/cli/data";
import { run as evaluate } from "../../lib/cli/eval";
import { run as ground } from "../../lib/cli/ground";
import { run as study } from "../../lib/cli/study";
import { run as train } from "../../lib/cli/train";
import { resolveConfig } from "../../lib/config/resolve";
import { UserError } from "../../lib/core/errors";
import { silent } from "../../lib/core/progress";
import { prepareScenes } from "../../lib/dataloader/prepare";
import type { SceneCache } from "../../lib/dataloader/prepared-scenes";
import { openSession } from "../../lib/eval/session";
import { readSafetensors } from "../../lib/io/safetensors";
import { localRows } from "../../lib/runs/results";
import type { ResultRow } from "../../lib/runs/row";
import { type Job, jobConfig, jobsOf } from "../../lib/studies/job";
import { sparseNpz } from "../setup/formats/npz";
import { cupboards, writePhoneScan } from "../setup/formats/phone-scan";
import { dataFolder, objects, scanVertices, writeScan } from "../setup/formats/scan";
import { printed } from "../setup/printed";

// numbers that no other test uses: prepared scenes are shared between equal data
const [one, two, val] = ["scene9711_00", "scene9712_00", "scene9713_00"];
const data = dataFolder();
const out = join(data.folder, "run");
const set = (...more: string[]): string[] => [
  `data.folder=${data.folder}`,
  "data.frames=3",
  "data.pool=4",
  "training.steps=3",
  "training.scenes=1",
  "training.sentences=2",
  "language.layers=2",
  "lora.fullLayers=2",
  "reconstruction.enabled=false",
  "lossWeights.recon=0",
  ...more,
];
const options = (...more: string[]): string[] => set(...more).flatMap((text) => ["--set", text]);
const caches: SceneCache[] = [];

beforeAll(async () => {
  await writeScan(data.folder, { id: one, layout: "sens", frames: 7, lost: [3] });
  await writeScan(data.folder, { id: two, layout: "exported folders", frames: 6 });
  await writeScan(data.folder, { id: val, layout: "posed images", frames: 6 });
  data.file("scannetv2_train.txt", `${one}\n${two}\n`);
  data.file("scannetv2_val.txt", `${val}\n`);
  const say = (scene_id: string, object: number, ann: number, description: string): Record<string, unknown> => ({
    scene_id,
    object_id: String(object),
    object_name: objects[object]!.label.replaceAll(" ", "_"),
    ann_id: String(ann),
    description,
    token: description.split(" "),
  });
  data.file(
    "ScanRefer_filtered_train.json",
    [one, two].flatMap((id) => [
      say(id, 0, 0, "the chair near the door"),
      say(id, 1, 0, "the bin behind the desk"),
      say(id, 2, 0, "the chair in the corner"),
    ]),
  );
  data.file("ScanRefer_filtered_val.json", [
    say(val, 0, 0, "the chair near the door"),
    say(val, 1, 0, "the bin behind the desk"),
    say(val, 2, 0, "the chair in the corner"),
    say(val, 2, 1, "the big chair"),
  ]);
  data.file(
    "scannetv2-labels.combined.tsv",
    "id\traw_category\tcategory\tnyu40id\tnyu40class\n5\toffice chair\tchair\t5\tchair\n12\ttrash can\ttrash " +
      "can\t39\totherfurniture\n",
  );
  // Mask3D finds the bin, the first chair, one side of the second chair, and an edge with a piece of the floor
  const corners = (o: number, list = [0, 1, 2, 3, 4, 5, 6, 7]): number[] => list.map((v) => 8 * o + v);
  const masks = [corners(1), corners(0), corners(2, [0, 2, 4, 6]), [...corners(0, [0, 1]), 24]];
  data.file(`mask/${val}.mask.npz`, sparseNpz(masks, scanVertices().length));
}, 120_000);
afterAll(() => {
  for (const cache of caches) {
    rmSync(cache.folder, { recursive: true, force: true });
  }
  data.remove();
});

test("a folder in ScanNet's form goes from check to Table 1, named by one config value", async () => {
  const report = await printed(check, "check", data.folder);
  expect(report.out).toContain("3 of 3 scenes can be used, 18 frames with a finite pose, 1 without (skipped)");
  expect(report.out).toContain("nothing is wrong with what is there");
  expect(report.status).toBe(0);

  const trained = await printed(train, ...options(), "--out", out, "--json");
  caches.push(await prepareScenes(resolveConfig({ preset: "nano", set: set() }), silent));
  expect(JSON.parse(trained.out)).toMatchObject({ folder: out, steps: 3, weights: join(out, "model.safetensors") });
  expect(readFileSync(join(out, "metrics.jsonl"), "utf8").trim().split("\n").length).toBe(1);

  const { out: text, status } = await printed(
    evaluate,
    out,
    "--proposals",
    "detector",
    "--export",
    join(data.folder, "answers.jsonl"),
  );
  expect(status).toBe(0);
  const lines = text.split("\n");
  expect(lines[0]).toBe("4 sentences, detector proposals");
  expect(lines[1]).toMatch(/^3\d\.\d % of their words are not in the tokenizer's vocabulary$/);
  const at = lines.indexOf("Table 1: ScanRefer validation");
  expect(lines[at + 1]).toMatch(
    /^method +unique @0\.25 +unique @0\.5 +multiple @0\.25 +multiple @0\.5 +overall @0\.25 +overall @0\.5$/,
  );
  expect(lines[at + 3]).toMatch(/^nano, 3 frames, detector proposals \(ours\)( +\d+\.\d){6}$/);
  expect(lines[at + 4]).toMatch(/^S²-MLLM, 16 frames +87\.40 \[ABS\] +46\.60 \[ABS\] +59\.20 \[ABS\] +52\.70 \[ABS\]$/);
  // the one side of the second chair has no volume, and two of the four sentences mean that chair
  expect(text).toMatch(/Ours on 4 sentences; the boxes offered allow at most 50\.0 at 0\.25 and 50\.0 at 0\.5\./);
  expect(text).toContain("An empty cell of the paper's is not known.");

  const { out: json } = await printed(evaluate, out, "--proposals", "detector", "--json");
  const { metrics, upperBound, synthetic, n } = JSON.parse(json) as {
    metrics: Record<string, number>;
    upperBound: Record<string, number>;
    synthetic: boolean;
    n: number;
  };
  expect([synthetic, n, upperBound.acc25, upperBound.acc50]).toEqual([false, 4, 50, 50]);
  // one bin is referred to, two chairs are
  expect([0, 100]).toContain(metrics.unique25);
  expect(metrics.acc25).toBeCloseTo((metrics.unique25! + 3 * metrics.multiple25!) / 4, 2);
  const answers = readFileSync(join(data.folder, "answers.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { question_type: string; pred_response: number[] });
  expect(answers.map((a) => a.question_type)).toEqual(["multiple", "unique", "multiple", "multiple"]);
  expect(answers.every((a) => a.pred_response.length === 6)).toBe(true);
}, 600_000);

test("a phone scan without mesh, lists or training data is checked, prepared and asked about", async () => {
  const phone = dataFolder();
  rmSync(join(phone.folder, "dataset.json"));
  await writePhoneScan(join(phone.folder, "kitchen"));
  phone.file(
    "sentences_val.json",
    cupboards.map(({ label }, i) => ({
      scene_id: "kitchen",
      object_id: String(i),
      object_name: label,
      ann_id: "0",
      description: `the ${label} that is not between the others`,
    })),
  );
  const report = await printed(check, "check", phone.folder);
  expect(report.out).toContain("nothing is wrong with what is there");
  expect(report.out).toMatch(/kitchen: - on the mesh, \d+\.\d % in boxes, \d+\.\d % coincide/);
  expect(report.status).toBe(0);
  const { out: json, status } = await printed(evaluate, out, "--data", phone.folder, "--json");
  expect(status).toBe(0);
  expect(JSON.parse(json)).toMatchObject({ n: 3, synthetic: false });
  const { out: text } = await printed(evaluate, out, "--data", phone.folder);
  expect(text.split("\n")[0]).toMatch(/^THESE NUMBERS MEAN NOTHING: \d+ % of the words of the sentences are not in/);
  // one sentence of anybody's on the scan, by the run that learnt on another data set
  const page = join(phone.folder, "page.html");
  const asked = await printed(ground, phone.folder, "the desk", "--run", out, "--html", page, "--json");
  const answer = JSON.parse(asked.out) as { frames: string[]; boxes: { label: string }[]; synthetic: boolean };
  expect(answer).toMatchObject({ sceneId: "kitchen", proposals: "gt", synthetic: false });
  expect(answer.boxes.map(({ label }) => label).sort()).toEqual(["cabinet", "cabinet", "desk"]);
  expect(answer.frames.length).toBe(3);
  expect(readFileSync(page, "utf8")).toContain("kitchen");
  phone.remove();
}, 900_000);

test("a study runs on it: the folder's name is all that it takes, and its rows are not synthetic", async () => {
  const change = set("language.layers=1", "lora.fullLayers=1");
  const results = join(data.folder, "results");
  const [job] = jobsOf({ study: "table5", preset: "nano", variants: ["no-attn"], seeds: [7], set: change }) as [Job];
  process.env.S2_RESULTS = results;
  try {
    const args = [
      "table5",
      "--variants",
      "no-attn",
      "--seeds",
      "7",
      "--processes",
      "1",
      ...change.flatMap((text) => ["--set", text]),
    ];
    const { rows } = JSON.parse((await printed(study, ...args, "--json")).out) as { rows: ResultRow[] };
    expect(
      rows.map(({ variant, seed, synthetic, proposals, n, frames }) => ({
        variant,
        seed,
        synthetic,
        proposals,
        n,
        frames,
      })),
    ).toEqual(
      ["gt", "detector"].map((proposals) => ({
        variant: "no-attn",
        seed: 7,
        synthetic: false,
        proposals,
        n: 4,
        frames: 3,
      })),
    );
    for (const { metrics } of rows)
      expect(metrics.acc25).toBeCloseTo((metrics.unique25! + 3 * metrics.multiple25!) / 4, 2);
    expect(localRows()).toEqual(rows);
    const { out: table } = await printed(study, ...args);
    expect(table).toContain("no-attn");
    expect(table).not.toContain("synthetic");
  } finally {
    delete process.env.S2_RESULTS;
    caches.push(await prepareScenes(jobConfig(job), silent));
  }
}, 600_000);

test("what trained can be kept as a LoRA adapter alone, evaluated, and started from", async () => {
  const run = join(data.folder, "adapted");
  const lora = ["lora.language=true", "lora.rank=2", "lora.alpha=4", "lora.fullLayers=1"];
  const kept = await printed(train, ...options(...lora), "--out", run, "--keep", "adapter", "--json");
  expect(JSON.parse(kept.out)).toMatchObject({ adapter: join(run, "adapter") });
  expect(existsSync(join(run, "model.safetensors"))).toBe(false);
  expect(statSync(join(run, "adapter", "adapter_model.safetensors")).size).toBeGreaterThan(1000);
  const first = JSON.parse((await printed(evaluate, run, "--json")).out) as { metrics: unknown; n: number };
  expect(first.n).toBe(4);

  // a learning rate that changes zeros only, and them by nothing: the run ends with the adapter that it started from
  const again = join(data.folder, "again");
  await printed(
    train,
    ...options(...lora, "training.steps=1", "training.learningRate=1e-30"),
    "--out",
    again,
    "--keep",
    "both",
    "--adapter",
    join(run, "adapter"),
    "--json",
  );
  for (const name of ["adapter_model.safetensors", "non_lora_trainables.safetensors"]) {
    const [a, b] = [run, again].map((folder) => readSafetensors(join(folder, "adapter", name)));
    expect([...b!.keys()]).toEqual([...a!.keys()]);
    for (const [key, { data: numbers }] of a!) {
      const other = b!.get(key)!.data as Float32Array;
      expect(
        (numbers as Float32Array).every((x, i) => Math.abs(x - other[i]!) < 1e-25),
        key,
      ).toBe(true);
    }
  }
  expect(existsSync(join(again, "model.safetensors"))).toBe(true);
  expect((JSON.parse((await printed(evaluate, again, "--json")).out) as { metrics: unknown }).metrics).toEqual(
    first.metrics,
  );
}, 600_000);

test("a run answers about another data set than it learnt on", async () => {
  const other = dataFolder();
  const [learnt, asked] = ["scene9714_00", "scene9715_00"];
  for (const id of [learnt, asked]) await writeScan(other.folder, { id, layout: "posed images", frames: 5 });
  other.file("scannetv2_train.txt", `${learnt}\n`);
  other.file("scannetv2_val.txt", `${asked}\n`);
  other.file("ScanRefer_filtered_val.json", [
    {
      scene_id: asked,
      object_id: "1",
      object_name: "trash_can",
      ann_id: "0",
      description: "the bin",
      token: ["the", "bin"],
    },
  ]);
  const outcome = JSON.parse((await printed(evaluate, out, "--data", other.folder, "--json")).out) as {
    n: number;
    metrics: { unique25: number };
  };
  caches.push(await prepareScenes(resolveConfig({ preset: "nano", set: set(`data.folder=${other.folder}`) }), silent));
  expect(outcome.n).toBe(1);
  expect([0, 100]).toContain(outcome.metrics.unique25);
  other.remove();
}, 600_000);

test("every scene that cannot be prepared is named, as are test scenes without proposals", async () => {
  const broken = dataFolder();
  const [first, whole, second, last] = ["scene9716_00", "scene9717_00", "scene9718_00", "scene9719_00"];
  for (const id of [first, whole, second, last])
    await writeScan(broken.folder, { id, layout: "posed images", frames: 5 });
  broken.file("scannetv2_train.txt", `${first}\n${second}\n`);
  broken.file("scannetv2_val.txt", `${whole}\n${last}\n`);
  broken.file(
    "ScanRefer_filtered_train.json",
    [first, second].map((scene_id) => ({
      scene_id,
      object_id: "1",
      object_name: "trash_can",
      ann_id: "0",
      description: "the bin",
      token: ["the", "bin"],
    })),
  );
  broken.file(`mask/${whole}.mask.npz`, sparseNpz([[0, 1, 2, 3, 4, 5, 6, 7]], scanVertices().length));
  const scan = (id: string, file: string): string => join(broken.folder, "scans", id, `${id}${file}`);
  const mesh = readFileSync(scan(second, "_vh_clean_2.ply"));
  writeFileSync(scan(first, ".aggregation.json"), "{");
  rmSync(scan(second, "_vh_clean_2.ply"));
  const config = resolveConfig({ preset: "nano", set: set(`data.folder=${broken.folder}`) });
  const error = await prepareScenes(config, silent).then(
    () => undefined,
    (e: Error) => e,
  );
  expect(error).toBeInstanceOf(UserError);
  const lines = error!.message.split("\n  ");
  expect(lines[0]).toBe(
    `2 of 4 scenes of ${broken.folder} cannot be prepared; mend them (data check says more) or take them out of ` +
      `scannetv2_train.txt and scannetv2_val.txt:`,
  );
  expect(lines.slice(1).sort()).toEqual([
    expect.stringMatching(/^scene9716_00: .*scene9716_00\.aggregation\.json: not JSON/),
    expect.stringMatching(/^scene9718_00: .*_vh_clean_2\.ply is missing/),
  ]);

  writeFileSync(
    scan(first, ".aggregation.json"),
    readFileSync(scan(whole, ".aggregation.json"), "utf8").replaceAll(whole, first),
  );
  writeFileSync(scan(second, "_vh_clean_2.ply"), mesh);
  const notes: string[] = [];
  const session = await openSession(config, ({ task, note }) => {
    if (note !== undefined && task !== "fingerprint") notes.push(note);
  });
  caches.push(session.cache);
  expect(session.sources).toEqual(["gt"]);
  expect(notes).toEqual([
    `1 of 2 test scenes have none (${last}), so that only ground-truth boxes can be offered; run the detector ` +
      `on them too, or take them out of scannetv2_val.txt`,
  ]);
  broken.remove();
}, 600_000);

test("an adapter of a configuration without one is refused before anything is opened", async () => {
  await expect(train([...options("data.folder=nowhere"), "--keep", "adapter"])).rejects.toThrow(
    "preset nano: has no adapters (lora.vision and lora.language are off); save the whole model instead",
  );
  await expect(train(["--keep", "everything"])).rejects.toThrow('--keep takes model, adapter, both, got "everything"');
  await expect(train([...options("data.folder=nowhere"), "--adapter", join(data.folder, "none")])).rejects.toThrow(
    /none: is not there; checkpoints names the folders|dataset folder nowhere does not exist/,
  );
});
