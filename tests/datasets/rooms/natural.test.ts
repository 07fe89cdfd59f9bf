import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resolveConfig } from "../../../lib/config/resolve";
import { Rng } from "../../../lib/core/rng";
import { loadTokenizer } from "../../../lib/dataloader/sentences";
import { checkData } from "../../../lib/datasets/rooms/check";
import { RoomsConfig, roomSets } from "../../../lib/datasets/rooms/config";
import { drawLayout, type Layout } from "../../../lib/datasets/rooms/layout";
import { makeRooms } from "../../../lib/datasets/rooms/make";
import { describeObjects } from "../../../lib/datasets/rooms/natural";
import type { RoomSentence } from "../../../lib/datasets/rooms/sentences";
import { readScanRefer } from "../../../lib/datasets/scanrefer";
import { tinyWorld } from "../../setup/tiny-world";

const config = RoomsConfig.parse(roomSets["natural-test"]);

interface Described {
  readonly layout: Layout;
  readonly sentences: readonly RoomSentence[];
}

function room(seed: number, count = config.testSentences): Described {
  const rng = new Rng(seed, "natural-room");
  for (;;) {
    const layout = drawLayout(config, rng);
    if (layout === undefined) continue;
    const all = new Set(layout.objects.map((o) => o.id));
    const shown = { attribute: all, relation: all };
    return { layout, sentences: describeObjects(layout, shown, count, config, new Rng(seed, "natural")) };
  }
}

const colour = "red|orange|yellow|green|blue|purple|white|black";
const noun =
  "table|desk|bed|sofa|cabinet|bookshelf|dresser|refrigerator|chair|stool|lamp|plant|box|trash can|monitor|vase|bag";
const plural = "chairs|stools|lamps|plants|boxes|trash cans|monitors|vases|bags";
const number = "one|two|three|four|five|six";

/** A description without its classes, colours and numbers. */
const masked = (text: string): string =>
  text
    .replace(new RegExp(`\\b(${plural}|${noun})\\b`, "g"), "@")
    .replace(new RegExp(`\\ban? (${colour})\\b`, "g"), "a #")
    .replace(new RegExp(`\\b(${colour})\\b`, "g"), "#")
    .replace(new RegExp(`\\b(${number}) (# @|@)`, "g"), "% $2")
    // a landmark with its colour and one without are the same
    .replaceAll("# @", "@");

/** What a description says, read from its words. @returns undefined where a part is not understood */
function read(text: string, { objects }: Layout): { label: string; fits: number[] } | undefined {
  const named = (phrase: string): (typeof objects)[number][] => {
    const [, tint, label] = new RegExp(`^the (?:(${colour}) )?(${noun})$`).exec(phrase) ?? [];
    return objects.filter((o) => o.label === label && (tint === undefined || o.colour === tint));
  };
  const name = `the (?:(?:${colour}) )?(?:${noun})`;
  let it: string | undefined;
  let label: string | undefined;
  const demands: { test: (o: Layout["objects"][number]) => boolean; not: boolean }[] = [];
  const demand = (said: string): boolean => {
    const filled = it === undefined ? said : said.replace(/\bit\b/, it);
    const not = /\b(not)\b|\blower\b|\bshorter\b/.test(filled);
    const names = [...filled.matchAll(new RegExp(name, "g"))].map(([phrase]) => named(phrase));
    // a landmark's name must be its alone
    if (names.length === 0 || names.some((found) => found.length !== 1)) return false;
    const [a, b] = names.map(([found]) => found!) as [Layout["objects"][number], Layout["objects"][number]];
    const away = (p: { box: readonly number[] }, q: { box: readonly number[] }): number =>
      Math.sqrt((p.box[0]! - q.box[0]!) ** 2 + (p.box[1]! - q.box[1]!) ** 2);
    const group = (): (typeof objects)[number][] => objects.filter((o) => o.label === label);
    /** Angle from the way that is faced, counter-clockwise. */
    const turned = (o: Layout["objects"][number], stand: typeof a, faced: typeof a): number =>
      Math.atan2(o.box[1] - stand.box[1], o.box[0] - stand.box[0]) -
      Math.atan2(faced.box[1] - stand.box[1], faced.box[0] - stand.box[0]);
    const [stand, faced] = /look at/.test(filled) ? [b, a] : [a, b];
    const rules: [RegExp, (o: Layout["objects"][number]) => boolean][] = [
      [/\bleft\b/, (o) => Math.sin(turned(o, stand, faced)) > 0],
      [/\bright\b/, (o) => Math.sin(turned(o, stand, faced)) < 0],
      [/(closer|nearer) to .* than to/, (o) => away(o, a) < away(o, b)],
      [/closest|nearest|nearer to .* than all/, (o) => group().every((p) => away(o, a) <= away(p, a))],
      [/farthest|most distant|farther away/, (o) => group().every((p) => away(o, a) >= away(p, a))],
      // an ellipse around both landmarks
      [/between|on one side/, (o) => away(a, o) + away(o, b) < 1.25 * away(a, b)],
      [/\bfar\b|long way/, (o) => away(o, a) > 2.35],
      [/\bnear\b|close to|next to/, (o) => away(o, a) < 1.55],
      [/taller|higher|lower|shorter|as tall/, (o) => o.box[5] > a.box[5]],
      [/\bon\b/, (o) => Math.abs(o.box[2] - o.box[5] / 2 - (a.box[2] + a.box[5] / 2)) < 0.01 && away(o, a) < 1],
    ];
    const rule = rules.find(([words]) => words.test(filled));
    if (rule === undefined) return false;
    demands.push({ test: rule[1], not });
    return true;
  };
  const sentences = text.split(". ").map((part) => part.replace(/\.$/, ""));
  const subject = new RegExp(
    `^(?:(?:the|this) (?:(?:${colour}) )?(?:${noun})(?: we mean)?|it|this one|the one we mean)\\b`,
  );
  label = objects.find((o) =>
    new RegExp(`(^|[^a-z])(?:${o.label}|${o.label}s|${o.label}es)(?= (?:we mean|that)|$| is|s? | here)`).test(text),
  )?.label;
  for (const part of sentences) {
    const landmark = new RegExp(`^(?:look at|first find|begin at|in this room you see) (${name})$`).exec(part);
    if (landmark !== null) {
      it = landmark[1]!;
      continue;
    }
    const relative = /^(?:find|look for|the object is|this is|it is) the (.*?) that (.*)$/.exec(part);
    const opening = new RegExp(
      `^(?:this is|there is|it is|we are looking for|look for|you can see) (?:an?|the) (?:${colour}) ` +
        `(${noun})(?: in the room| here)?$`,
    ).exec(part);
    const amount = new RegExp(
      `^(?:there are|this is one of the|it is one of the|of the) (?:${number}) (?:(?:${colour}) )?(${plural})`,
    ).exec(part);
    const coloured = new RegExp(`^the (${noun}) is (?:${colour})$`).exec(part);
    const told = relative?.[1]?.replace(new RegExp(`^(?:${colour}) `), "") ?? opening?.[1] ?? coloured?.[1];
    if (told !== undefined) label = told;
    if (amount !== null) label = objects.find((o) => amount[1]!.startsWith(o.label))?.label;
    if (relative === null && (opening !== null || amount !== null || coloured !== null)) continue;
    const noun_ = it === undefined ? undefined : new RegExp(`^the (?:(?:${colour}) )?(${noun})`).exec(part)?.[1];
    if (noun_ !== undefined) label = noun_;
    const said = relative?.[2] ?? part.replace(subject, "").trim();
    const second = /^(.*?(?: A| B|[a-z]))(?:, and it| and| but) ((?:is|has|stands|does|sits) .*)$/.exec(said);
    const clauses = second === null ? [said] : [second[1]!, second[2]!];
    for (const clause of clauses) if (!demand(clause)) return undefined;
    it = undefined;
  }
  const fits = objects.filter((o) => o.label === label && demands.every(({ test, not }) => test(o) !== not));
  return label === undefined ? undefined : { label, fits: fits.map((o) => o.id) };
}

describe("natural descriptions", () => {
  const rooms = Array.from({ length: 350 }, (_, seed) => room(seed));
  const all = rooms.flatMap(({ sentences }) => sentences);

  test("3,000 and more are distinct without class, colour and number, in 350 of the 500 rooms", () => {
    expect(masked("it is one of the three red trash cans in this room. it is near an orange bed.")).toBe(
      "it is one of the % @ in this room. it is near a @.",
    );
    expect(new Set(all.map(({ text }) => masked(text))).size).toBeGreaterThan(3000);
  });

  test("are as long as ScanRefer's (20 words on average, from below 10 to above 35)", () => {
    const lengths = all.map(({ text }) => text.split(" ").length);
    const mean = lengths.reduce((a, b) => a + b, 0) / lengths.length;
    expect(mean).toBeGreaterThan(18);
    expect(mean).toBeLessThan(24);
    expect(lengths.filter((n) => n < 12).length / all.length).toBeGreaterThan(0.03);
    expect(lengths.filter((n) => n > 30).length / all.length).toBeGreaterThan(0.05);
  });

  test("hold pronouns, two landmarks and negation", () => {
    const share = (words: RegExp): number => all.filter(({ text }) => words.test(text)).length / all.length;
    expect(share(/\bit\b|\bthis one\b/)).toBeGreaterThan(0.4);
    expect(share(/\bnot\b/)).toBeGreaterThan(0.25);
    const two = all.filter(({ anchors }) => new Set(anchors).size > 1).length / all.length;
    expect(two).toBeGreaterThan(0.4);
  });

  test("are true of the target alone, read from the words by other geometry", () => {
    for (const { layout, sentences } of rooms)
      for (const { text, target } of sentences) {
        const reading = read(text, layout);
        expect(reading, text).toBeDefined();
        expect(reading!.label, text).toBe(layout.objects[target]!.label);
        expect(reading!.fits, text).toEqual([target]);
      }
  });

  test("name their anchors in this order", () => {
    for (const { layout, sentences } of rooms.slice(0, 60))
      for (const { text, anchors, target } of sentences) {
        let from = 0;
        for (const id of anchors) {
          const at = text.indexOf(layout.objects[id]!.label, from);
          expect(at, text).toBeGreaterThanOrEqual(0);
          from = at + 1;
        }
        expect(anchors).not.toContain(target);
      }
  });

  test("answers are balanced within a class", () => {
    for (const { layout, sentences } of rooms.slice(0, 60)) {
      for (const label of new Set(sentences.map(({ target }) => layout.objects[target]!.label))) {
        const asked = sentences.filter(({ target }) => layout.objects[target]!.label === label);
        const counts = [...new Set(asked.map(({ target }) => target))].map(
          (id) => asked.filter(({ target }) => target === id).length,
        );
        // a round may end early, and a text that was there already is drawn again
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
      }
    }
  });

  test("the first ones, as they are", () => {
    expect(
      room(0)
        .sentences.slice(0, 3)
        .map(({ text }) => text),
    ).toEqual([
      "it is one of the four orange stools in this room. it is the most distant one from the white cabinet.",
      "there is a white trash can in the room. this one is closest to the blue table.",
      "there is a white trash can in the room. this trash can is closest to the white cabinet.",
    ]);
  });
});

describe("on disk", () => {
  let top: string;
  beforeAll(() => {
    top = mkdtempSync(join(tmpdir(), "s2-natural-"));
  });
  afterAll(() => rmSync(top, { recursive: true }));

  test("the check derives every description again from the meshes, and finds a wrong one", async () => {
    const small = RoomsConfig.parse({ ...roomSets["natural-test"], testRooms: 4, image: 64, layouts: 4, frames: 3 });
    await makeRooms(join(top, "natural"), small);
    expect((await checkData(join(top, "natural"), 64)).problems).toEqual([]);
    const queries = readScanRefer(join(top, "natural", "ScanRefer_filtered_val.json"));
    expect(queries.length).toBeGreaterThan(20);
    expect(queries.every(({ relation, clauses }) => relation === "several" && clauses!.length > 0)).toBe(true);
  });
});

test("nano-natural's tokenizer has every word and mark of these sentences, and learns from them", async () => {
  const world = await tinyWorld(617, { natural: true, trainSentences: 8 });
  try {
    const preset = resolveConfig({ preset: "nano-natural" });
    const tokenizer = loadTokenizer(preset);
    const texts = Array.from({ length: 40 }, (_, seed) => room(seed).sentences.map(({ text }) => text)).flat();
    expect(texts.length).toBeGreaterThan(300);
    expect(tokenizer.unknownShare(texts)).toBe(0);
    expect(tokenizer.encode("it is red. the red chair, and").map((id) => tokenizer.token(id))).toEqual([
      ...["it", "is", "red", ".", "the", "red chair", ",", "and"],
    ]);
    const set = [`data.folder=${world.folder}`, "training.steps=20", "training.sentences=8", "language.layers=2"];
    const config = resolveConfig({ preset: "nano-natural", set: [...set, "lora.fullLayers=2", "data.frames=2"] });
    const trainer = world.trainer(await world.session(config));
    const losses = Array.from({ length: 20 }, (_, step) => trainer.step(step).ground);
    expect(losses.at(-1)!).toBeLessThan(losses[0]!);
    trainer.dispose();
  } finally {
    world.remove();
  }
}, 300_000);
