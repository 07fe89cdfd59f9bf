import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import ts from "typescript";
import { projectRoot } from "../../lib/core/root";

export interface Import {
  readonly from: string;
  /** As written. */
  readonly specifier: string;
  /** Project file it leads to; undefined for a package. */
  readonly to: string | undefined;
  /** Gone after compilation. */
  readonly typeOnly: boolean;
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  const clause = node.importClause;
  if (clause === undefined) return false;
  const named = clause.namedBindings;
  const allNamedAreTypes =
    clause.name === undefined &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.length > 0 &&
    named.elements.every((e) => e.isTypeOnly);
  return clause.isTypeOnly || allNamedAreTypes;
}

function resolve(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const target = posix.join(posix.dirname(from), specifier);
  return [target, `${target}.ts`, `${target}.mts`, `${target}.cjs`, `${target}/index.ts`].find(
    (path) => /\.\w+$/.test(path) && existsSync(join(projectRoot(), path)),
  );
}

/** Every import, re-export, dynamic import, require and type import of a source text, by TypeScript's own parser. */
export function importsOf(path: string, text = readFileSync(join(projectRoot(), path), "utf8")): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node | undefined, typeOnly: boolean): void => {
    if (node === undefined || !ts.isStringLiteralLike(node)) return;
    found.push({ from: path, specifier: node.text, to: resolve(path, node.text), typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node));
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    else if (ts.isCallExpression(node)) {
      const callee = node.expression;
      if (callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === "require"))
        add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.ES2022));
  return found;
}

/**
 * One cycle of a directed graph as the list of its nodes, the first repeated at the end; undefined when there is none.
 */
export function findCycle(graph: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (node: string): string[] | undefined => {
    if (finished.has(node)) return undefined;
    const at = trail.indexOf(node);
    if (at !== -1) return [...trail.slice(at), node];
    trail.push(node);
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next);
      if (cycle !== undefined) return cycle;
    }
    trail.pop();
    finished.add(node);
    return undefined;
  };
  for (const node of graph.keys()) {
    const cycle = visit(node);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** The graph whose edges are the given pairs; an edge from a node to itself is left out. */
export function graphOf(edges: Iterable<readonly [string, string]>): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const [from, to] of edges) {
    if (from === to) continue;
    graph.set(from, (graph.get(from) ?? new Set<string>()).add(to));
  }
  return graph;
}
