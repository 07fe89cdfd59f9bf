import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { formatNotebook, readNotebook } from "../../lib/notebook/document";
import { notebookNames, notebookPath } from "../../lib/notebook/folder";
import { checkLimits } from "../../lib/notebook/limits";
import { typeCheck } from "../../lib/notebook/type-check";

describe("the project's notebooks", () => {
  const notebooks = new Map(notebookNames().map((n) => [n, readNotebook(notebookPath(n))]));

  // the kernel's compiler checks every cell anew: 14 s of one core
  test("are there, thin, and type-check", { timeout: 300_000 }, () => {
    expect([...notebooks.keys()]).toContain("00-tour");
    expect([...notebooks].flatMap(([name, notebook]) => checkLimits(name, notebook))).toEqual([]);
    expect(typeCheck(notebooks)).toEqual([]);
  });

  test("name the project's kernel, and are stored as the runner stores them", () => {
    for (const [name, notebook] of notebooks) {
      expect(notebook.metadata.kernelspec?.name, name).toBe("s2mllm");
      expect(formatNotebook(notebook) === readFileSync(notebookPath(name), "utf8"), name).toBe(true);
    }
  });

  test("are found by number, name or path", () => {
    expect(notebookPath("00")).toBe(notebookPath("00-tour"));
    expect(notebookPath("00-tour.ipynb")).toBe(notebookPath("00-tour"));
    expect(() => notebookPath("00-toor")).toThrow('notebook "00-toor" is unknown (did you mean "00-tour"?)');
  });
});
