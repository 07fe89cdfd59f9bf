import { inspect } from "node:util";
import type { ConverterSet, Executor } from "tslab/dist/executor";
import { compileFailure, type Failure, failureOf } from "./failure";

export interface CellResult {
  readonly failure?: Failure;
  /** Text of the last expression's value. */
  readonly value?: string;
}

/** The format in which tslab 1.0.22 prints a compile error; anything else that it prints is a thrown value. */
const compileFormat = "%s%d:%d - %s";

/** Runs cells with tslab's executor and says properly what became of them. */
export class Cells {
  readonly #executor: Executor;
  #failure: Failure | undefined;
  #value: string | undefined;
  #running = false;
  #compileErrors: string[] = [];
  /** A failure outside of any awaited code, such as an unhandled rejection. */
  #stray: Failure | undefined;

  constructor(private readonly root: string) {
    // loaded here, after prepareCompiler has changed the compiler that tslab brings
    const { createConverter } = require("tslab/dist/converter") as typeof import("tslab/dist/converter");
    const { createExecutor } = require("tslab/dist/executor") as typeof import("tslab/dist/executor");
    const node = createConverter({ isJS: false, isBrowser: false });
    const converters: ConverterSet = { node, browser: node, close: () => node.close() };
    this.#executor = createExecutor(root, converters, {
      log: (value: unknown) => {
        this.#value = typeof value === "string" ? value : inspect(value, { depth: 4, maxArrayLength: 50 });
      },
      error: (first: unknown, ...rest: unknown[]) => {
        if (first === compileFormat) {
          const [file, line, column, message] = rest;
          this.#compileErrors.push(`${String(file)}line ${String(line)}, column ${String(column)}: ${String(message)}`);
          this.#failure = compileFailure([...this.#compileErrors]);
        } else {
          this.#failure = failureOf(first, root);
        }
      },
    });
  }

  /** Runs one cell to its end. */
  async run(code: string): Promise<CellResult> {
    if (this.#stray !== undefined) return this.#takeStray("an earlier cell left work behind that failed: ");
    this.#compileErrors = [];
    this.#failure = undefined;
    this.#value = undefined;
    this.#running = true;
    try {
      const ok = await this.#executor.execute(code);
      // rejections nobody handles are announced after the microtasks of the turn in which they happen
      await new Promise((resolve) => setImmediate(resolve));
      if (!ok) return { failure: this.#failure ?? compileFailure([]) };
      if (this.#stray !== undefined) return this.#takeStray("not awaited: ");
      return this.#value === undefined ? {} : { value: this.#value };
    } catch (error) {
      return { failure: failureOf(error, this.root) };
    } finally {
      this.#running = false;
      this.#stray = undefined;
    }
  }

  #takeStray(prefix: string): CellResult {
    const { ename, evalue, traceback } = this.#stray!;
    this.#stray = undefined;
    const [head = "", ...rest] = traceback;
    return { failure: { ename, evalue: `${prefix}${evalue}`, traceback: [`${prefix}${head}`, ...rest] } };
  }

  /** Records an unhandled rejection or exception: it fails the running cell, or else the next one. */
  stray(thrown: unknown): void {
    this.#stray ??= failureOf(thrown, this.root);
  }

  get running(): boolean {
    return this.#running;
  }

  /** Stops waiting for the running cell's asynchronous work. */
  interrupt(): void {
    this.#executor.interrupt();
  }

  inspect(code: string, position: number): string | undefined {
    const { printQuickInfo } = require("tslab/dist/inspect") as typeof import("tslab/dist/inspect");
    const info = this.#executor.inspect(code, position) as Parameters<typeof printQuickInfo>[0] | undefined;
    return info === undefined ? undefined : printQuickInfo(info);
  }

  complete(code: string, position: number): { start: number; end: number; candidates: string[] } {
    return this.#executor.complete(code, position);
  }

  isComplete(code: string): { completed: boolean; indent?: string } {
    const { isCompleteCode } = require("tslab/dist/converter") as typeof import("tslab/dist/converter");
    return isCompleteCode(code);
  }

  close(): void {
    this.#executor.close();
  }
}
