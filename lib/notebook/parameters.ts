import ts from "typescript";
import { suggestion, UserError } from "../core/errors";
import type { Notebook, NotebookCell } from "./document";

/** Tags of cells, as papermill names them. */
const parametersTag = "parameters";
const injectedTag = "injected-parameters";

type Kind = "number" | "boolean" | "string" | "json";

/** A notebook's parameters: names and kinds of the values in its cell tagged "parameters". */
function declared(cell: NotebookCell): Map<string, Kind> {
  const found = new Map<string, Kind>();
  const file = ts.createSourceFile("parameters.ts", cell.source, ts.ScriptTarget.ES2022, true);
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name, initializer } of statement.declarationList.declarations)
      if (ts.isIdentifier(name) && initializer !== undefined) found.set(name.text, kindOf(initializer));
  }
  return found;
}

function kindOf(value: ts.Expression): Kind {
  if (ts.isAsExpression(value) || ts.isSatisfiesExpression(value)) return kindOf(value.expression);
  if (ts.isNumericLiteral(value) || ts.isPrefixUnaryExpression(value)) return "number";
  if (value.kind === ts.SyntaxKind.TrueKeyword || value.kind === ts.SyntaxKind.FalseKeyword) return "boolean";
  return ts.isStringLiteralLike(value) ? "string" : "json";
}

/** The TypeScript literal of a value given as text. @throws UserError naming parameter and kind */
function literal(name: string, text: string, kind: Kind): string {
  const wrong = (expected: string): UserError => new UserError(`parameter ${name} takes ${expected}, got "${text}"`, 2);
  if (kind === "string") return JSON.stringify(text);
  if (kind === "number") {
    if (text.trim() === "" || !Number.isFinite(Number(text))) throw wrong("a number");
    return String(Number(text));
  }
  if (kind === "boolean") {
    if (text !== "true" && text !== "false") throw wrong("true or false");
    return text;
  }
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    throw wrong('JSON, such as [0, 1] or "text" in quotes');
  }
}

const tagged = (cell: NotebookCell, tag: string): boolean => cell.metadata.tags?.includes(tag) === true;

/**
 * A notebook with other values for its parameters: a cell tagged "injected-parameters" behind the one tagged
 * "parameters", which it overrides, as papermill does it; an injected cell that is there already gives way.
 *
 * @param values text by name; read as the kind of the value that stands in the notebook
 * @throws UserError for a notebook without parameters, an unknown name, and a value of another kind
 */
export function withParameters(name: string, notebook: Notebook, values: ReadonlyMap<string, string>): Notebook {
  if (values.size === 0) return notebook;
  const cells = notebook.cells.filter((cell) => !tagged(cell, injectedTag));
  const at = cells.findIndex((cell) => cell.cell_type === "code" && tagged(cell, parametersTag));
  if (at < 0) throw new UserError(`notebook ${name} takes no parameters: none of its cells is tagged "parameters"`, 2);
  const known = declared(cells[at]!);
  const lines = [...values].map(([key, text]) => {
    const kind = known.get(key);
    if (kind === undefined) {
      const names = [...known.keys()];
      throw new UserError(
        `notebook ${name} has no parameter "${key}"${suggestion(key, names)}; it has: ${names.join(", ")}`,
        2,
      );
    }
    return `const ${key} = ${literal(key, text, kind)};`;
  });
  const injected: NotebookCell = {
    ...(cells[at]!.id === undefined ? {} : { id: injectedTag }),
    cell_type: "code",
    metadata: { tags: [injectedTag] },
    source: `// Parameters\n${lines.join("\n")}`,
    outputs: [],
    execution_count: null,
  };
  return { ...notebook, cells: cells.toSpliced(at + 1, 0, injected) };
}

/** `name=value` as given on a command line. @throws UserError for anything else, and for a name given twice */
export function readParameters(given: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (const text of given) {
    const [, name, value] = /^([A-Za-z_$][\w$]*)=([\s\S]*)$/.exec(text) ?? [];
    if (name === undefined || value === undefined) throw new UserError(`-p takes NAME=VALUE, got "${text}"`, 2);
    if (values.has(name)) throw new UserError(`parameter ${name} is given twice`, 2);
    values.set(name, value);
  }
  return values;
}
