/** A cell and notebooks of the allowed form, for tests of what reads notebooks. */
import type { Notebook } from "../../lib/notebook/document";

export const cell = (cell_type: "code" | "markdown", source: string): Notebook["cells"][number] => ({
  cell_type,
  source,
  metadata: {},
});

export const notebookOf = (...cells: Notebook["cells"]): Notebook => ({ cells, metadata: {}, nbformat: 4 });

export const first = cell("markdown", "# Title\n\nPreset: nano");
export const ending = [
  cell("markdown", "## What was learnt"),
  cell("code", "1 + 1"),
  cell("markdown", "This does not show everything."),
];

/** A notebook within the limits around code cells; its ending has one more. */
export const thin = (...code: string[]): Notebook => notebookOf(first, ...code.map((c) => cell("code", c)), ...ending);
