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

describe("UserError", () => {
  class Expected extends Error {
    readonly expected = true;
    readonly exitCode = 1;
  }
  class DamagedFile extends UserError {}

  test("counts errors that a package marks as expected, and only those", () => {
    expect(new Expected("no GPU") instanceof UserError).toBe(true);
    expect(new DamagedFile("cut short") instanceof UserError).toBe(true);
    expect(new Error("a bug") instanceof UserError).toBe(false);
  });

  test("its subclasses stay apart", () => {
    expect(new Expected("no GPU") instanceof DamagedFile).toBe(false);
    expect(new UserError("no file") instanceof DamagedFile).toBe(false);
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
