import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { phraseTokenizer, Tokenizer } from "../../lib/io/tokenizer";

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
});
