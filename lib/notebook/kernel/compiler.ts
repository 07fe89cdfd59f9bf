import { readFileSync } from "node:fs";
import { createRequire, SourceMap, type SourceMapPayload } from "node:module";
import { join } from "node:path";
import type { Converter } from "tslab/dist/converter";
import type ts from "typescript";
import { type CellSource, cellSource } from "./cell-source";
import { replaceCompiler, type TslabCompiler, tslabCompiler, type WatchHost } from "./internals";

/** A place in a cell; line and column count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface CompiledCell {
  /** The body of a function of `exports` and `require`. */
  readonly output: string;
  /** Types of all names known after the cell. */
  readonly declarations: string;
  readonly awaits: boolean;
  /** The name under which the last expression's value is exported. */
  readonly lastValue: string | undefined;
  /** Where in the cell a place of `output` comes from. */
  place(output: Place): Place | undefined;
}

export interface CompileError extends Place {
  readonly message: string;
}

/** The file name that a cell's code has in stacks. */
export const cellFileName = (number: number): string => `cell ${number}`;

const load = createRequire(__filename);
const unwatched = { close(): void {} };
/** Packages that only the inside of lib/ uses: their types (2 MB for the browser driver alone) are not read. */
const inner = /\/node_modules\/(playwright-core|protobufjs|sharp|onnxruntime-[a-z]+|@webgpu\/types)\/.*\.d\.[cm]?ts$/;
const cellFile = /\/__(tslab__|prev__\.d)\.ts$/;
const earlierCells = /\/__prev__\.d\.ts$/;
const mapComment = /\n\/\/# sourceMappingURL=.*\n?$/;
/** TypeScript's number of the error "File is not under 'rootDir'". */
const notUnderRoot = 6059;
/** Types of the names that a notebook has from its start: a question to whoever sits before it. */
const given = "declare function prompt(question?: string, preset?: string): string;\n";
/** tslab puts `export {};` in a line of its own before each cell. */
const linesBefore = 1;

/**
 * Makes `{ name }` of an earlier cell's name `{ name: exports.name }`, also where it is assigned to. tslab does so with
 * names in all other places.
 */
function longhand(compiler: typeof ts, checker: ts.TypeChecker): ts.TransformerFactory<ts.SourceFile> {
  const { factory } = compiler;
  return (context) => {
    const visit = (node: ts.Node): ts.Node => {
      const seen = compiler.visitEachChild(node, visit, context);
      if (!compiler.isShorthandPropertyAssignment(node) || !compiler.isShorthandPropertyAssignment(seen)) return seen;
      const declared = checker.getShorthandAssignmentValueSymbol(node)?.declarations ?? [];
      if (!declared.some((declaration) => earlierCells.test(declaration.getSourceFile().fileName))) return seen;
      const value = factory.createPropertyAccessExpression(factory.createIdentifier("exports"), seen.name.text);
      const byDefault = seen.objectAssignmentInitializer;
      const assigned = byDefault === undefined ? value : factory.createAssignment(value, byDefault);
      return compiler.setTextRange(factory.createPropertyAssignment(seen.name.text, assigned), node);
    };
    return (file) => compiler.visitNode(file, visit) as ts.SourceFile;
  };
}

/** Compiles cells one after another with tslab's converter; each knows the names of those before it. */
export class CellCompiler {
  readonly #compiler: typeof ts & TslabCompiler;
  readonly #converter: Converter;
  /** Source maps of the cell that was compiled last: to ES modules, and from there to CommonJS. */
  readonly #maps: string[] = [];
  #declarations = given;

  /**
   * @param root where `./lib` is found
   * @param folder the notebook's, where relative imports are looked for first
   */
  constructor(
    private readonly root: string,
    private folder = root,
  ) {
    this.#compiler = tslabCompiler();
    this.#adaptCompiler();
    // loaded after the replacement
    const { createConverter } = load("tslab/dist/converter") as typeof import("tslab/dist/converter");
    this.#converter = createConverter({ isJS: false, isBrowser: false });
  }

  /** Forgets all names, for the next notebook. */
  reset(folder: string): void {
    this.folder = folder;
    this.#declarations = given;
  }

  get typescript(): typeof ts {
    return this.#compiler;
  }

  /** Compiles one cell. What it declares is known to later cells after `adopt`. */
  compile(code: string): CompiledCell | readonly CompileError[] {
    const { text, awaits } = this.#source(code);
    const {
      diagnostics,
      output = "",
      declOutput,
      lastExpressionVar,
    } = this.#converter.convert(this.#declarations, text);
    if (diagnostics.length > 0) {
      return diagnostics.map(({ start, messageText, fileName }) => ({
        line: start.line + 1,
        column: start.character + 1,
        message: fileName === undefined ? messageText : `${fileName}: ${messageText}`,
      }));
    }
    const maps = this.#maps.map((map) => new SourceMap(JSON.parse(map) as SourceMapPayload)).reverse();
    const place = (at: Place): Place | undefined => {
      let { line, column } = { line: at.line - 1, column: at.column - 1 };
      for (const map of maps) {
        const entry = map.findEntry(line, column);
        if (!("originalLine" in entry)) return undefined;
        ({ originalLine: line, originalColumn: column } = entry);
      }
      return { line: line + 1 - linesBefore, column: column + 1 };
    };
    return { output, declarations: declOutput ?? "", awaits, lastValue: lastExpressionVar, place };
  }

  adopt(declarations: string): void {
    this.#declarations = declarations;
  }

  /** Names that fit at an offset of UTF-16 units, and what they would replace. */
  complete(code: string, offset: number): { start: number; end: number; candidates: string[] } {
    return this.#converter.complete(this.#declarations, this.#source(code).text, offset);
  }

  inspect(code: string, offset: number): ts.QuickInfo | undefined {
    return this.#converter.inspect(this.#declarations, this.#source(code).text, offset) as ts.QuickInfo | undefined;
  }

  close(): void {
    this.#converter.close();
  }

  #source(code: string): CellSource {
    return cellSource(this.#compiler, code);
  }

  /**
   * Makes tslab's bundled compiler suitable for this project. Must run before tslab is loaded.
   *
   * - Cells are checked strictly and packages resolve through their `exports` and the `paths` of the project's own
   *   tsconfig; relative imports are looked for from the notebook's folder, then from the project's root.
   * - The types of imported sources are read (so completion works), but they are neither checked nor compiled again
   *   with every notebook: stock tslab would run its own older compiler over the whole of lib/. At run time the import
   *   goes to Node's require, where tsx compiles one file at a time and caches the result.
   * - Files are not watched: a loaded module does not change either, and tslab fails ("pending rebuildTimer") on the
   *   next cell when a file changes under it. After an edit of lib/, restart the kernel.
   * - Both steps of the compilation write source maps, for tracebacks.
   */
  #adaptCompiler(): void {
    const compiler = this.#compiler;
    const { root } = this;
    const settings = compiler.readConfigFile(join(root, "tsconfig.json"), (file) => readFileSync(file, "utf8"));
    // a project that has the lab as a package may be without
    const { paths } = (settings.config as { compilerOptions?: ts.CompilerOptions } | undefined)?.compilerOptions ?? {};
    const createHost = compiler.createWatchCompilerHost;
    const sys = Object.assign(Object.create(compiler.sys) as ts.System, { getCurrentDirectory: () => root });

    const createWatchCompilerHost: TslabCompiler["createWatchCompilerHost"] = (roots, given, ...rest) => {
      const options: ts.CompilerOptions = {
        ...given,
        ...{ strict: true, moduleResolution: compiler.ModuleResolutionKind.Bundler, types: ["node"] },
        ...{ baseUrl: root, paths, sourceMap: true, disableTopLevelAwait: false },
      };
      const host = createHost(roots, options, ...rest);
      const { watchFile } = host;
      const readFile = host.readFile.bind(host);
      host.readFile = (file, encoding) => (inner.test(file) ? "export {};" : readFile(file, encoding));
      host.watchFile = (file, ...rest) => (cellFile.test(file) ? watchFile(file, ...rest) : unwatched);
      host.watchDirectory = () => unwatched;
      host.resolveModuleNameLiterals = this.#resolver(host);
      let created: WatchHost["afterProgramCreate"];
      Object.defineProperty(host, "afterProgramCreate", {
        get: () => (builder: ts.EmitAndSemanticDiagnosticsBuilderProgram) => {
          const all = builder.getAllDependencies.bind(builder);
          const emit = builder.emit.bind(builder);
          builder.getAllDependencies = (file) => all(file).filter((name) => cellFile.test(name));
          const before = [longhand(compiler, builder.getProgram().getTypeChecker())];
          builder.emit = (file, write, token, onlyTypes, transformers) =>
            emit(
              file,
              (name, text, ...more) => {
                if (name.endsWith(".map")) this.#maps[0] = text;
                else write?.(name, text.replace(mapComment, "\n"), ...more);
              },
              token,
              onlyTypes,
              { ...transformers, before },
            );
          created?.(builder);
        },
        set: (callback: WatchHost["afterProgramCreate"]) => (created = callback),
      });
      return host;
    };
    const transpileModule: typeof ts.transpileModule = (input, { compilerOptions, ...rest }) => {
      const made = compiler.transpileModule(input, {
        ...rest,
        compilerOptions: { ...compilerOptions, sourceMap: true },
      });
      this.#maps[1] = made.sourceMapText ?? "";
      return { ...made, outputText: made.outputText.replace(mapComment, "\n") };
    };
    // a notebook may import a source beside it, wherever it lies
    const { getPreEmitDiagnosticsOfFiles } = compiler;
    const filesDiagnostics: TslabCompiler["getPreEmitDiagnosticsOfFiles"] = (...args) =>
      getPreEmitDiagnosticsOfFiles(...args).filter(({ code }) => code !== notUnderRoot);
    replaceCompiler({
      sys,
      createWatchCompilerHost,
      transpileModule,
      getPreEmitDiagnosticsOfFiles: filesDiagnostics,
    });
  }

  /** Resolves a cell's relative imports from the notebook's folder first. */
  #resolver(host: ts.ModuleResolutionHost): ts.CompilerHost["resolveModuleNameLiterals"] {
    const compiler = this.#compiler;
    const cache = compiler.createModuleResolutionCache(this.root, (name) => name);
    return (literals, containing, redirected, options) =>
      literals.map(({ text }) => {
        const from = (file: string): ts.ResolvedModuleWithFailedLookupLocations =>
          compiler.resolveModuleName(text, file, options, host, cache, redirected);
        if (!cellFile.test(containing) || !text.startsWith(".")) return from(containing);
        const beside = from(join(this.folder, "cell.ts"));
        return beside.resolvedModule === undefined ? from(containing) : beside;
      });
  }
}
