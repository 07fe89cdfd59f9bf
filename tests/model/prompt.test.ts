import { describe, expect, test } from "vitest";
import { PromptConfig } from "../../lib/config/schema";
import type { Query } from "../../lib/datasets/scene";
import { phraseTokenizer, Tokenizer } from "../../lib/io/tokenizer";
import { encodeQuestion, encodeSentence, sharedPrompt } from "../../lib/model/prompt";

const query: Query = {
  id: "scene0000_00|3|0", dataset: "scanrefer", sceneId: "scene0000_00", targetId: 3, category: "chair",
  description: "the chair between the red table and the blue table", tokens: [], relation: "between",
  anchorIds: [5, 7], anchorWords: ["table", "table"], sameClass: 3,
};
const words = ["the", "chair", "between the", "red", "table", "and the", "blue", ":", "is located at", "object"];

describe("compact prompt", () => {
  const tokenizer = new Tokenizer(phraseTokenizer(words, ["<ground>"]), "test");
  const names = (ids: readonly number[]): string[] => ids.map((id) => tokenizer.token(id));
  const config = PromptConfig.parse({ template: "compact" });

  test("description, colon, answer; the answer is supervised", () => {
    const s = encodeSentence(tokenizer, query, "chair", config);
    expect(names(s.ids)).toEqual(["the", "chair", "between the", "red", "table", "and the", "blue", "table", ":", "chair", "is located at", "<ground>"]);
    expect(s.answer).toBe(9);
    expect(s.ground).toBe(11);
    expect(s.supervised).toEqual([9, 10, 11]);
    expect(sharedPrompt(tokenizer, config)).toEqual({ before: [], after: [], supervised: [] });
  });

  test("each anchor at its own noun, also when two have the same word", () => {
    expect(encodeSentence(tokenizer, query, "chair", config).anchors).toEqual([{ at: 4, object: 5 }, { at: 7, object: 7 }]);
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

  test("an empty description names the sentence", () => {
    expect(() => encodeSentence(tokenizer, { ...query, description: "  " }, "chair", config)).toThrow(/scene0000_00\|3\|0: the description is empty/);
  });
});

describe("ChatML prompt", () => {
  // "\n" is not a word for this tokenizer, so a stand-in with one token a character is used
  const characters = [...new Set("<>|/_.:,ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \n")];
  const json = phraseTokenizer(characters, ["<ground>", "<|im_start|>", "<|im_end|>"]);
  const tokenizer = new Tokenizer(
    { ...json, normalizer: null, pre_tokenizer: { type: "Split", pattern: { Regex: "[\\s\\S]" }, behavior: "Removed", invert: true } },
    "characters",
  );
  const config = PromptConfig.parse({});
  const text = (ids: readonly number[]): string => ids.map((id) => tokenizer.token(id)).join("");

  test("turns in Qwen's form around the image", () => {
    const shared = sharedPrompt(tokenizer, config);
    const s = encodeSentence(tokenizer, query, "chair", config);
    expect(text(shared.before)).toBe("<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n");
    expect(text(s.ids)).toBe(
      "The chair between the red table and the blue table<|im_end|>\n<|im_start|>assistant\nThe chair is located at <ground> in global coordinates.<|im_end|>\n",
    );
    expect(tokenizer.token(s.ids[s.ground]!)).toBe("<ground>");
    expect(text(s.ids.slice(0, s.answer))).toMatch(/assistant\n$/);
  });

  test("labels: the assistant's turn with its header, and only the turn marks elsewhere (spec 2.10)", () => {
    const shared = sharedPrompt(tokenizer, config);
    const s = encodeSentence(tokenizer, query, "chair", config);
    const labelled = new Set(s.supervised);
    expect(text(s.ids.filter((_, i) => !labelled.has(i)))).toBe("The chair between the red table and the blue table");
    const marked = shared.supervised.map(({ part, at }) => tokenizer.token(shared[part][at]!));
    expect(new Set(marked)).toEqual(new Set(["<|im_start|>", "<|im_end|>", "\n"]));
    // the very first token has nothing in front of it that could predict it
    expect(shared.supervised.some(({ part, at }) => part === "before" && at === 0)).toBe(false);
  });
});
