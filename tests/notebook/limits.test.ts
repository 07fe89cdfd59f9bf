import { describe, expect, test } from "vitest";
import type { Notebook } from "../../lib/notebook/document";
import { checkLimits } from "../../lib/notebook/limits";
import { cell, ending, first, notebookOf, thin } from "./sample";

describe("limits", () => {
  test("a thin notebook passes", () => {
    expect(checkLimits("n", thin("const a = [1].map((x) => x + 1);"))).toEqual([]);
  });

  test.each([
    [thin(...Array.from({ length: 12 }, () => "1")), 0, "has 13 code cells, at most 12 are allowed"],
    [thin("1", "a;\n".repeat(16)), 2, "has 16 lines, at most 15 are allowed"],
    [thin("for (let i = 0; i < 3; i++) step(i);"), 1, "has a loop; move it to lib/"],
    [thin("const f = (x: number) => { return x; };"), 1, "has a function of more than one expression; move it to lib/"],
    [
      notebookOf(cell("markdown", "# Title"), ...ending),
      0,
      "must begin with a markdown cell that has a title (# …) and names the preset",
    ],
    ...[
      notebookOf(first, cell("code", "1")),
      // typed by hand, not computed
      notebookOf(first, cell("markdown", "What was learnt: 3 points. It does not show more.")),
    ].map((notebook): [Notebook, number, string] => [
      notebook,
      0,
      "must end with a markdown cell that announces what was learnt, a code cell that computes it, and a markdown " +
        'cell that says what it "does not show"',
    ]),
  ])("finding %#", (notebook, where, message) => {
    expect(checkLimits("n", notebook)).toEqual([{ notebook: "n", cell: where, message }]);
  });
});
