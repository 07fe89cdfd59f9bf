import { join } from "node:path";
import ts from "typescript";
import { UserError } from "../core/errors";
import { projectRoot } from "../core/root";
import type { Notebook } from "./document";
import type { Finding } from "./limits";

/** A notebook's code cells as one module, and for each of its lines the cell it came from. */
function moduleOf(notebook: Notebook): { text: string; places: { cell: number; line: number }[] } {
  const lines = ["export {};"];
  const places = [{ cell: 0, line: 0 }];
  notebook.cells
    .filter((c) => c.cell_type === "code")
    .forEach((cell, i) => {
      cell.source.split("\n").forEach((text, k) => {
        lines.push(text);
        places.push({ cell: i + 1, line: k + 1 });
      });
    });
  return { text: lines.join("\n"), places };
}

/**
 * Type-checks notebooks with the project's own compiler and settings: the cells of each, one after another, are a
 * module in the project root, where the kernel runs them.
 */
export function typeCheck(notebooks: ReadonlyMap<string, Notebook>): Finding[] {
  const root = projectRoot();
  const settings = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  if (settings.error !== undefined)
    throw new UserError(`tsconfig.json: ${ts.flattenDiagnosticMessageText(settings.error.messageText, " ")}`);
  const { options } = ts.parseJsonConfigFileContent(settings.config, ts.sys, root);
  // a cell may define what only a reader tries out
  const checked: ts.CompilerOptions = { ...options, noEmit: true, noUnusedLocals: false, noUnusedParameters: false };
  const modules = new Map(
    [...notebooks].map(([name, notebook]) => [join(root, `notebook-${name}.ts`), { name, ...moduleOf(notebook) }]),
  );
  const host = ts.createCompilerHost(checked);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => modules.has(file) || fileExists(file);
  host.readFile = (file) => modules.get(file)?.text ?? readFile(file);
  host.getSourceFile = (file, target, ...rest) => {
    const module = modules.get(file);
    return module === undefined ? getSourceFile(file, target, ...rest) : ts.createSourceFile(file, module.text, target);
  };
  const program = ts.createProgram([...modules.keys()], checked, host);
  return [...modules].flatMap(([file, { name, places }]) => {
    const source = program.getSourceFile(file)!;
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map((d) => {
      const { line } = source.getLineAndCharacterOfPosition(d.start ?? 0);
      const place = places[line] ?? { cell: 0, line: 0 };
      return {
        notebook: name,
        cell: place.cell,
        message: `line ${place.line}: ${ts.flattenDiagnosticMessageText(d.messageText, " ")}`,
      };
    });
  });
}
