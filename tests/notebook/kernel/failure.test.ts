import { describe, expect, test } from "vitest";
import { UserError } from "../../../lib/core/errors";
import { failureOf } from "../../../lib/notebook/kernel/failure";

describe("failures", () => {
  test("a user's mistake has no stack, an error's stack ends at the cell", () => {
    expect(failureOf(new UserError("no such preset"), "/p")).toEqual({
      ename: "UserError",
      evalue: "no such preset",
      traceback: ["UserError: no such preset"],
    });
    const error = new TypeError("x");
    error.stack =
      "TypeError: x\n    at f (/p/lib/a.ts:3:1)\n    at node:internal/x:1\n" +
      "    at evalmachine.<anonymous>:2:1\n    at kernel (/p/lib/k.ts:1:1)";
    expect(failureOf(error, "/p").traceback).toEqual(["TypeError: x", "    at f (lib/a.ts:3:1)", "    at this cell"]);
    expect(failureOf("text", "/p")).toEqual({ ename: "Thrown", evalue: "text", traceback: ["Thrown: text"] });
  });
});
