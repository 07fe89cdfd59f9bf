import { projectRoot } from "../core/root";
import type { Notebook } from "./document";
import { CellCompiler } from "./kernel/compiler";
import type { Finding } from "./limits";

/**
 * Type-checks notebooks as the kernel does: cell after cell, with its compiler, each knowing the names before it. So
 * whatever the kernel accepts passes here, and nothing else. Cells behind an error are checked without its names.
 *
 * @param notebooks by name
 * @param folders where each lies, for imports beside it; the project's root unless given
 */
export function typeCheck(
  notebooks: ReadonlyMap<string, Notebook>,
  folders: ReadonlyMap<string, string> = new Map(),
): Finding[] {
  const compiler = new CellCompiler(projectRoot());
  try {
    return [...notebooks].flatMap(([name, notebook]) => {
      compiler.reset(folders.get(name) ?? projectRoot());
      const code = notebook.cells.filter((cell) => cell.cell_type === "code");
      return code.flatMap(({ source }, i) => {
        const compiled = compiler.compile(source);
        if ("output" in compiled) {
          compiler.adopt(compiled.declarations);
          return [];
        }
        return compiled.map(({ line, message }) => ({
          notebook: name,
          cell: i + 1,
          message: `line ${line}: ${message}`,
        }));
      });
    });
  } finally {
    compiler.close();
  }
}
