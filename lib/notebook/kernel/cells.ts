import { createRequire } from "node:module";
import { join } from "node:path";
import { runInThisContext } from "node:vm";
import { UserError } from "../../core/errors";
import { type CellCompiler, type CompiledCell, cellFileName } from "./compiler";
import { compileFailure, type Failure, failureOf, type RanCell } from "./failure";

export interface ReadyCell extends CompiledCell {
  readonly number: number;
}

const load = createRequire(__filename);

/** What a cell's compiled code gets as `exports`: every name of every cell. */
type Names = Record<string, unknown>;

/** Names stay assignable: TypeScript exports an import as a getter, of which the value is taken. */
function assignable(names: Names): Names {
  return new Proxy(names, {
    defineProperty: (_, name, { get, value }) => {
      if (name !== "__esModule") names[String(name)] = get === undefined ? value : get();
      return true;
    },
  });
}

/** The notebook's code: compiles cells, runs them, and keeps their names. */
export class Cells {
  readonly #names: Names;
  readonly #exports: Names;
  readonly #ran = new Map<number, RanCell>();
  readonly #require: (id: string) => unknown;

  /**
   * @param folder the notebook's, where relative imports are looked for before `root`
   * @param given names that are there from the start
   */
  constructor(
    private readonly compiler: CellCompiler,
    private readonly root: string,
    folder: string,
    given: Names = {},
  ) {
    this.#names = { ...given };
    this.#exports = assignable(this.#names);
    this.#require = cellRequire(root, folder);
  }

  compile(code: string, number: number): ReadyCell | Failure {
    const compiled = this.compiler.compile(code);
    if (!("output" in compiled)) return compileFailure(compiled, number, code);
    this.#ran.set(number, { code, place: compiled.place });
    return { ...compiled, number };
  }

  /** Runs a compiled cell to its end. @returns the last expression's value */
  async run(cell: ReadyCell): Promise<unknown> {
    const before = { ...this.#names };
    try {
      await this.#execute(cell);
    } catch (error) {
      this.keepNames(cell, before);
      throw error;
    }
    this.compiler.adopt(cell.declarations);
    return this.#take(cell);
  }

  /** The names as they are, for `keepNames`. */
  names(): Readonly<Names> {
    return { ...this.#names };
  }

  /**
   * After a cell that did not come to its end: what it assigned is known to later cells, and what it only announced
   * keeps the value it had before.
   */
  keepNames(cell: ReadyCell, before: Readonly<Names>): void {
    let adopted = true;
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined || this.#names[name] !== undefined) continue;
      this.#names[name] = value;
      adopted = false;
    }
    this.#take(cell);
    if (adopted) this.compiler.adopt(cell.declarations);
  }

  /** Evaluates an expression of a front end's `user_expressions`; it declares nothing. */
  async evaluate(expression: string): Promise<unknown> {
    const compiled = this.compiler.compile(`(${expression})`);
    if (!("output" in compiled)) throw new SyntaxError(compiled[0]?.message ?? "the expression does not compile");
    const cell = { ...compiled, number: 0 };
    await this.#execute(cell);
    return this.#take(cell);
  }

  failure(thrown: unknown): Failure {
    return failureOf(thrown, this.root, this.#ran);
  }

  #execute({ number, output, awaits }: ReadyCell): unknown {
    // on the first line, so that lines stay as they were compiled
    const head = `(${awaits ? "async " : ""}function(exports, require) { `;
    const body = runInThisContext(`${head}${output}\n})`, {
      filename: cellFileName(number),
      columnOffset: -head.length,
    }) as (exports: Names, require: unknown) => unknown;
    return body(this.#exports, this.#require);
  }

  #take({ lastValue }: ReadyCell): unknown {
    if (lastValue === undefined) return undefined;
    const value = this.#names[lastValue];
    delete this.#names[lastValue];
    return value;
  }
}

/** `require` for cells: relative paths from the notebook's folder, then from the root; packages from the root. */
function cellRequire(root: string, folder: string): (id: string) => unknown {
  const fromFolder = createRequire(join(folder, "cell.ts"));
  const fromRoot = createRequire(join(root, "cell.ts"));
  const resolves = (from: NodeJS.Require, id: string): boolean => {
    try {
      from.resolve(id);
      return true;
    } catch {
      return false;
    }
  };
  return (id) => {
    // the very module that the kernel gave its display to
    if (id === "tslab") return load("tslab");
    if (id.startsWith(".") && resolves(fromFolder, id)) return fromFolder(id);
    if (resolves(fromRoot, id) || !id.startsWith(".")) return fromRoot(id);
    throw new UserError(`"${id}" is neither beside the notebook (${folder}) nor in ${root}`);
  };
}
