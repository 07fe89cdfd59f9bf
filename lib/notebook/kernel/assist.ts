import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type ts from "typescript";
import { ablations } from "../../config/ablations";
import { presets } from "../../config/presets";
import { resolveConfig } from "../../config/resolve";
import { studies } from "../../studies/definitions";
import type { CellCompiler } from "./compiler";
import type { Command } from "./threads";

type Question = Extract<Command, { code: string; offset: number }>;
type Content = Readonly<Record<string, unknown>>;

interface Matches {
  readonly start: number;
  readonly end: number;
  readonly matches: readonly string[];
}

/** Errors that more text may mend although they are not at the end: an open template string, an open comment. */
const openCodes = new Set([1160, 1010]);
/** A string that its line's end cuts off is no unfinished input. */
const cutString = 1002;
const prefix = "export {};";

/** What a front end asks about code that is being written: completion, inspection, whether it is complete. */
export class Assistant {
  constructor(
    private readonly compiler: CellCompiler,
    private readonly root: string,
    private readonly folder: string,
  ) {}

  answer({ type, code, offset }: Question): Content {
    if (type === "is-complete") return this.#completeness(code);
    if (type === "inspect") {
      const data = this.inspection(code, offset);
      return { status: "ok", found: data !== undefined, data: data ?? {}, metadata: {} };
    }
    const { start, end, matches } = this.#inString(code, offset) ?? this.#names(code, offset);
    return { status: "ok", matches, cursor_start: start, cursor_end: end, metadata: {} };
  }

  #completeness(code: string): Content {
    const { typescript } = this.compiler;
    const compilerOptions = { target: typescript.ScriptTarget.ES2022, module: typescript.ModuleKind.ESNext };
    const { diagnostics = [] } = typescript.transpileModule(prefix + code, {
      fileName: "cell.ts",
      reportDiagnostics: true,
      compilerOptions,
    });
    if (diagnostics.length === 0) return { status: "complete" };
    const end = prefix.length + code.trimEnd().length;
    const open = ({ code: number, start = 0 }: ts.Diagnostic): boolean =>
      number !== cutString && (start >= end || openCodes.has(number));
    if (!diagnostics.every(open)) return { status: "invalid" };
    const line = code.trimEnd().split("\n").at(-1) ?? "";
    const indent = /^\s*/.exec(line)![0] + (/[[({]$|=>$/.test(line) ? "  " : "");
    return { status: "incomplete", indent };
  }

  /** What is known of the name at an offset, as a MIME bundle. */
  inspection(code: string, offset: number): Content | undefined {
    const info = this.compiler.inspect(code, offset) ?? this.#enclosingCall(code, offset);
    const { printQuickInfo } = createRequire(__filename)("tslab/dist/inspect") as typeof import("tslab/dist/inspect");
    return info === undefined ? undefined : { "text/plain": readable(printQuickInfo(info as never)) };
  }

  /** Between the parentheses of a call, and where nothing else stands, the function is meant. */
  #enclosingCall(code: string, offset: number): ts.QuickInfo | undefined {
    const { typescript } = this.compiler;
    const file = this.#parse(code);
    let callee: ts.Node | undefined;
    const visit = (node: ts.Node): void => {
      if (offset < node.pos || offset > node.end) return;
      if ((typescript.isCallExpression(node) || typescript.isNewExpression(node)) && offset > node.expression.end)
        callee = node.expression;
      typescript.forEachChild(node, visit);
    };
    visit(file);
    return callee === undefined ? undefined : this.compiler.inspect(code, callee.end - 1);
  }

  #names(code: string, offset: number): Matches {
    const { start, end, candidates } = this.compiler.complete(code, offset);
    return { start, end, matches: candidates };
  }

  /** Inside a string: what the lab knows under the argument's or the property's name, else names of files. */
  #inString(code: string, offset: number): Matches | undefined {
    const { typescript } = this.compiler;
    const file = this.#parse(code);
    let literal: ts.StringLiteralLike | undefined;
    const visit = (node: ts.Node): void => {
      if (typescript.isStringLiteralLike(node) && offset > node.getStart(file)) {
        const closed = /^(["'`])[\s\S]*\1$/.test(node.getText(file)) && node.getText(file).length > 1;
        if (offset <= (closed ? node.end - 1 : node.end)) literal = node;
      }
      typescript.forEachChild(node, visit);
    };
    visit(file);
    if (literal === undefined) return undefined;
    const start = literal.getStart(file) + 1;
    const typed = code.slice(start, offset);
    const end = start + literal.text.length;
    const known = this.#knownNames(literal);
    if (known !== undefined) return { start, end, matches: known.filter((name) => name.startsWith(typed)) };
    const slash = typed.lastIndexOf("/") + 1;
    const isImport = typescript.isImportDeclaration(literal.parent) || typescript.isExportDeclaration(literal.parent);
    const files = this.#files(typed.slice(0, slash), isImport).filter((name) => name.startsWith(typed.slice(slash)));
    return { start: start + slash, end, matches: files };
  }

  #knownNames(literal: ts.StringLiteralLike): readonly string[] | undefined {
    const { typescript } = this.compiler;
    const parent = typescript.isArrayLiteralExpression(literal.parent) ? literal.parent.parent : literal.parent;
    if (typescript.isPropertyAssignment(parent)) return namesFor(parent.name.getText());
    if (!typescript.isCallExpression(parent)) return undefined;
    const callee = parent.expression;
    const name = typescript.isPropertyAccessExpression(callee) ? callee.name.text : callee.getText();
    // lab.ask(run, "scene…"): the scene is named after the run
    if (parent.arguments.indexOf(literal) > 0)
      return /^(ask|attention|errors)$/.test(name) ? namesFor("scene") : undefined;
    return namesFor(name);
  }

  #files(path: string, isImport: boolean): string[] {
    for (const base of [this.folder, this.root]) {
      try {
        const entries = readdirSync(join(base, path), { withFileTypes: true });
        return entries
          .filter(({ name }) => !name.startsWith("."))
          .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
          .map((name) => (isImport ? name.replace(/\.ts$/, "") : name))
          .sort();
      } catch {
        // not there: the next one
      }
    }
    return [];
  }

  #parse(code: string): ts.SourceFile {
    const { typescript } = this.compiler;
    return typescript.createSourceFile("cell.ts", code, typescript.ScriptTarget.ES2022, true);
  }
}

/** Names of scenes that nano's data folder holds. */
function scenes(): string[] {
  const folder = join(resolveConfig({ preset: "nano" }).data.folder);
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .map((path) => path.slice(dirname(path).length).replace(/^[\\/]/, ""))
      .filter((name) => /^scene\d{4}_\d{2}$/.test(name))
      .sort();
  } catch {
    return [];
  }
}

/** The lab's names that belong under a property or argument of this name. */
function namesFor(name: string): readonly string[] | undefined {
  if (/^(study|results?)$/.test(name)) return Object.keys(studies);
  if (name === "preset") return Object.keys(presets);
  if (/^(variants?|ablation)$/.test(name)) return ["full", ...Object.keys(ablations)].sort();
  return name === "scene" ? scenes() : undefined;
}

/** A type that is too long for a line with each member in a line of its own. */
function readable(text: string): string {
  const [signature = "", ...rest] = text.split("\n\n");
  if (signature.length <= 100) return text;
  let depth = 0;
  const broken = signature.replace(/\{ |; (?!\})|;? \}/g, (token) => {
    if (token === "{ ") return `{\n${"  ".repeat(++depth)}`;
    if (token === "; ") return depth === 0 ? token : `;\n${"  ".repeat(depth)}`;
    return `\n${"  ".repeat(Math.max(0, --depth))}}`;
  });
  return [broken, ...rest].join("\n\n");
}
