import { describe, expect, test } from "vitest";
import { UserError } from "../../../lib/core/errors";
import { compileFailure, failureOf } from "../../../lib/notebook/kernel/failure";

/** An error as node reports it, with the given frames. */
function thrown(error: Error, ...frames: string[]): Error {
  error.stack = [`${error.name}: ${error.message}`, ...frames.map((frame) => `    at ${frame}`)].join("\n");
  return error;
}

/** Two cells whose compiled lines are one below the written ones. */
const cells = new Map(
  [3, 4].map((n) => [
    n,
    {
      code: `first of ${n};\n  second of ${n};`,
      place: (at: { line: number; column: number }) => ({ ...at, line: at.line - 1 }),
    },
  ]),
);

describe("failures", () => {
  test("an error names the cells, lines and texts it passed, and ends at the last cell", () => {
    const error = thrown(
      new TypeError("x"),
      "f (/p/lib/a.ts:3:1)",
      "node:internal/x:1",
      "Proxy.g (cell 3:3:1)",
      "async Promise.all (index 0)",
      "cell 4:2:1",
      "kernel (/p/lib/notebook/kernel/k.ts:1:1)",
    );
    expect(failureOf(error, "/p", cells).traceback).toEqual([
      "TypeError: x",
      "    at f (lib/a.ts:3:1)",
      "    at g (cell 3, line 2)",
      "        second of 3;",
      "    at async Promise.all (index 0)",
      "    at cell 4, line 1",
      "        first of 4;",
    ]);
  });

  test("a user's mistake shows the cell, not where in lib/ it was noticed", () => {
    const error = thrown(new UserError("no such preset"), "resolve (/p/lib/config/resolve.ts:3:1)", "cell 3:2:1");
    expect(failureOf(error, "/p", cells)).toEqual({
      ename: "UserError",
      evalue: "no such preset",
      traceback: ["UserError: no such preset", "    at cell 3, line 1", "        first of 3;"],
    });
  });

  test("causes and the errors of an AggregateError are shown", () => {
    const cause = thrown(new RangeError("inner"), "cell 3:3:1");
    const outer = thrown(new Error("outer", { cause }), "cell 4:2:1");
    expect(failureOf(outer, "/p", cells).traceback.slice(3)).toEqual([
      "caused by: RangeError: inner",
      "    at cell 3, line 2",
      "        second of 3;",
    ]);
    const both = thrown(new AggregateError([cause, "text"], "two"), "cell 4:2:1");
    expect(failureOf(both, "/p", cells).traceback.filter((line) => line.startsWith("error"))).toEqual([
      "error 1 of 2: RangeError: inner",
      "error 2 of 2: 'text'",
    ]);
  });

  test("thrown values that are no errors are shown", () => {
    expect(failureOf("text", "/p")).toEqual({ ename: "Thrown", evalue: "text", traceback: ["Thrown: text"] });
    expect(failureOf({ code: 3, deep: { list: [1] } }, "/p").evalue).toBe("{ code: 3, deep: { list: [ 1 ] } }");
    expect(failureOf(undefined, "/p").evalue).toBe("undefined");
  });

  test("a compile error stands with its line and a mark under its column", () => {
    const errors = [{ line: 2, column: 3, message: "Cannot find name 'b'." }];
    expect(compileFailure(errors, 7, "a;\n  b;")).toEqual({
      ename: "TypeScript",
      evalue: "line 2, column 3: Cannot find name 'b'.",
      traceback: ["cell 7, line 2, column 3: Cannot find name 'b'.", "      b;", "      ^"],
    });
  });
});
