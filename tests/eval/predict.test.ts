import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { run } from "../../lib/cli/eval";
import { run as explore } from "../../lib/cli/explore";
import type { S2Config } from "../../lib/config/schema";
import { silent } from "../../lib/core/progress";
import { encodeScenes, type SceneSentences } from "../../lib/dataloader/sentences";
import { tf } from "../../lib/engine/tf";
import { interViewAttention, sceneAttention } from "../../lib/eval/attention";
import { type Answer, predict } from "../../lib/eval/predict";
import { scoreAnswers } from "../../lib/eval/score";
import type { Session } from "../../lib/eval/session";
import { iou } from "../../lib/geometry/box";
import { Tokenizer } from "../../lib/io/tokenizer";
import { disposeParameters } from "../../lib/model/initialise";
import { readRecord } from "../../lib/runs/folder";
import { fineTune } from "../../lib/train/fine-tune";
import { inRun } from "../setup/open-run";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

let world: TinyWorld;
let session: Session;
let folder: string;
let config: S2Config;
let parameters: Map<string, tf.Variable>;
let scenes: SceneSentences[];
beforeAll(async () => {
  world = await tinyWorld(303, { trainRooms: 1, testRooms: 3 });
  config = world.config(["training.steps=2", "training.scenes=2"]);
  session = await world.session(config);
  folder = mkdtempSync(join(tmpdir(), "s2-run-"));
  const encoded = encodeScenes(session.sentences("train"), session.tokenizer, config);
  ({ parameters } = await inRun(config, folder, (run) =>
    fineTune({ config, cache: session.cache, ...encoded, run, name: "test", progress: silent }),
  ));
  scenes = session.sentences("val");
}, 300_000);
afterAll(() => {
  disposeParameters(parameters);
  world.remove();
  rmSync(folder, { recursive: true });
});

const answers = (
  evaluation: S2Config["prompt"]["evaluation"],
  source: "gt" | "detector" = "gt",
  sentences?: number,
  maxNewTokens = 8,
): Answer[] =>
  predict(
    parameters,
    { ...config, prompt: { ...config.prompt, evaluation } },
    session.cache,
    scenes,
    session.tokenizer,
    { source, sentences, maxNewTokens },
  );

describe("predict", () => {
  const boxesOf = (answer: Answer, source: "gt" | "detector") =>
    scenes.find((s) => s.scene.id === answer.query.sceneId)!.scene.boxes(source);

  test.each([
    ["generated", "gt"],
    ["gold", "gt"],
    ["object", "gt"],
    ["generated", "detector"],
  ] as const)(
    "%s, %s proposals: every sentence once, a finite score for each proposal, padding never chosen",
    (mode, source) => {
      const all = answers(mode, source);
      expect(all.map((a) => a.query.id).sort()).toEqual(scenes.flatMap((s) => s.queries.map((q) => q.id)).sort());
      for (const answer of all) {
        const boxes = boxesOf(answer, source);
        expect(answer.scores.length).toBe(boxes.length + 1); // the last is "no object"
        expect(answer.scores.every((s) => Number.isFinite(s) && Math.abs(s) <= 1.0001)).toBe(true);
        expect(answer.scores[answer.chosen]).toBe(Math.max(...answer.scores.slice(0, boxes.length)));
        const target = scenes.find((s) => s.scene.id === answer.query.sceneId)!.scene.entry.objects[
          answer.query.targetId
        ]!.box;
        expect(answer.iou).toBe(iou(boxes[answer.chosen]!, target));
        expect(answer.written !== undefined).toBe(mode === "generated");
      }
      // rooms with different numbers of proposals, so that one of them is padded
      expect(new Set(scenes.map((s) => s.scene.boxes(source).length)).size).toBeGreaterThan(1);
    },
    300_000,
  );

  test("an answer that comes without <ground> says so, is scored all the same, and is counted", () => {
    const head = parameters.get("lm_head.weight")!;
    const before = head.clone();
    head.assign(tf.zeros(head.shape));
    try {
      for (const answer of answers("generated", "gt", undefined, 3)) {
        // all logits are 0: the first token of the vocabulary is taken, until the cap
        expect(answer.withoutGround).toBe("cap");
        expect(answer.written!.split(" ").length).toBe(2);
        expect(answer.scores.every(Number.isFinite)).toBe(true);
      }
      expect(scoreAnswers(answers("generated", "gt", undefined, 3), session.classOf).withoutGround).toBe(100);
      expect(scoreAnswers(answers("gold"), session.classOf).withoutGround).toBeUndefined();
    } finally {
      head.assign(before);
    }
  }, 300_000);

  test("an empty answer ends at once, is scored and counted", () => {
    const head = parameters.get("lm_head.weight")!;
    const before = head.clone();
    head.assign(tf.zeros(head.shape));
    // all logits are 0: the first token of the vocabulary is taken, here the end of the turn
    const { json } = session.tokenizer;
    const vocab = { ...json.model.vocab, "<unk>": session.tokenizer.size, "<|im_end|>": 0 };
    const ending = new Tokenizer({ ...json, model: { ...json.model, vocab } }, "ending");
    try {
      const generated: S2Config = { ...config, prompt: { ...config.prompt, evaluation: "generated" } };
      const given = predict(parameters, generated, session.cache, scenes, ending, { source: "gt", maxNewTokens: 8 });
      for (const { withoutGround, written } of given) expect([withoutGround, written]).toEqual(["ended", ""]);
      expect(given.every(({ scores }) => scores.every(Number.isFinite))).toBe(true);
      expect(scoreAnswers(given, session.classOf).withoutGround).toBe(100);
    } finally {
      head.assign(before);
    }
  }, 300_000);

  test("answers do not depend on which sentences share a pass", () => {
    const [together, few] = [answers("gold", "gt", 6), answers("gold", "gt", 4)];
    const byId = new Map(few.map((a) => [a.query.id, a]));
    for (const answer of together) {
      const same = byId.get(answer.query.id)!;
      answer.scores.forEach((score, o) => expect(same.scores[o]).toBeCloseTo(score, 5));
    }
  }, 300_000);
});

test("inter-view attention: each view's weights over the views sum to 1", () => {
  const maps = interViewAttention(
    parameters,
    config,
    session.cache,
    scenes[0]!,
    session.tokenizer,
    session.folder,
    27,
  )!;
  const V = config.data.frames;
  expect(maps).toMatchObject({ sceneId: scenes[0]!.scene.id, patch: 27, grid: 8, heads: config.structure.heads });
  expect(maps.views.length).toBe(V);
  expect(maps.views[0]!.image).toMatch(/^data:image\/jpeg;base64,\/9j\//);
  expect(maps.weights.length).toBe(maps.heads * V * V);
  for (let row = 0; row < maps.weights.length; row += V) {
    const sum = maps.weights.slice(row, row + V).reduce((a, b) => a + b);
    expect(Math.abs(sum - 1)).toBeLessThanOrEqual(V * 5e-5 + 1e-6); // stored with four digits
  }
  const off = { ...config, structure: { ...config.structure, interView: false } };
  expect(
    interViewAttention(parameters, off, session.cache, scenes[0]!, session.tokenizer, session.folder, 27),
  ).toBeUndefined();
});

test("all attention of a scene: shares of each row, of the right lengths", () => {
  const item = scenes[0]!;
  const query = item.queries[1]!;
  const found = sceneAttention(parameters, config, session.cache, item, query, session.tokenizer);
  const V = config.data.frames;
  const H = config.structure.heads;
  expect(found.inter!.shape).toEqual([64, H, V, V]);
  expect(found.intra!.shape).toEqual([V, H, 64, 64]);
  const { layers, heads } = config.language;
  expect(found.words.shape).toEqual([layers, heads, found.tokens.length, V, found.side ** 2]);
  expect(found.tokens).toContain("<ground>");
  const sums = ({ values }: { values: Float32Array }, row: number): number[] =>
    Array.from({ length: values.length / row }, (_, i) =>
      values.subarray(i * row, (i + 1) * row).reduce((a, b) => a + b, 0),
    );
  for (const sum of sums(found.inter!, V)) expect(sum).toBeCloseTo(1, 4);
  // within a view one key is the class token, and words look at words too
  for (const sum of [...sums(found.intra!, 64), ...sums(found.words, V * found.side ** 2)]) {
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThan(1.0001);
  }
  // the released layout groups other tokens: its maps are not shown as if they were by patch
  const released = { ...config, structure: { ...config.structure, layout: "released" as const } };
  const other = sceneAttention(parameters, released, session.cache, item, query, session.tokenizer);
  expect([other.inter, other.intra]).toEqual([undefined, undefined]);
});

test("s2mllm explore attention writes the page of a run, and names what is not there", async () => {
  vi.spyOn(process.stdout, "write").mockImplementation(() => true);
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  try {
    const file = join(folder, "out", "attention.html");
    const { id } = scenes[1]!.scene;
    const sentence = scenes[1]!.queries[0]!.description;
    expect(await explore(["attention", folder, "--scene", id, "--sentence", sentence, "--html", file])).toBe(0);
    expect(readFileSync(file, "utf8")).toContain("<title>Attention of ");
    await expect(explore(["attention", folder, "--scene", "scene9999_00", "--html", file])).rejects.toThrow(
      /scene "scene9999_00" has no test sentence/,
    );
    await expect(explore(["attention", folder, "--sentence", "a unicorn", "--html", file])).rejects.toThrow(
      /contains "a unicorn"; one is "/,
    );
    await expect(explore(["answers", "zzz"])).rejects.toThrow(
      /no finished run begins with "zzz"; those with any boxes are/,
    );
    await expect(explore(["answers", "", ""])).rejects.toThrow(/several runs begin|no finished run/);
    for (const wrong of [
      ["weights", folder],
      ["answers"],
      ["answers", "a", "--scene", id],
      ["attention", "a", "b", "c"],
    ])
      await expect(explore(wrong)).rejects.toMatchObject({ exitCode: 2 });
  } finally {
    vi.restoreAllMocks();
  }
});

describe("s2mllm eval", () => {
  async function evaluate(...args: string[]): Promise<{ status: number; out: string }> {
    let out = "";
    vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
    vi.spyOn(process.stderr, "write").mockImplementation(() => true);
    try {
      return { status: await run(args), out };
    } finally {
      vi.restoreAllMocks();
    }
  }

  test("scores a finished run and exports one JSON line a sentence", async () => {
    const file = join(folder, "out", "predictions.jsonl");
    const { status, out } = await evaluate(folder, "--json", "--export", file);
    expect(status).toBe(0);
    const report = JSON.parse(out) as { n: number; metrics: { acc25: number }; upperBound: unknown };
    expect(report).toMatchObject({ n: 18, proposals: "gt", synthetic: true, upperBound: { acc25: 100, acc50: 100 } });
    const lines = readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map(
        (line) =>
          JSON.parse(line) as {
            sample_id: string;
            pred_response: number[];
            gt_response: number[];
            question_type: string;
            scene_id: string;
            pred_index: number;
            scores: number[];
          },
      );
    expect(lines.map((l) => l.sample_id).sort()).toEqual(scenes.flatMap((s) => s.queries.map((q) => q.id)).sort());
    for (const line of lines) {
      expect(Object.keys(line).slice(0, 4)).toEqual(["sample_id", "pred_response", "gt_response", "question_type"]);
      // what the evaluators ignore
      const scene = scenes.find((s) => s.scene.id === line.scene_id)!;
      expect(scene.queries.map((q) => [q.id, q.description])).toContainEqual([
        line.sample_id,
        (line as { description?: string }).description,
      ]);
      expect(scene.scene.boxes("gt")[line.pred_index]).toEqual(line.pred_response);
      expect(line.scores.length).toBe(scene.scene.boxes("gt").length);
      expect(line.scores.indexOf(Math.max(...line.scores))).toBe(line.pred_index);
      for (const box of [line.pred_response, line.gt_response]) {
        expect(box.length).toBe(6);
        expect(box.every(Number.isFinite) && box.slice(3).every((size) => size > 0)).toBe(true);
      }
      expect(["unique", "multiple"]).toContain(line.question_type);
    }
    const hits = lines.filter((l) => iou(l.pred_response as never, l.gt_response as never) >= 0.25).length;
    expect(report.metrics.acc25).toBeCloseTo((100 * hits) / 18, 3);
  }, 300_000);

  test("asks the sets that are named, and writes and prints ReferIt3D's own splits", async () => {
    const file = join(folder, "out", "nr3d.jsonl");
    const { status, out } = await evaluate(folder, "--sentences", "nr3d", "--export", file);
    expect(status).toBe(0);
    type Line = { question_type: string; view_dep: boolean; pred_response: never; gt_response: never; dataset: string };
    const lines = readFileSync(file, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
    // as the authors' evaluator counts
    const share = (fits: (line: Line) => boolean): string => {
      const some = lines.filter(fits);
      const hits = some.filter((line) => iou(line.pred_response, line.gt_response) >= 0.25).length;
      return ((100 * hits) / some.length).toFixed(1);
    };
    const splits = [
      ["easy", (line: Line) => line.question_type === "easy"],
      ["hard", (line: Line) => line.question_type === "hard"],
      ["view-dependent", (line: Line) => line.view_dep],
      ["view-independent", (line: Line) => !line.view_dep],
    ] as const;
    const shown = splits
      .filter(([, fits]) => lines.some(fits))
      .map(([name, fits]) => `${name} ${share(fits)}`)
      .join("  ");
    expect(shown).toMatch(/easy .* hard /);
    expect(out).toMatch(new RegExp(`^nr3d: ${lines.length} sentences, Acc@0.25 .*${shown}$`, "m"));
    expect(new Set(lines.map((line) => line.dataset))).toEqual(new Set(["nr3d"]));
    await expect(evaluate(folder, "--sentences", "nr4d")).rejects.toThrow(/data\.sentences\.0: /);
  }, 300_000);

  test("a folder that is no finished run, and wrong usage", async () => {
    const empty = mkdtempSync(join(tmpdir(), "s2-empty-"));
    await expect(evaluate(empty)).rejects.toThrow(/no run\.json; expected the folder of a run/);
    writeFileSync(join(empty, "config.json"), "{}");
    writeFileSync(join(empty, "model.safetensors"), "");
    await expect(evaluate(empty)).rejects.toThrow(/was made before runs had ids/);
    await inRun(config, join(empty, "begun"), () => Promise.resolve());
    await expect(evaluate(join(empty, "begun"))).rejects.toThrow("the run's training did not come to its end");
    const record = readRecord(folder);
    const changed = { ...record, config: { ...record.config, tranining: {} } };
    mkdirSync(join(empty, "changed"));
    writeFileSync(join(empty, "changed", "run.json"), JSON.stringify(changed));
    await expect(evaluate(join(empty, "changed"))).rejects.toThrow(
      'unknown key "tranining" at the top level (did you mean "training"?)',
    );
    rmSync(empty, { recursive: true });
    await expect(evaluate(folder, "--proposals", "best")).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('--proposals takes gt or detector, got "best"') as string,
    });
    await expect(evaluate()).rejects.toMatchObject({ exitCode: 2 });
  });
});
