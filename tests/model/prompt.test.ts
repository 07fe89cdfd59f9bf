import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { PromptConfig } from "../../lib/config/schema";
import { inProject } from "../../lib/core/root";
import type { Query } from "../../lib/datasets/scene";
import { phraseTokenizer, Tokenizer, withTokens } from "../../lib/io/tokenizer";
import { addedTokens, encodeQuestion, encodeSentence, type PromptUse, sharedPrompt } from "../../lib/model/prompt";
import { qwenTokenizer } from "../io/qwen-tokenizer";
import { realQwenTokenizer } from "../io/qwen-vocabulary";

const query: Query = {
  id: "scene0000_00|3|0",
  dataset: "scanrefer",
  sceneId: "scene0000_00",
  targetId: 3,
  category: "chair",
  description: "the chair between the red table and the blue table",
  tokens: [],
  relation: "between",
  anchorIds: [5, 7],
  anchorWords: ["table", "table"],
  sameClass: 3,
};
const words = ["the", "chair", "between the", "red", "table", "and the", "blue", ":", "is located at", "object"];

describe("compact prompt", () => {
  const tokenizer = new Tokenizer(phraseTokenizer(words, ["<ground>"]), "test");
  const names = (ids: readonly number[]): string[] => ids.map((id) => tokenizer.token(id));
  const config = PromptConfig.parse({ template: "compact" });

  test("description, colon, answer; the answer is supervised", () => {
    const s = encodeSentence(tokenizer, query, "chair", config);
    expect(names(s.ids)).toEqual([
      "the",
      "chair",
      "between the",
      "red",
      "table",
      "and the",
      "blue",
      "table",
      ":",
      "chair",
      "is located at",
      "<ground>",
    ]);
    expect(s.answer).toBe(9);
    expect(s.ground).toBe(11);
    expect(s.supervised).toEqual([9, 10, 11]);
    expect(sharedPrompt(tokenizer, config, "train")).toEqual({ before: [], after: [], supervised: [] });
  });

  test("each anchor at its own noun, also when two have the same word", () => {
    expect(encodeSentence(tokenizer, query, "chair", config).anchors).toEqual([
      { at: 4, object: 5 },
      { at: 7, object: 7 },
    ]);
  });

  test("an attribute sentence is grounded at its last word", () => {
    const attribute: Query = {
      ...query,
      description: "the red chair",
      relation: "attribute",
      anchorIds: [],
      anchorWords: [],
    };
    expect(encodeSentence(tokenizer, attribute, "chair", config).anchors).toEqual([{ at: 2, object: 3 }]);
  });

  test("language guidance off: the bare <ground>", () => {
    const s = encodeSentence(tokenizer, query, "chair", PromptConfig.parse({ template: "compact", answer: "ground" }));
    expect(names(s.ids.slice(s.answer))).toEqual(["<ground>"]);
    expect(s.supervised).toEqual([9]);
  });

  test("the question is what stands before the answer", () => {
    const s = encodeSentence(tokenizer, query, "chair", config);
    expect(encodeQuestion(tokenizer, query, config)).toEqual(s.ids.slice(0, s.answer));
  });

  test("<ground> belongs to the answer, once", () => {
    expect(() => encodeSentence(tokenizer, { ...query, description: "the <ground>" }, "chair", config)).toThrow(
      "sentence scene0000_00|3|0: the description holds <ground>, which marks the answer; remove it",
    );
    expect(() => encodeSentence(tokenizer, query, "chair <ground>", config)).toThrow("has <ground> twice");
  });

  test("an empty description names the sentence", () => {
    expect(() => encodeSentence(tokenizer, { ...query, description: "  " }, "chair", config)).toThrow(
      /scene0000_00\|3\|0: the description is empty/,
    );
  });
});

describe("released prompt", () => {
  // "\n" is not a word for this tokenizer, so a stand-in with one token a character is used
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzéÉß";
  const characters = [...new Set(`<>|/_.:,'0123456789 \n${letters}`)];
  const json = phraseTokenizer(characters, ["<ground>", "<|im_start|>", "<|im_end|>"]);
  const tokenizer = new Tokenizer(
    {
      ...json,
      normalizer: null,
      pre_tokenizer: { type: "Split", pattern: { Regex: "[\\s\\S]" }, behavior: "Removed", invert: true },
    },
    "characters",
  );
  const config = PromptConfig.parse({});
  const text = (ids: readonly number[]): string => ids.map((id) => tokenizer.token(id)).join("");
  const shownBy = (asked: Query): string => text(encodeQuestion(tokenizer, asked, config)).split("<|im_end|>")[0]!;

  test("turns in Qwen's form around the image", () => {
    const shared = sharedPrompt(tokenizer, config, "train");
    const s = encodeSentence(tokenizer, query, "chair", config);
    expect(text(shared.before)).toBe("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n");
    // spec 13: the strings are part of the interface of the weights
    expect(text(shared.after)).toBe(
      "\nThe video captures 3D spatial information of a scene. Please focus on the spatial relationships " +
        "in the video and answer the following questions.\n" +
        "Identify the object according to the following description.\n",
    );
    expect(text(s.ids)).toBe(
      "The chair between the red table and the blue table<|im_end|>\n<|im_start|>assistant\n" +
        "The chair is located at <ground> in global coordinates.<|im_end|>\n",
    );
    expect(tokenizer.token(s.ids[s.ground]!)).toBe("<ground>");
    expect(text(s.ids.slice(0, s.answer))).toMatch(/assistant\n$/);
  });

  test.each([
    ["train", true, false],
    ["both", true, true],
    ["never", false, false],
  ] as const)(
    "prompt.spatialInstruction=%s: in training %s, in evaluation %s",
    (spatialInstruction, train, evaluate) => {
      const shownTo = (use: "train" | "evaluate"): string =>
        text(sharedPrompt(tokenizer, PromptConfig.parse({ spatialInstruction }), use).after);
      const without = "\nIdentify the object according to the following description.\n";
      for (const [use, shown] of [
        ["train", train],
        ["evaluate", evaluate],
      ] as const) {
        expect(shownTo(use).endsWith(without)).toBe(true);
        expect(shownTo(use) === without).toBe(!shown);
      }
    },
  );

  test.each([
    // what Python's str.capitalize() gives
    ["THE Chair near the TV", "The chair near the tv"],
    ["'tis a chair", "'tis a chair"],
    ["élan vital CHAIR", "Élan vital chair"],
    ["2nd Chair", "2nd chair"],
    ["ßtool", "Sstool"],
  ])("a description %s is shown as %s", (description, shown) => {
    expect(shownBy({ ...query, description })).toBe(shown);
  });

  test("Nr3D's descriptions have the note of their preparation behind them", () => {
    expect(shownBy({ ...query, dataset: "nr3d", description: "the Chair." })).toBe(
      "The chair.\nThere may be no corresponding object, or there may be one or more objects.",
    );
  });

  test("labels: the assistant's turn with its header, and only the turn marks elsewhere (spec 2.10)", () => {
    const shared = sharedPrompt(tokenizer, config, "train");
    const s = encodeSentence(tokenizer, query, "chair", config);
    const labelled = new Set(s.supervised);
    expect(text(s.ids.filter((_, i) => !labelled.has(i)))).toBe("The chair between the red table and the blue table");
    const marked = shared.supervised.map(({ part, at }) => tokenizer.token(shared[part][at]!));
    expect(new Set(marked)).toEqual(new Set(["<|im_start|>", "<|im_end|>", "\n"]));
    // the very first token has nothing in front of it that could predict it
    expect(shared.supervised.some(({ part, at }) => part === "before" && at === 0)).toBe(false);
  });
});

describe("with a tokenizer of Qwen2's kind", () => {
  const tokenizer = new Tokenizer(withTokens(qwenTokenizer(), addedTokens), "qwen");
  const config = PromptConfig.parse({});
  const [start, end, newline] = [151644, 151645, 198];

  test("the three added tokens stand behind the 151,646 real ones (spec 2.9)", () => {
    expect(new Tokenizer(qwenTokenizer(), "qwen").size).toBe(151_646);
    expect(tokenizer.size).toBe(151_649);
    expect(addedTokens.map((token) => tokenizer.id(token))).toEqual([151646, 151647, 151648]);
    expect(tokenizer.encode("a <ground>\n").slice(-2)).toEqual([151647, newline]);
    expect(withTokens(tokenizer.json, addedTokens)).toEqual(tokenizer.json);
  });

  test("ChatML with Qwen's ids, each text between two marks encoded as a whole", () => {
    const { before, after } = sharedPrompt(tokenizer, config, "train");
    const s = encodeSentence(tokenizer, query, "chair", config);
    expect(before).toEqual([
      start,
      ...tokenizer.encode("system"),
      newline,
      ...tokenizer.encode("You are a helpful assistant."),
      end,
      newline,
      start,
      ...tokenizer.encode("user"),
      newline,
    ]);
    expect(after[0]).toBe(newline);
    // a full stop and the line's end behind it are one token, as in the released preprocessing
    expect(after.at(-1)).toBe(tokenizer.id(".\u010a"));
    expect(s.ids.slice(-2)).toEqual([end, newline]);
    expect(s.ids[s.ground]).toBe(151647);
  });

  test("labels of spec 2.10: the assistant's turn, and elsewhere the ids 198, 151644 and 151645 alone", () => {
    const { before, after, supervised } = sharedPrompt(tokenizer, config, "train");
    const s = encodeSentence(tokenizer, query, "chair", config);
    const turn = s.ids.lastIndexOf(start);
    expect(s.supervised).toEqual(
      s.ids.flatMap((id, at) => (at >= turn || [newline, start, end].includes(id) ? [at] : [])),
    );
    expect(s.ids.slice(turn, turn + 11)).toEqual([start, ...tokenizer.encode("assistant"), newline]);
    const marks = (ids: readonly number[]): number[] =>
      ids.flatMap((id, at) => ([newline, start, end].includes(id) ? [at] : []));
    expect(supervised.filter(({ part }) => part === "before").map(({ at }) => at)).toEqual(
      marks(before).filter((at) => at > 0),
    );
    expect(supervised.filter(({ part }) => part === "after").map(({ at }) => at)).toEqual(marks(after));
  });
});

/** Whole prompts as one text, with the ids that PyPI's tokenizers gave it. */
interface PromptCase {
  readonly ids: readonly number[];
  readonly prompt?: Pick<Query, "description" | "category" | "dataset"> & { readonly use: PromptUse };
}

describe("with Qwen2's real vocabulary", () => {
  const tokenizer = new Tokenizer(realQwenTokenizer(), "Qwen2");
  const config = PromptConfig.parse({});
  const file = inProject("tests", "fixtures", "qwen-tokens.json");
  const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: PromptCase[] };
  const prompts = cases.flatMap(({ ids, prompt }) => (prompt === undefined ? [] : [{ ids, ...prompt }]));
  const [newline, start, end, image] = [198, 151644, 151645, 151646];

  test("50 prompts put together from parts have the ids of the whole text", () => {
    expect(prompts.length).toBe(50);
    for (const { ids, use, ...said } of prompts) {
      const { before, after } = sharedPrompt(tokenizer, config, use);
      const own = encodeSentence(tokenizer, { ...query, ...said }, said.category, config);
      expect([...before, image, ...after, ...own.ids], said.description).toEqual(ids);
    }
  });

  test("their labels: the assistant's turn, and elsewhere line ends and turn marks alone (spec 2.10)", () => {
    for (const { ids, use, ...said } of prompts) {
      const shared = sharedPrompt(tokenizer, config, use);
      const own = encodeSentence(tokenizer, { ...query, ...said }, said.category, config);
      const from = shared.before.length + 1 + shared.after.length;
      const labelled = [
        ...shared.supervised.map(({ part, at }) => (part === "before" ? at : shared.before.length + 1 + at)),
        ...own.supervised.map((at) => from + at),
      ];
      const turn = ids.lastIndexOf(start);
      const wanted = ids.flatMap((id, at) =>
        at > 0 && (at >= turn || [newline, start, end].includes(id)) ? [at] : [],
      );
      expect(labelled.sort((a, b) => a - b)).toEqual(wanted);
    }
  });
});
