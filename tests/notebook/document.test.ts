import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatNotebook, readNotebook } from "../../lib/notebook/document";
import { thin } from "./sample";

describe("documents", () => {
  test("are written as Jupyter writes them: keys sorted, indent 1, texts as lines", () => {
    const notebook = thin("const a = 1;\na");
    notebook.cells[1]!.outputs = [{ output_type: "stream", name: "stdout", text: "x\ny" }];
    const text = formatNotebook(notebook);
    expect(
      text.startsWith(
        '{\n "cells": [\n  {\n   "cell_type": "markdown",\n   "metadata": {},\n   "source": [\n    "# Title\\n",',
      ),
    ).toBe(true);
    expect(JSON.parse(text).cells[1]).toEqual({
      cell_type: "code",
      execution_count: null,
      metadata: {},
      source: ["const a = 1;\n", "a"],
      outputs: [{ name: "stdout", output_type: "stream", text: ["x\n", "y"] }],
    });
  });

  test("a damaged or old file is an error that names it", () => {
    const folder = mkdtempSync(join(tmpdir(), "s2-notebook-"));
    try {
      const file = join(folder, "a.ipynb");
      writeFileSync(file, "{");
      expect(() => readNotebook(file)).toThrow(/^notebook .*a\.ipynb cannot be read: /);
      writeFileSync(file, '{"cells": [], "metadata": {}, "nbformat": 3}');
      expect(() => readNotebook(file)).toThrow(/a\.ipynb is not in nbformat 4: nbformat: /);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
