import { describe, expect, test } from "vitest";
import type { Notebook } from "../../lib/notebook/document";
import { readParameters, withParameters } from "../../lib/notebook/parameters";
import { cell, notebookOf } from "./sample";

const parameters = 'const seed = 0, train = false;\nlet preset = "nano" as string;\nconst seeds = [0, 1];';
const notebook: Notebook = notebookOf(
  cell("markdown", "# Title"),
  { ...cell("code", parameters), metadata: { tags: ["parameters"] } },
  cell("code", "seed"),
);
const given = (values: Record<string, string>): Notebook =>
  withParameters("n", notebook, new Map(Object.entries(values)));

describe("parameters", () => {
  test("stand in a cell of their own behind the notebook's, with the kind of the value there", () => {
    const { cells } = given({ seed: "-3", train: "true", preset: 'a "b"', seeds: "[2]" });
    expect(cells.map(({ source }) => source)).toEqual([
      "# Title",
      parameters,
      '// Parameters\nconst seed = -3;\nconst train = true;\nconst preset = "a \\"b\\"";\nconst seeds = [2];',
      "seed",
    ]);
    expect(cells[2]!.metadata.tags).toEqual(["injected-parameters"]);
  });

  test("given again, they replace those of before", () => {
    const again = withParameters("n", given({ seed: "1" }), new Map([["seed", "2"]]));
    expect(again.cells).toHaveLength(4);
    expect(again.cells[2]!.source).toContain("const seed = 2;");
  });

  test("without any, the notebook is as it was", () => {
    expect(given({})).toBe(notebook);
  });

  test.each([
    [{ sead: "1" }, 'notebook n has no parameter "sead" (did you mean "seed"?); it has: seed, train, preset, seeds'],
    [{ seed: "x" }, 'parameter seed takes a number, got "x"'],
    [{ seed: "" }, 'parameter seed takes a number, got ""'],
    [{ train: "1" }, 'parameter train takes true or false, got "1"'],
    [{ seeds: "[1" }, 'parameter seeds takes JSON, such as [0, 1] or "text" in quotes, got "[1"'],
  ])("refused: %j", (values, message) => {
    expect(() => given(values as Record<string, string>)).toThrow(message);
  });

  test("a notebook without a cell of parameters takes none", () => {
    expect(() => withParameters("n", notebookOf(cell("code", "1")), new Map([["seed", "1"]]))).toThrow(
      'notebook n takes no parameters: none of its cells is tagged "parameters"',
    );
  });

  test("are read from NAME=VALUE", () => {
    expect([...readParameters(["a=1", "b=x=y", "c="])]).toEqual([
      ["a", "1"],
      ["b", "x=y"],
      ["c", ""],
    ]);
    expect(() => readParameters(["a"])).toThrow('-p takes NAME=VALUE, got "a"');
    expect(() => readParameters(["a=1", "a=2"])).toThrow("parameter a is given twice");
  });
});
