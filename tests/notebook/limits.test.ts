import { describe, expect, test } from "vitest";
import { checkLimits } from "../../lib/notebook/limits";
import { cell, first, last, notebookOf, thin } from "./sample";

describe("limits", () => {
  test("a thin notebook passes", () => {
    expect(checkLimits("n", thin("const a = [1].map((x) => x + 1);"))).toEqual([]);
  });

  test.each([
    [thin(...Array.from({ length: 13 }, () => "1")), 0, "has 13 code cells, at most 12 are allowed"],
    [thin("1", "a;\n".repeat(16)), 2, "has 16 lines, at most 15 are allowed"],
    [thin("for (let i = 0; i < 3; i++) step(i);"), 1, "has a loop; move it to lib/"],
    [thin("const f = (x: number) => { return x; };"), 1, "has a function of more than one expression; move it to lib/"],
    [
      notebookOf(cell("markdown", "# Title"), last),
      0,
      "must begin with a markdown cell that has a title (# …) and names the preset",
    ],
    [
      notebookOf(first, cell("code", "1")),
      0,
      'must end with a markdown cell that says what was learnt and what it "does not show"',
    ],
  ])("finding %#", (notebook, where, message) => {
    expect(checkLimits("n", notebook)).toEqual([{ notebook: "n", cell: where, message }]);
  });
});
