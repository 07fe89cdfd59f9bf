import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { run as convert } from "../../lib/cli/convert";
import { run as evaluate } from "../../lib/cli/eval";
import { run as ground } from "../../lib/cli/ground";
import { run as params } from "../../lib/cli/params";
import { run as train } from "../../lib/cli/train";
import { resolveConfig } from "../../lib/config/resolve";
import { silent } from "../../lib/core/progress";
import { prepareScenes } from "../../lib/dataloader/prepare";
import { phraseTokenizer } from "../../lib/io/tokenizer";
import { publish } from "../model/published";
import { type EvaluatedLine, evaluateAs } from "../setup/authors-evaluators";
import { dataFolder, objects, writeScan } from "../setup/formats/scan";
import { printed } from "../setup/printed";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

// numbers that no other test uses: prepared scenes are shared between equal data
const [one, two, val] = ["scene9721_00", "scene9722_00", "scene9723_00"];
const data = dataFolder();
const checkpoint = join(data.folder, "published", "llava");
const run = join(data.folder, "run");

const sentences = [
  [0, "the office chair closest to the trash can"],
  [1, "the trash can left of the office chair"],
  [2, "the office chair farthest from the trash can"],
  [2, "the large office chair"],
] as const;
const words = [
  ...sentences.flatMap(([, text]) => text.split(" ")),
  ..."is located at in global coordinates. system user assistant identify object".split(" "),
];
const tokenizer = phraseTokenizer(words, ["<|im_start|>", "<|im_end|>"]);
const vocabulary = Object.keys(tokenizer.model.vocab).length + 2 + 3;

/** The paper's preset in a size that trains in seconds. */
const size = [
  ...["imageSize=16", "patchSize=4", "hiddenSize=12", "intermediateSize=16", "layers=2", "heads=3"].map(
    (text) => `vision.${text}`,
  ),
  ...["hiddenSize=16", "intermediateSize=20", "layers=2", "heads=4", "kvHeads=2", "ropeTheta=100"].map(
    (text) => `language.${text}`,
  ),
  `language.vocabSize=${vocabulary}`,
  "structure.heads=3",
  "positions.rayHidden=6",
  ...["encoderSize=8", "hiddenSize=8", "heads=2", "depth=4", "featureDim=4", "lastDim=3", "patchSize=2"].map(
    (text) => `reconstruction.${text}`,
  ),
  "reconstruction.layerDims=[4,4,4,4]",
  "lora.fullLayers=1",
  "lora.rank=2",
  "data.frames=2",
];
const set = [
  ...size,
  `checkpoints=${JSON.stringify([checkpoint, join(data.folder, "published", "fast3r")])}`,
  `data.folder=${data.folder}`,
  'data.sentences=["scanrefer","nr3d","sr3d"]',
  "training.epochs=2",
  "training.accumulate=2",
];
const options = (list: readonly string[]): string[] => list.flatMap((text) => ["--set", text]);

/** ReferIt3D's csv about some scenes. */
function referIt3d(scenes: readonly string[]): string {
  const rows = scenes.flatMap((scene) =>
    sentences.map(([target, text]) => {
      const name = objects[target]!.label.replace(" ", "_");
      const others = objects.flatMap((o, i) => (i !== target && o.label === objects[target]!.label ? [i] : []));
      const stimulus = [scene, name, others.length + 1, target, ...others].join("-");
      const tokens = text.split(" ").map((word) => `'${word}'`);
      return `${stimulus},${scene},${name},${target},${text},"[${tokens.join(", ")}]"`;
    }),
  );
  return ["stimulus_id,scan_id,instance_type,target_id,utterance,tokens", ...rows].join("\n");
}

beforeAll(async () => {
  for (const id of [one, two, val]) await writeScan(data.folder, { id, layout: "posed images", frames: 5 });
  data.file("scannetv2_train.txt", `${one}\n${two}\n`);
  data.file("scannetv2_val.txt", `${val}\n`);
  for (const [split, scenes] of [
    ["train", [one, two]],
    ["val", [val]],
  ] as const)
    data.file(
      `ScanRefer_filtered_${split}.json`,
      scenes.flatMap((scene_id) =>
        sentences.map(([target, description], ann) => ({
          scene_id,
          object_id: String(target),
          object_name: objects[target]!.label.replace(" ", "_"),
          ann_id: String(ann),
          description,
          token: description.split(" "),
        })),
      ),
    );
  for (const name of ["nr3d.csv", "sr3d.csv"]) data.file(name, referIt3d([one, two, val]));
  // the first chair well found, the bin badly, the second chair not at all, and something that is nothing
  const [chair, bin] = objects;
  data.file(`proposals/${val}.json`, {
    scene: val,
    proposals: [
      { box: chair.box, label: "chair", score: 0.9 },
      { box: bin.box.map((x, i) => (i === 2 ? x + 0.2 : x)), label: "trash can", score: 0.8 },
      { box: [0, 0, 0.5, 0.3, 0.3, 0.3], label: "table", score: 0.5 },
    ],
  });
  publish(join(data.folder, "published"), resolveConfig({ preset: "llava-video-7b", set: size }));
  writeFileSync(join(checkpoint, "tokenizer.json"), JSON.stringify(tokenizer));
});
afterAll(async () => {
  const { folder } = await prepareScenes(resolveConfig({ preset: "llava-video-7b", set }), silent);
  rmSync(folder, { recursive: true, force: true });
  data.remove();
});

describe("a tiny checkpoint in LLaVA-Video's names", () => {
  test("fits its preset, tokenizer included", async () => {
    const { out, status } = await printed(convert, checkpoint, ...options(size));
    expect(out).toContain(`tokenizer.json: ${vocabulary} tokens`);
    expect(out).toContain("fits llava-video-7b");
    expect(status).toBe(0);
  });

  test("is estimated at two epochs of 24 sentences, two a step", async () => {
    const { out } = await printed(params, "--preset", "llava-video-7b", ...options(set), "--estimate");
    expect(out).toMatch(/^training: 2 epochs of 24 sentences: 24 steps of 2 batches, about [\d.e-]+ hours$/m);
  });

  test("trained for two epochs over three sets has the accuracies that the authors' evaluators count", async () => {
    const trained = await printed(train, "--preset", "llava-video-7b", ...options(set), "--out", run, "--json");
    // two epochs of 24 sentences, two a step
    expect(JSON.parse(trained.out)).toMatchObject({ steps: 24 });
    const file = join(data.folder, "answers.jsonl");
    const { out } = await printed(evaluate, run, "--proposals", "detector", "--export", file, "--json");
    const outcome = JSON.parse(out) as {
      n: number;
      proposals: string;
      metrics: Record<string, number>;
      bySet: Record<string, { n: number; metrics: Record<string, number> }>;
    };
    expect(outcome).toMatchObject({ n: 12, proposals: "detector", synthetic: false });
    const lines = readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as EvaluatedLine);
    expect(Object.keys(outcome.bySet)).toEqual(["nr3d", "scanrefer", "sr3d"]);
    for (const [name, { n, metrics }] of Object.entries(outcome.bySet)) {
      const own = lines.filter(({ dataset }) => dataset === name);
      expect(own.length).toBe(n);
      const counted = evaluateAs(own);
      const splits = name === "scanrefer" ? ["unique25", "unique50", "multiple25", "multiple50"] : ["easy25", "dep25"];
      expect(Object.keys(counted)).toEqual(expect.arrayContaining(["acc25", "acc50", ...splits]));
      for (const [key, value] of Object.entries(counted)) expect(metrics[key], `${name} ${key}`).toBeCloseTo(value, 2);
    }
    expect(evaluateAs(lines).acc25).toBeCloseTo(outcome.metrics.acc25!, 2);
  });

  test("answers one sentence, as it is published and as the run that began with it", async () => {
    const ask = async (...more: string[]): Promise<Record<string, unknown>> =>
      JSON.parse(
        (await printed(ground, data.folder, "the large office chair", "--scene", val, "--json", ...more)).out,
      ) as Record<string, unknown>;
    const published = await ask("--run", checkpoint, ...options(size));
    expect(published).toMatchObject({ answerer: checkpoint, proposals: "detector", synthetic: false });
    expect((published.boxes as unknown[]).length).toBe(3);
    expect((published.frames as unknown[]).length).toBe(2);
    expect(await ask("--run", run)).toMatchObject({ proposals: "detector", sceneId: val });
    await expect(ask("--run", checkpoint)).rejects.toThrow(/does not fit the preset llava-video-7b|tokenizer/);
  });
});
