import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inProject } from "../../lib/core/root";
import type { Notebook } from "../../lib/notebook/document";
import { currentInputs, inputFiles, markStale, staleCells, stamped } from "../../lib/notebook/stale";
import { cell, notebookOf } from "./sample";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2-stale-"));
  process.env.S2_RESULTS = join(folder, "results");
});
afterEach(() => {
  delete process.env.S2_RESULTS;
  rmSync(folder, { recursive: true });
});

const inputs = { code: "c", rows: "r" };
const three = (second = "2"): Notebook =>
  notebookOf(cell("markdown", "# Title"), cell("code", "1"), cell("code", second), cell("code", "3"));

describe("stale cells", () => {
  const made = stamped(three(), inputs, true);

  test("none are there after a run, whatever the words around the cells become", () => {
    expect(staleCells(made, inputs, true)).toEqual([]);
    const reworded = { ...made, cells: [cell("markdown", "# Other"), ...made.cells.slice(1)] };
    expect(staleCells(reworded, inputs, true)).toEqual([]);
  });

  test("a changed cell, and those below it, are named", () => {
    const changed = { ...made, cells: three("2 + 2").cells };
    expect(staleCells(changed, inputs).map(({ cell }) => cell)).toEqual([2, 3]);
  });

  test.each([
    [{ ...inputs, code: "other" }, "lib/ or a package has changed"],
    [{ ...inputs, rows: "other" }, "there are other results"],
  ])("other inputs %#", (now, why) => {
    expect(staleCells(made, now)).toEqual([1, 2, 3].map((n) => ({ cell: n, why })));
  });

  test("pictures that could be drawn now are missing", () => {
    const bare = stamped(three(), inputs, false);
    expect(staleCells(bare, inputs, false)).toEqual([]);
    expect(staleCells(bare, inputs, true)).toHaveLength(3);
  });

  test("nothing is known of a notebook that did not run here", () => {
    expect(staleCells(three(), inputs)[0]?.why).toBe("it is not known what its outputs were made from");
  });

  test("are tagged, and the tag goes when they are fresh", () => {
    const marked = markStale(made, [{ cell: 2, why: "x" }]);
    expect(marked.cells.map(({ metadata }) => metadata.tags)).toEqual([undefined, undefined, ["stale"], undefined]);
    expect(markStale(marked, []).cells).toEqual(made.cells);
  });
});

describe("the inputs", () => {
  test("change with a file's content, its name, and a file more", () => {
    const [a, b] = [join(folder, "a.json"), join(folder, "b.json")];
    writeFileSync(a, "1");
    writeFileSync(b, "1");
    const of = (...rows: string[]): string => currentInputs({ code: [], rows }).rows;
    const base = of(a);
    expect(of(a)).toBe(base);
    expect(of(b)).not.toBe(base);
    expect(of(a, b)).not.toBe(base);
    writeFileSync(a, "2");
    expect(of(a)).not.toBe(base);
  });

  test("are code, packages, rows, answers and attention maps, and no half-written file", () => {
    const results = process.env.S2_RESULTS!;
    const made = [
      "table5.jsonl",
      "answers/0123456789ab-val-gt.json.gz",
      "attention/0123456789ab/b.json",
      "runs/0123456789ab/rows.jsonl",
      "table5.jsonl.12.tmp",
    ].map((name) => join(results, name));
    for (const file of made) {
      mkdirSync(join(file, ".."), { recursive: true });
      writeFileSync(file, "");
    }
    const { code, rows } = inputFiles();
    const start = inProject("lib", "notebook", "kernels", "s2mllm", "start.cjs");
    expect(code).toEqual(expect.arrayContaining([inProject("package-lock.json"), inProject("lib", "index.ts"), start]));
    expect(rows).toEqual(expect.arrayContaining(made.slice(0, 4)));
    expect(rows).not.toContain(made[4]);
  });
});
