import { describe, expect, test } from "vitest";
import { typeCheck } from "../../lib/notebook/type-check";
import { thin } from "./sample";

describe("type check", () => {
  test("finds the cell and line of an error, and lets cells share names and await", () => {
    const notebook = thin(
      'import { lab } from "./lib";',
      "const a = await Promise.resolve(1);",
      "a;\na.length;",
      "lab.study(3);",
    );
    expect(typeCheck(new Map([["n", notebook]]))).toEqual([
      { notebook: "n", cell: 3, message: "line 2: Property 'length' does not exist on type 'number'." },
      {
        notebook: "n",
        cell: 4,
        message: "line 1: Argument of type 'number' is not assignable to parameter of type 'string'.",
      },
    ]);
  });
});
