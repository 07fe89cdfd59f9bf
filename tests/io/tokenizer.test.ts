import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { UserError } from "../../lib/core/errors";
import { inProject } from "../../lib/core/root";
import { phraseTokenizer, Tokenizer } from "../../lib/io/tokenizer";
import { roomSentences, unusualTexts } from "./qwen-texts";
import { realQwenTokenizer } from "./qwen-vocabulary";

const make = (): Tokenizer =>
  new Tokenizer(
    phraseTokenizer(
      ["closest to the", "closest", "the", "chair", "chairs,", "red", "trash can", ":", "is located at"],
      ["<ground>"],
    ),
    "test",
  );

describe("phrase tokenizer", () => {
  test("one token a phrase, the longest first", () => {
    const t = make();
    const names = t
      .encode("the chair closest to the red trash can : chair is located at <ground>")
      .map((id) => t.token(id));
    expect(names).toEqual([
      "the",
      "chair",
      "closest to the",
      "red",
      "trash can",
      ":",
      "chair",
      "is located at",
      "<ground>",
    ]);
  });

  test("a phrase does not end inside a word, and a comma may belong to it", () => {
    const t = make();
    expect(t.encode("closest to them").map((id) => t.token(id))).toEqual(["closest", "<unk>", "<unk>"]);
    expect(t.encode("chairs, the chair").map((id) => t.token(id))).toEqual(["chairs,", "the", "chair"]);
  });

  test("other marks end words too, and are tokens where they are listed", () => {
    const t = new Tokenizer(phraseTokenizer(["the", "red chair", "chair", ".", ","], ["<ground>"], ",."), "test");
    expect(t.encode("The red chair. the chair, chair.x").map((id) => t.token(id))).toEqual([
      "the",
      "red chair",
      ".",
      "the",
      "chair",
      ",",
      "chair",
      ".",
      "<unk>",
    ]);
  });

  test("ids are dense, the special token behind the words", () => {
    const t = make();
    expect(t.size).toBe(1 + 9 + 1);
    expect(t.id("<ground>")).toBe(10);
    expect(() => t.id("<coord>")).toThrow(/token "<coord>" is missing/);
  });
});

describe("bad tokenizer files", () => {
  test("no file, not JSON, not a tokenizer", () => {
    const folder = mkdtempSync(join(tmpdir(), "tokenizer-"));
    expect(() => Tokenizer.read(join(folder, "none.json"))).toThrow(/none.json/);
    writeFileSync(join(folder, "broken.json"), "{");
    expect(() => Tokenizer.read(join(folder, "broken.json"))).toThrow(/broken.json/);
    writeFileSync(join(folder, "other.json"), "{}");
    expect(() => Tokenizer.read(join(folder, "other.json"))).toThrow(/expected a tokenizers "tokenizer.json"/);
  });

  test.each<[string, unknown, string]>([
    [
      "Unigram, whose vocabulary is a list of scores",
      { type: "Unigram", vocab: [["▁the", -2.5]], unk_id: 0 },
      "is of type Unigram, which the lab does not read; known: BPE, WordLevel, WordPiece",
    ],
    ["BPE without merges", { type: "BPE", vocab: { a: 0 } }, "model.merges: a BPE tokenizer needs its merges"],
    ["an id that is no number", { type: "WordLevel", vocab: { a: "0" } }, "model.vocab.a: Invalid input"],
  ])("%s is refused in words", (_, model, message) => {
    const file = join(mkdtempSync(join(tmpdir(), "tokenizer-")), "tokenizer.json");
    writeFileSync(file, JSON.stringify({ version: "1.0", added_tokens: [], model }));
    expect(() => Tokenizer.read(file)).toThrow(UserError);
    expect(() => Tokenizer.read(file)).toThrow(message);
  });

  test.each([
    ["normalizer", { type: "Rot13" }],
    ["pre_tokenizer", { type: "Telepathy" }],
    ["decoder", { type: "Guess" }],
    ["post_processor", { type: "Sign" }],
  ])("a %s of a kind that is not read is refused in words", (part, value) => {
    const file = join(mkdtempSync(join(tmpdir(), "tokenizer-")), "tokenizer.json");
    writeFileSync(file, JSON.stringify({ ...phraseTokenizer(["red"], []), [part]: value }));
    expect(() => Tokenizer.read(file)).toThrow(UserError);
    expect(() => Tokenizer.read(file)).toThrow(new RegExp(`has a part that is not read .*${value.type}`));
  });

  test("a byte order mark is no content", () => {
    const file = join(mkdtempSync(join(tmpdir(), "tokenizer-")), "tokenizer.json");
    writeFileSync(file, `\ufeff${JSON.stringify(phraseTokenizer(["red"], []))}`);
    expect(Tokenizer.read(file).encode("red")).toEqual([1]);
  });
});

describe("as PyPI's tokenizers 0.23 read it:", () => {
  const text = "  naïve café, a\u0301 chair é ☃ the<ground>CHAIR\tthe_chair 3½ стол";
  const wordLevel = (pre_tokenizer: unknown): Tokenizer =>
    new Tokenizer(
      {
        ...phraseTokenizer(["a", "b", "c", "d", "e"], ["<ground>"]),
        normalizer: null,
        pre_tokenizer,
        model: {
          type: "WordLevel",
          vocab: { "<unk>": 0, naïve: 1, café: 2, "a\u0301": 3, chair: 4, стол: 5 },
          unk_token: "<unk>",
        },
      },
      "made",
    );

  test("words of any script stay whole, alone and in a sequence", () => {
    const wanted = [1, 2, 0, 3, 4, 0, 0, 0, 6, 0, 0, 0, 0, 5];
    const pretokenizers = [{ type: "Whitespace" }, { type: "Digits", individual_digits: true }];
    for (const split of [{ type: "Whitespace" }, { type: "Sequence", pretokenizers }])
      expect(wordLevel(split).encode(text)).toEqual(wanted);
  });

  test("bytes stand for what a vocabulary with byte_fallback does not have", () => {
    const bytes = Object.fromEntries(
      Array.from({ length: 256 }, (_, i) => [`<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`, 1 + i]),
    );
    const made = new Tokenizer(
      {
        ...phraseTokenizer([], []),
        normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
        pre_tokenizer: null,
        model: {
          type: "BPE",
          vocab: { "<unk>": 0, ...bytes, "▁": 257, a: 258, t: 259, at: 260 },
          merges: [["a", "t"]],
          unk_token: "<unk>",
          fuse_unk: true,
          byte_fallback: true,
        },
      },
      "made",
    );
    expect(made.encode("at ☃ é at")).toEqual([260, 257, 227, 153, 132, 257, 196, 170, 257, 260]);
  });

  test.each([
    [
      "a pattern with \\w",
      { pre_tokenizer: { type: "Split", pattern: { Regex: "\\w+" }, behavior: "Removed", invert: true } },
    ],
    ["a pattern with \\d", { normalizer: { type: "Replace", pattern: { Regex: "[\\d]" }, content: "0" } }],
    [
      "model.fuse_unk beside a pre_tokenizer",
      { model: { type: "BPE", vocab: { "<unk>": 0 }, merges: [], unk_token: "<unk>", fuse_unk: true } },
    ],
  ])("%s would give other ids and is refused", (what, change) => {
    const file = join(mkdtempSync(join(tmpdir(), "tokenizer-")), "tokenizer.json");
    writeFileSync(file, JSON.stringify({ ...phraseTokenizer(["red"], []), ...change }));
    expect(() => Tokenizer.read(file)).toThrow(UserError);
    expect(() => Tokenizer.read(file)).toThrow(`has ${what}`);
  });
});

test("the share of words that a vocabulary does not have", () => {
  const t = new Tokenizer(phraseTokenizer(["the chair", "red"], []), "x");
  expect(t.unknownShare(["the chair red", "red sofa"])).toBe(1 / 4);
  expect(t.unknownShare([])).toBe(0);
});

/** An environment with PyPI's `tokenizers`, as .ci/run makes it. */
const python = inProject("data", "cache", "python", "tokenizers", "bin", "python");

describe("Qwen2's real vocabulary", () => {
  let tokenizer: Tokenizer;
  beforeAll(() => {
    tokenizer = new Tokenizer(realQwenTokenizer(), "Qwen2");
  });

  test("151,643 words, three special tokens, and behind them the model's three (spec 2.9)", () => {
    expect(tokenizer.size).toBe(151_649);
    for (const [token, id] of [
      ["<|endoftext|>", 151643],
      ["<|im_start|>", 151644],
      ["<|im_end|>", 151645],
      ["<image>", 151646],
      ["<ground>", 151647],
      ["<coord>", 151648],
    ] as const)
      expect(tokenizer.encode(token)).toEqual([id]);
  });

  test("200 texts have the ids that PyPI's tokenizers gave them", () => {
    const file = inProject("tests", "fixtures", "qwen-tokens.json");
    const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: { text: string; ids: number[] }[] };
    expect(cases.length).toBe(200);
    for (const { text, ids } of cases) expect(tokenizer.encode(text), text).toEqual(ids);
  });

  test.skipIf(!existsSync(python))("5,000 sentences of the rooms and unusual texts, beside PyPI's tokenizers", () => {
    const texts = [...roomSentences(5000), ...unusualTexts];
    const folder = mkdtempSync(join(tmpdir(), "tokenizer-"));
    const file = join(folder, "tokenizer.json");
    writeFileSync(file, JSON.stringify(tokenizer.json));
    const script = inProject("tests", "io", "qwen_tokens.py");
    const printed = execFileSync(python, [script, file], { input: JSON.stringify(texts), maxBuffer: 1e8 });
    rmSync(folder, { recursive: true });
    const wanted = JSON.parse(printed.toString()) as number[][];
    expect(wanted.length).toBe(texts.length);
    texts.forEach((text, i) => expect(tokenizer.encode(text), text).toEqual(wanted[i]));
  });
});
