import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run as ground } from "../../lib/cli/ground";
import { silent } from "../../lib/core/progress";
import { encodeScenes } from "../../lib/dataloader/sentences";
import { ask, findsNothing } from "../../lib/eval/ask";
import { lab } from "../../lib/index";
import { disposeParameters } from "../../lib/model/initialise";
import { groundingPage, groundingTable, openAnswerer } from "../../lib/report/grounding";
import { fineTune } from "../../lib/train/fine-tune";
import { inRun } from "../setup/open-run";
import { printed } from "../setup/printed";
import { type TinyWorld, tinyWorld } from "../setup/tiny-world";

let world: TinyWorld;
let folder: string;
let scene: string;
let seen: string[];
beforeAll(async () => {
  world = await tinyWorld(711);
  const config = world.config(["training.steps=2"]);
  const session = await world.session(config);
  const [asked] = session.cache.scenes("val");
  scene = asked!.id;
  seen = [0, 1, 3, 5].map((view) => asked!.entry.frames[view]!);
  folder = mkdtempSync(join(tmpdir(), "s2-run-"));
  const encoded = encodeScenes(session.sentences("train"), session.tokenizer, config);
  const { parameters } = await inRun(config, folder, (run) =>
    fineTune({ config, cache: session.cache, ...encoded, run, name: "test", progress: silent }),
  );
  disposeParameters(parameters);
}, 600_000);
afterAll(() => {
  world.remove();
  rmSync(folder, { recursive: true });
});

const sentence = "the chair closest to the red table";

describe("one sentence on one scene", () => {
  test("every box with its score, the best first, and the words that were written", async () => {
    const grounding = await ask(openAnswerer(folder), world.folder, scene, sentence, silent);
    expect(grounding).toMatchObject({ sceneId: scene, sentence, synthetic: true });
    const scores = grounding.boxes.map(({ score }) => score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(grounding.boxes.map(({ index }) => index).sort((a, b) => a - b)).toEqual(scores.map((_, i) => i));
    // the views that the model saw, not the pool of six that they are drawn from
    expect(grounding.frames).toEqual(seen);
    const nothing = { ...grounding, noObject: 1.1 };
    expect(findsNothing(nothing)).toBe(true);
    expect(groundingTable(nothing).notes[0]).toBe('no such object: "no object" scores 1.100, above every box');
    expect(findsNothing({ ...grounding, noObject: -1.1 })).toBe(false);
    const page = await groundingPage(grounding);
    expect(page).toContain(sentence);
    expect(page).toContain("synthetic data");
  }, 600_000);

  test("where nothing is trained yet, a notebook says which command makes a run", async () => {
    const empty = mkdtempSync(join(tmpdir(), "s2-empty-"));
    const before = process.env.S2_RESULTS;
    process.env.S2_RESULTS = empty;
    try {
      for (const make of [() => lab.ask(undefined, scene, sentence), () => lab.attention([])])
        expect(await lab.ifThere(make)).toMatchObject({ markdown: expect.stringMatching(/npm start|s2mllm train/) });
    } finally {
      if (before === undefined) delete process.env.S2_RESULTS;
      else process.env.S2_RESULTS = before;
      rmSync(empty, { recursive: true });
    }
  });

  test("the command and lab.ask say the same", async () => {
    const html = join(folder, "page.html");
    const named = ["--scene", scene, "--run", folder, "--html", html, "--json"];
    const { status, out } = await printed(ground, world.folder, sentence, ...named);
    expect(status).toBe(0);
    const said = JSON.parse(out) as { boxes: { index: number; score: number }[]; noSuchObject: boolean };
    const { grounding, rows } = await lab.ask(folder, { folder: world.folder, id: scene }, sentence);
    expect(said.boxes.map(({ index }) => index)).toEqual(grounding.boxes.map(({ index }) => index));
    expect(rows.length).toBe(5);
    expect(existsSync(html)).toBe(true);
    rmSync(html);
  }, 600_000);

  test("words that the tokenizer does not know are counted, and most of them make the answer worthless", async () => {
    const unknown = await ask(openAnswerer(folder), world.folder, scene, "whereabouts of yonder thingamajig", silent);
    expect(unknown.unknownWords).toBe(100);
    expect(groundingTable(unknown).warning).toMatch(/^THESE NUMBERS MEAN NOTHING: 100 %/);
    expect(groundingTable(unknown).notes).toContain(
      "100 % of the sentence's words are not in the tokenizer's vocabulary",
    );
    const known = await ask(openAnswerer(folder), world.folder, scene, sentence, silent);
    expect([known.unknownWords, groundingTable(known).warning]).toEqual([undefined, undefined]);
  }, 600_000);

  test("a run answers by its own model alone", () => {
    expect(() => openAnswerer(folder, { preset: "nano" })).toThrow("a run answers by the model that it trained");
    expect(() => openAnswerer(undefined, { set: ["data.frames=2"] })).toThrow("--preset and --set are for published");
  });

  test("an empty sentence, no scene named, an unknown one", async () => {
    const answerer = openAnswerer(folder);
    const asking = (id: string | undefined, text: string) => ask(answerer, world.folder, id, text, silent);
    await expect(asking(scene, "  ")).rejects.toThrow("the sentence is empty; say which object is meant");
    await expect(asking(undefined, sentence)).rejects.toThrow(/holds several scenes; name one of scene0000_00, /);
    await expect(asking("scene9999_00", sentence)).rejects.toThrow(
      /holds no scene "scene9999_00".*; name one of scene0000_00, /,
    );
    await expect(ask(answerer, join(folder, "nowhere"), scene, sentence, silent)).rejects.toThrow("is not there");
  }, 600_000);

  test("a scene without boxes", async () => {
    const scan = join(world.folder, "scans", scene);
    const annotated = join(scan, readdirSync(scan).find((name) => name.endsWith(".aggregation.json"))!);
    const [objects, proposals] = [readFileSync(annotated, "utf8"), join(world.folder, "proposals", `${scene}.json`)];
    writeFileSync(annotated, JSON.stringify({ ...(JSON.parse(objects) as object), segGroups: [] }));
    rmSync(proposals, { force: true });
    for (const name of readdirSync(join(world.folder, "proposals")))
      if (name.startsWith(scene)) rmSync(join(world.folder, "proposals", name), { recursive: true });
    await expect(ask(openAnswerer(folder), world.folder, scene, sentence, silent)).rejects.toThrow(
      `scene ${scene}: has no boxes to choose from`,
    );
    writeFileSync(annotated, objects);
  }, 600_000);
});
