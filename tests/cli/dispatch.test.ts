import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Commands, dispatch, usage } from "../../lib/cli/dispatch";
import { parseOptions } from "../../lib/cli/options";
import { UserError } from "../../lib/core/errors";

let out: string;
let err: string;
beforeEach(() => {
  out = err = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((err += String(text)), true));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const loaded: string[] = [];
const commands: Commands = {
  greet: {
    about: "says hello",
    load: async () => {
      loaded.push("greet");
      return {
        run: async (args) => {
          parseOptions({ name: "greet", about: "Says hello.", options: {} }, args);
          return 0;
        },
      };
    },
  },
  grumble: {
    about: "fails",
    load: async () => ({
      run: async ([how]) => {
        if (how === "data") throw new UserError("scene0000_00: no depth folder; run data make");
        if (how === "usage") throw new UserError("--seed takes a number", 2);
        if (how === "defect") throw new TypeError("x is undefined");
        return 1;
      },
    }),
  },
};

test("runs the named command, loads no other, and returns its status", async () => {
  expect(await dispatch(["grumble"], commands)).toBe(1);
  expect(loaded).toEqual([]);
  expect(await dispatch(["greet"], commands)).toBe(0);
  expect(loaded).toEqual(["greet"]);
  expect(out + err).toBe("");
});

describe("usage", () => {
  test("lists each command with its line", () => {
    expect(usage(commands)).toContain("  greet    says hello\n  grumble  fails\n");
  });

  test.each(["--help", "-h", "help"])("%s prints it to stdout and ends with 0", async (word) => {
    expect(await dispatch([word], commands)).toBe(0);
    expect(out).toBe(usage(commands));
    expect(err).toBe("");
  });

  test("an unknown command is wrong usage, with a suggestion", async () => {
    expect(await dispatch(["gret"], commands)).toBe(2);
    expect(err).toBe(`unknown command "gret" (did you mean "greet"?)\n\n${usage(commands)}`);
    expect(out).toBe("");
  });

  test("so is none, and a name that every object has", async () => {
    expect(await dispatch([], commands)).toBe(2);
    expect(err).toBe(`no command given\n\n${usage(commands)}`);
    err = "";
    expect(await dispatch(["toString"], commands)).toBe(2);
    expect(err).toContain('unknown command "toString"');
  });

  test("a command's own --help ends with 0", async () => {
    expect(await dispatch(["greet", "--help"], commands)).toBe(0);
    expect(out).toMatch(/^usage: s2mllm greet \[options\]\n\nSays hello\.\n/);
  });
});

describe("errors", () => {
  test("a user's mistake is its message, without a stack, and its own status", async () => {
    expect(await dispatch(["grumble", "data"], commands)).toBe(1);
    expect(err).toBe("error: scene0000_00: no depth folder; run data make\n");
    err = "";
    expect(await dispatch(["grumble", "usage"], commands)).toBe(2);
    expect(err).toBe("error: --seed takes a number\n");
    expect(out).toBe("");
  });

  test("S2_DEBUG=1 shows the stack", async () => {
    vi.stubEnv("S2_DEBUG", "1");
    expect(await dispatch(["grumble", "data"], commands)).toBe(1);
    expect(err).toMatch(/^UserError: scene0000_00: no depth folder.*\n {4}at /);
  });

  test("a defect shows its stack and ends with 1", async () => {
    expect(await dispatch(["grumble", "defect"], commands)).toBe(1);
    expect(err).toMatch(/^TypeError: x is undefined\n {4}at /);
  });
});
