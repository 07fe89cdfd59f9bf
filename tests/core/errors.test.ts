import { describe, expect, test } from "vitest";
import { closest, UserError, unknownName } from "../../lib/core/errors";

describe("closest", () => {
  test.each([
    ["nanno", ["nano", "small"], "nano"],
    ["noattn", ["no-attn", "no-lg"], "no-attn"],
    ["nano", ["nano"], "nano"],
    ["", ["ab", "a"], "a"],
  ])("%s among %j is %s", (name, known, expected) => {
    expect(closest(name, known)).toBe(expected);
  });

  test("nothing comes near", () => {
    expect(closest("zzzzzz", ["nano", "small"])).toBeUndefined();
    expect(closest("nano", [])).toBeUndefined();
  });
});

describe("unknownName", () => {
  test("names kind, name, suggestion and what is known; wrong usage by default", () => {
    const error = unknownName("preset", "nanno", ["nano", "small"]);
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toBe('preset "nanno" is unknown (did you mean "nano"?); known: nano, small');
    expect(error.exitCode).toBe(2);
  });

  test("no suggestion when nothing is near", () => {
    expect(unknownName("split", "zzzzzz", ["train"], 1)).toMatchObject({
      message: 'split "zzzzzz" is unknown; known: train',
      exitCode: 1,
    });
  });
});
