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

  test("show only what Jupyter's front ends and VS Code draw by themselves, also where scripts may not run", () => {
    const rich = ["text/html", "text/markdown", "image/png", "text/plain"];
    // what VS Code shows in a folder that is not trusted
    const safe = ["image/png", "text/markdown", "text/plain"];
    for (const [name, { cells }] of notebooks)
      for (const output of cells.flatMap(({ outputs = [] }) => outputs)) {
        if (output.output_type !== "display_data" && output.output_type !== "execute_result") continue;
        const types = Object.keys(output.data);
        expect(rich, name).toEqual(expect.arrayContaining(types));
        expect(
          safe.some((type) => types.includes(type)),
          `${name}: ${types.join(", ")}`,
        ).toBe(true);
        // neither sanitiser leaves a frame or a handler standing
        const html = [output.data["text/html"] ?? ""].flat().join("");
        expect(html, name).not.toMatch(/<(?:iframe|object|embed|link|form)\b|\son\w+=/);
        if (html.includes("data-live")) expect(html, name).toMatch(/data-live="[0-9a-f]+"><(?:img alt="|p>)/);
      }
  });

  test("are found by number, name or path", () => {
    expect(notebookPath("00")).toBe(notebookPath("00-tour"));
    expect(notebookPath("00-tour.ipynb")).toBe(notebookPath("00-tour"));
    expect(() => notebookPath("00-toor")).toThrow('notebook "00-toor" is unknown (did you mean "00-tour"?)');
  });
});
