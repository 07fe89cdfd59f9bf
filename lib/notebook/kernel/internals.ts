/** What node and tslab's copy of the compiler have but do not declare: the one file of this room that casts. */
import { createRequire } from "node:module";
import type ts from "typescript";

const load = createRequire(__filename);

/** Node's record of nested callbacks. */
export interface AsyncWrap {
  readonly async_hook_fields: Uint32Array;
  readonly constants: { readonly kCheck: number; readonly kTotals: number };
  clearAsyncIdStack(): void;
}

/** Deprecated, but there is no other way to it; the warning would stand under a cell. */
export function nodeAsyncWrap(): AsyncWrap {
  const silent = process.noDeprecation;
  process.noDeprecation = true;
  try {
    return (process as unknown as { binding(name: string): AsyncWrap }).binding("async_wrap");
  } finally {
    process.noDeprecation = silent ?? false;
  }
}

/** Objects whose `setImmediate` cells may call: those with callbacks, and the one that gives promises. */
export function immediateOwners(): { callbacks: Record<string, unknown>[]; promises: Record<string, unknown> } {
  const owners = [globalThis, load("node:timers"), load("node:timers/promises")] as unknown as Record<
    string,
    unknown
  >[];
  return { callbacks: owners.slice(0, 2), promises: owners[2]! };
}

type Watch = (path: string, ...rest: unknown[]) => { close(): void };

/** The parts of TypeScript's watch API that the kernel changes. */
export interface WatchHost extends ts.ModuleResolutionHost {
  readFile(path: string, encoding?: string): string | undefined;
  watchFile: Watch;
  watchDirectory: Watch;
  resolveModuleNameLiterals?: ts.CompilerHost["resolveModuleNameLiterals"];
  afterProgramCreate?: (builder: ts.EmitAndSemanticDiagnosticsBuilderProgram) => void;
}

/** What tslab takes from its copy of the compiler (TypeScript 5.0) and the kernel changes. */
export interface TslabCompiler {
  createWatchCompilerHost(roots: unknown, options: ts.CompilerOptions, ...rest: unknown[]): WatchHost;
  getPreEmitDiagnosticsOfFiles(...args: unknown[]): readonly ts.Diagnostic[];
  transpileModule: typeof ts.transpileModule;
  sys: ts.System;
}

const compilerName = "@tslab/typescript-for-tslab";

export function tslabCompiler(): typeof ts & TslabCompiler {
  return load(compilerName) as unknown as typeof ts & TslabCompiler;
}

/** Gives tslab another compiler when it is loaded after this; exports are read-only, so the whole is replaced. */
export function replaceCompiler(changes: Partial<TslabCompiler>): void {
  load.cache[load.resolve(compilerName)]!.exports = { ...tslabCompiler(), ...changes };
}
