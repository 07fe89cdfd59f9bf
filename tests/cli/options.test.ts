import { describe, expect, test } from "vitest";
import { HelpRequest, helpText, listOf, oneOf, parseOptions, wholeNumber, wrongUsage } from "../../lib/cli/options";
import { UserError } from "../../lib/core/errors";

const spec = {
  name: "train",
  positionals: "[FOLDER]",
  about: "Trains one run.",
  options: {
    preset: { type: String, alias: "p", value: "NAME", help: "sizes" },
    set: { type: [String], value: "PATH=VALUE", help: "change one value" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const;

test("reads values, repeated options and positionals; what is not given is undefined, or []", () => {
  const { values, positionals } = parseOptions(spec, ["-p", "nano", "--set", "a=1", "out", "--set=b=2"]);
  expect(values).toEqual({ preset: "nano", set: ["a=1", "b=2"] });
  expect(values.json).toBeUndefined();
  expect([...positionals]).toEqual(["out"]);
  expect(parseOptions(spec, []).values).toEqual({ set: [] });
});

test("what stands behind -- is no option, and a value may hold = and spaces", () => {
  const { values, positionals } = parseOptions(spec, ["--set", "data.folder=a b=c", "--", "--json"]);
  expect(values).toEqual({ set: ["data.folder=a b=c"] });
  expect([...positionals]).toEqual(["--json"]);
});

test("a reader turns the text into the option's value, and names the option when it cannot", () => {
  const numbered = {
    name: "study",
    about: "Runs.",
    options: {
      seeds: { type: listOf(wholeNumber()), help: "seeds" },
      keep: { type: oneOf("model", "adapter", "both"), help: "what is kept" },
    },
  } as const;
  expect(parseOptions(numbered, ["--seeds", "0,1, 2", "--keep=both"]).values).toEqual({
    seeds: [0, 1, 2],
    keep: "both",
  });
  const message = (...args: string[]): string => {
    try {
      parseOptions(numbered, args);
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };
  expect(message("--seeds", "0,,2")).toBe('--seeds takes a whole number of at least 0, got ""');
  expect(message("--keep", "all")).toBe('--keep takes model, adapter, both, got "all"');
  // the next option is no value
  expect(message("--seeds", "--keep", "both")).toMatch(/^study: Option '--seeds <value>' argument missing\n/);
  expect(message("--seeds", "-1")).toMatch(/^study: Option '--seeds <value>' argument missing\n/);
});

test("--help and -h ask for the text", () => {
  for (const flag of ["--help", "-h"]) {
    expect(() => parseOptions(spec, ["-p", "nano", flag])).toThrow(HelpRequest);
  }
  expect(helpText(spec)).toBe(
    [
      "usage: s2mllm train [FOLDER] [options]",
      "",
      "Trains one run.",
      "",
      "options:",
      "  -p, --preset NAME  sizes",
      "  --set PATH=VALUE   change one value (may be repeated)",
      "  --json             print one JSON document",
      "  -h, --help         show this text",
      "",
    ].join("\n"),
  );
});

describe("wrong usage ends with 2, the message and the usage line", () => {
  const strict = { name: spec.name, about: spec.about, options: spec.options };
  test.each([
    [
      "an unknown option, with a suggestion",
      ["--presett", "nano"],
      'train: unknown option "--presett" (did you mean "--preset"?)',
    ],
    ["an unknown short option", ["-x"], 'train: unknown option "-x"'],
    ["a missing value", ["--preset"], "train: Option '-p, --preset <value>' argument missing"],
    ["a value for a switch", ["--json=yes"], "train: Option '--json' does not take an argument"],
    ["a stray argument", ["folder"], "train: Unexpected argument 'folder'"],
  ])("%s", (_name, args, message) => {
    let error: unknown;
    try {
      parseOptions(strict, args);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).exitCode).toBe(2);
    expect((error as UserError).message.startsWith(message), (error as UserError).message).toBe(true);
    expect((error as UserError).message).toContain("\nusage: s2mllm train [options]\n");
  });

  test("a command's own complaint takes the same form", () => {
    expect(wrongUsage(spec, "--resume and --fresh exclude each other")).toMatchObject({
      exitCode: 2,
      message:
        "train: --resume and --fresh exclude each other\nusage: s2mllm train [FOLDER] [options]\n(s2mllm train " +
        "--help lists the options)",
    });
  });
});

describe("whole numbers", () => {
  test("read", () => {
    expect(wholeNumber()("0")).toBe(0);
    expect(wholeNumber(1)("1e3")).toBe(1000);
    expect(listOf(wholeNumber())("0,1,2")).toEqual([0, 1, 2]);
  });

  test.each(["", " ", "x", "1.5", "-1", "NaN", "9007199254740993"])("%j is refused", (text) => {
    expect(() => wholeNumber()(text)).toThrow(`takes a whole number of at least 0, got "${text}"`);
  });

  test("the least value and each part of a list are checked", () => {
    expect(() => wholeNumber(1)("0")).toThrow('takes a whole number of at least 1, got "0"');
    expect(() => listOf(wholeNumber())("0,,2")).toThrow('takes a whole number of at least 0, got ""');
  });
});
