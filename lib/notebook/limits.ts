import ts from "typescript";
import type { Notebook } from "./document";

/** Where a notebook breaks a rule; `cell` counts code cells from 1, 0 is the notebook as a whole. */
export interface Finding {
  readonly notebook: string;
  readonly cell: number;
  readonly message: string;
}

export const maxCodeCells = 12;
export const maxCellLines = 15;

/** Loops and functions with a body belong into lib/, where tests reach them. */
function programming(source: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isWhileStatement(node) || ts.isDoStatement(node) || ts.isForStatement(node) || ts.isForInStatement(node)) {
      found.push("has a loop; move it to lib/");
    } else if (
      ts.isFunctionDeclaration(node) ||
      ts.isFunctionExpression(node) ||
      (ts.isArrowFunction(node) && ts.isBlock(node.body)) ||
      ts.isClassDeclaration(node)
    ) {
      found.push("has a function of more than one expression; move it to lib/");
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile("cell.ts", source, ts.ScriptTarget.ES2022));
  return found;
}

/** The limits that keep a notebook thin: what it computes lies in lib/, what it says frames it. */
export function checkLimits(name: string, notebook: Notebook): Finding[] {
  const findings: Finding[] = [];
  const add = (cell: number, message: string): void => void findings.push({ notebook: name, cell, message });
  const { cells } = notebook;
  const code = cells.filter((c) => c.cell_type === "code");
  if (code.length > maxCodeCells) add(0, `has ${code.length} code cells, at most ${maxCodeCells} are allowed`);
  code.forEach((cell, i) => {
    const lines = cell.source.trimEnd().split("\n").length;
    if (lines > maxCellLines) add(i + 1, `has ${lines} lines, at most ${maxCellLines} are allowed`);
    for (const message of programming(cell.source)) add(i + 1, message);
  });
  const first = cells[0];
  if (first?.cell_type !== "markdown" || !/^# \S/.test(first.source) || !/preset/i.test(first.source)) {
    add(0, "must begin with a markdown cell that has a title (# …) and names the preset");
  }
  const [learnt, computed, last] = cells.slice(-3);
  if (
    learnt?.cell_type !== "markdown" ||
    !/learnt/i.test(learnt.source) ||
    computed?.cell_type !== "code" ||
    last?.cell_type !== "markdown" ||
    !/does not show/i.test(last.source)
  )
    add(
      0,
      "must end with a markdown cell that announces what was learnt, a code cell that computes it, and a markdown " +
        'cell that says what it "does not show"',
    );
  return findings;
}
