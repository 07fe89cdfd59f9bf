import type { DataType } from "@tensorflow/tfjs-core";
import { BackendError } from "../errors";
import { isDtype, type Numbers, type Program, type ProgramInputs, Value } from "../ir";
import type { Lowerings } from "../lower/emission";
import type { Target } from "../lower/graph";
import { lowerProgram } from "../lower/lower";
import { ROUNDED, withPrecision } from "../lower/rules/common";
import { type Compiled, compile } from "./compile";
import { DeviceMemory } from "./device-memory";
import { firstNaN } from "./first-nan";
import { GraphCache } from "./graph-cache";
import { HostMemory } from "./host-memory";
import type { Memory } from "./memory";
import type { Provider } from "./provider";
import { defaultSettings, type OrtSettings, type OrtStats } from "./settings";
import { structureOf } from "./structure";
import { Transfer } from "./transfer";

/** Settings that make other sessions of the same operations. */
const SHAPING = [
  "threads",
  "debug",
  "strict",
  "precision",
  "cudaGraph",
  "profile",
] as const satisfies readonly (keyof OrtSettings)[];

/** A program about to run: the key of its graph, what it takes in and what it fills. */
export interface Run extends ProgramInputs {
  readonly key: string;
  readonly roots: readonly Value[];
}

/**
 * Runs programs on a provider. Each is lowered and compiled once; its graph is then found by the program's exact
 * structure.
 */
export class Executor {
  readonly memory: Memory;
  readonly #graphs = new GraphCache((graph) => this.memory.end(graph));
  #settings: OrtSettings = defaultSettings();
  #observer: ((run: Run) => void) | undefined;

  constructor(
    private readonly provider: Provider,
    private readonly lowerings: Lowerings,
    private readonly stats: OrtStats,
  ) {
    this.memory =
      provider.memory === "host"
        ? new HostMemory(this.#settings.poolBytes)
        : new DeviceMemory(
            new Transfer(provider, () => this.#settings, stats),
            stats,
            () => provider.capturesRuns && this.#settings.cudaGraph,
          );
  }

  get settings(): Readonly<OrtSettings> {
    return this.#settings;
  }

  /** How many compiled graphs are kept. */
  get cached(): number {
    return this.#graphs.size;
  }

  configure(change: Partial<OrtSettings>): void {
    const { engine, precisions } = this.provider;
    if (change.precision !== undefined && !precisions.includes(change.precision))
      throw new BackendError(`${engine} has no ${change.precision}; it computes in ${precisions.join(" or ")}`, 2);
    const before = this.#settings;
    this.#settings = { ...before, ...change };
    this.memory.limit(this.#settings.poolBytes);
    if (SHAPING.some((name) => this.#settings[name] !== before[name])) this.#graphs.shrink(0);
    else this.#graphs.shrink(this.#settings.sessionBytes);
  }

  /** A value with a copy of these numbers. */
  write(numbers: Numbers, shape: number[], dtype: DataType): Value {
    if (!isDtype(dtype)) {
      const what = `tensors of type ${dtype} are not supported (shape [${shape.join(", ")}])`;
      throw new BackendError(`${this.provider.engine}: ${what}; use float32, int32 or bool, or run with S2_ENGINE=cpu`);
    }
    const value = new Value(shape, dtype);
    this.memory.write(value, numbers);
    return value;
  }

  /** Takes note that a value's numbers never change. */
  freeze(value: Value): void {
    this.memory.freeze(value, ROUNDED[this.#settings.precision]);
  }

  /** Fills a program's roots. */
  run(program: Program): void {
    const { key, ...taken } = structureOf(program);
    let compiled = this.#graphs.find(key);
    if (compiled === undefined) {
      const start = performance.now();
      const lowered = lowerProgram(program, taken, this.lowerings, this.#target());
      this.#graphs.shrink(Math.max(0, this.#settings.sessionBytes - lowered.bytes));
      compiled = compile(lowered, this.provider, this.#settings);
      this.#graphs.add(key, compiled);
      this.stats.graphsCompiled++;
      this.stats.compileMs += performance.now() - start;
    }
    this.#observer?.({ key, ...taken, roots: program.roots });
    this.#execute(compiled, taken.leaves, program.roots);
    this.stats.opsRun += program.ops.length;
    if (this.#settings.debug) this.#tellFirstNaN(program, taken);
  }

  /** Runs a graph that ran before on these leaves; undefined when it is no longer kept. */
  rerun(key: string, leaves: readonly Value[], like: readonly Pick<Value, "shape" | "dtype">[]): Value[] | undefined {
    const compiled = this.#graphs.find(key);
    if (compiled === undefined) return undefined;
    const roots = like.map(({ shape, dtype }) => new Value(shape, dtype));
    this.#execute(compiled, leaves, roots, true);
    this.stats.repeats++;
    return roots;
  }

  /** Runs `f`; `observer` is told of every program just before it runs. */
  observed<T>(observer: (run: Run) => void, f: () => T): T {
    this.#observer = observer;
    try {
      return f();
    } finally {
      this.#observer = undefined;
    }
  }

  /** Gives up a hold on a value; its memory is free when nobody else holds it. */
  release(value: Value): void {
    if (--value.storage.references > 0) return;
    this.free(value);
  }

  /** Frees a value that nobody holds, and the graphs that have its numbers in them. */
  free(value: Value): void {
    if (value.storage.frozen > 0) this.#graphs.forget(value);
    this.memory.free(value);
  }

  dispose(): void {
    this.#graphs.shrink(0);
    this.memory.clear();
  }

  #execute(compiled: Compiled, leaves: readonly Value[], roots: readonly Value[], repeated = false): void {
    this.memory.run(compiled, leaves, roots, repeated);
    this.stats.runMs += compiled.lastMs;
    this.stats.runs++;
  }

  #target(): Target {
    const { rules, scatterAdds, pretransposes, piece } = this.provider;
    const { precision, threads } = this.#settings;
    return {
      rules: withPrecision(rules, precision),
      scatterAdds: scatterAdds(threads),
      pretransposes,
      piece: piece(threads),
    };
  }

  /** Says on stderr which operation makes the first NaN of a program whose results have one. */
  #tellFirstNaN(program: Program, taken: ProgramInputs): void {
    const { engine } = this.provider;
    try {
      const text = firstNaN(program, taken, this.memory, (roots) =>
        compile(
          lowerProgram({ ops: program.ops, roots }, taken, this.lowerings, this.#target()),
          this.provider,
          this.#settings,
        ),
      );
      if (text !== undefined) process.stderr.write(`${engine}: ${text}\n`);
    } catch (error) {
      // the results are right all the same
      process.stderr.write(`${engine}: looking for the first NaN failed: ${(error as Error).message}\n`);
    }
  }
}
