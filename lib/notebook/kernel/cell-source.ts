import type ts from "typescript";

/** What a cell becomes before it is compiled. */
export interface CellSource {
  /** As many lines and, but for re-exports, columns as the cell. */
  readonly text: string;
  /** Whether it awaits outside of any function. */
  readonly awaits: boolean;
}

/** Makes the parser take the text as a module, in which `await` is a keyword. */
const prefix = "export {};";

function awaitsOutsideFunctions(compiler: typeof ts, node: ts.Node): boolean {
  if (compiler.isAwaitExpression(node)) return true;
  if (compiler.isForOfStatement(node) && node.awaitModifier !== undefined) return true;
  if (compiler.isFunctionLike(node) || compiler.isClassLike(node)) return false;
  return compiler.forEachChild(node, (child) => awaitsOutsideFunctions(compiler, child) || undefined) ?? false;
}

/**
 * A cell's code without its exports, which mean nothing in a notebook: every name of a cell is known to the next one.
 * `export const a = 1` stays as `const a = 1`, `export { a } from "m"` becomes an import, `export { a }` disappears.
 *
 * @param compiler the one that compiles the cell afterwards
 */
export function cellSource(compiler: typeof ts, code: string): CellSource {
  const file = compiler.createSourceFile("cell.ts", prefix + code, compiler.ScriptTarget.ES2022, true);
  let text = code;
  const blank = (from: number, to: number, by = ""): void => {
    const start = from - prefix.length;
    const end = to - prefix.length;
    const kept = text.slice(start, end).replace(/[^\n]/g, " ").slice(by.length);
    text = text.slice(0, start) + by + kept + text.slice(end);
  };
  // from the end, so that a text that grows moves nothing that is still to be changed
  for (const statement of [...file.statements].slice(1).reverse()) {
    const start = statement.getStart(file);
    if (compiler.isExportDeclaration(statement)) {
      const from = statement.moduleSpecifier;
      if (from === undefined) blank(start, statement.end);
      else if (statement.exportClause === undefined) blank(start, from.getStart(file), "import ");
      else blank(start, statement.exportClause.getStart(file), statement.isTypeOnly ? "import type " : "import ");
      continue;
    }
    if (compiler.isExportAssignment(statement)) {
      blank(start, statement.expression.getStart(file));
      continue;
    }
    const modifiers = compiler.canHaveModifiers(statement) ? (compiler.getModifiers(statement) ?? []) : [];
    const exported = modifiers.filter(
      ({ kind }) => kind === compiler.SyntaxKind.ExportKeyword || kind === compiler.SyntaxKind.DefaultKeyword,
    );
    const last = exported.at(-1);
    if (last === undefined) continue;
    // a function or class without a name is no statement of its own
    const nameless = compiler.isFunctionDeclaration(statement) || compiler.isClassDeclaration(statement);
    blank(start, last.end, nameless && statement.name === undefined ? "void" : "");
  }
  return { text, awaits: file.statements.some((s) => awaitsOutsideFunctions(compiler, s)) };
}
