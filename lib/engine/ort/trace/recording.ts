import { type Dtype, type Op, type Program, sizeOf, Value, viewOf } from "../ir";
import type { OrtSettings, OrtStats } from "../runtime/settings";
import { tracedAt } from "./caller";
import type { TensorData } from "./tensor-data";

/** JSON writes infinities and NaN as null and -0 as 0; operations that differ in one of them are not the same. */
function exactNumber(_key: string, value: unknown): unknown {
  return typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))
    ? `number ${Object.is(value, -0) ? "-0" : value}`
    : value;
}

/** Numbers for operations: equal where kernel, attributes and the outputs' types and shapes are. */
class Signatures {
  readonly #known = new Map<string, number>();

  of(kernel: string, attrs: object, outs: readonly { dtype: Dtype; shape: number[] }[]): number {
    const results = outs.map((v) => `${v.dtype}[${v.shape.join()}]`).join(" ");
    const text = `${kernel} ${JSON.stringify(attrs, exactNumber)} ${results}`;
    let signature = this.#known.get(text);
    if (signature === undefined) this.#known.set(text, (signature = this.#known.size));
    return signature;
  }
}

/** Operations that ran or were dropped together. */
export interface Batch extends Program {
  /** All that were traced, needed or not. */
  readonly traced: readonly Op[];
}

const NONE: readonly TensorData[] = [];

/** Kernel calls whose numbers nobody has asked for yet. */
export class Recording {
  #ops: Op[] = [];
  /** The tensor data that holds each operation's results, in step with `#ops`. */
  #holders: (readonly TensorData[])[] = [];
  /** Reshaped twins of values, one for all pending operations that take a value so. */
  readonly #views = new Map<Value, Map<string, Value>>();
  readonly #signatures = new Signatures();

  constructor(
    private readonly settings: () => Pick<OrtSettings, "debug">,
    private readonly stats: Pick<OrtStats, "opsRecorded">,
  ) {}

  get length(): number {
    return this.#ops.length;
  }

  /** @param holders the tensor data of the results, in their order; none for results that only other operations read */
  add(
    kernel: string,
    attrs: object,
    ins: readonly Value[],
    outs: readonly Value[],
    holders: readonly TensorData[] = NONE,
  ): void {
    const origin = this.settings().debug ? tracedAt() : undefined;
    for (const v of ins) v.storage.references++;
    this.#ops.push({ kernel, attrs, signature: this.#signatures.of(kernel, attrs, outs), ins, outs, origin });
    this.#holders.push(holders);
    this.stats.opsRecorded++;
  }

  /** `value` under `shape`: itself or its twin. */
  shaped(value: Value, shape: readonly number[]): Value {
    if (value.shape.length === shape.length && value.shape.every((d, i) => d === shape[i])) return value;
    let twins = this.#views.get(value);
    if (twins === undefined) this.#views.set(value, (twins = new Map()));
    const key = shape.join();
    let twin = twins.get(key);
    if (twin === undefined) {
      twin = new Value([...shape], value.dtype);
      if (sizeOf(shape) === 0) twin.storage.data = viewOf(new ArrayBuffer(0), value.dtype);
      else this.add("Reshape", { shape }, [value], [twin]);
      twins.set(key, twin);
    }
    return twin;
  }

  /** Ends a batch: its program leaves out operations whose results nobody holds (dead code). */
  take(): Batch {
    const traced = this.#ops;
    const holders = this.#holders;
    this.clear();
    const roots: Value[] = [];
    const ops: Op[] = [];
    const wanted = new Set<Value>();
    for (let i = traced.length - 1; i >= 0; i--) {
      const op = traced[i]!;
      let needed = false;
      op.outs.forEach((v, k) => {
        // the tensor may be disposed of, or a variable have been assigned another value
        const held = holders[i]![k]?.value === v;
        if (held) roots.push(v);
        needed ||= held || wanted.has(v);
      });
      if (!needed) continue;
      ops.push(op);
      for (const v of op.ins) wanted.add(v);
    }
    return { traced, ops: ops.reverse(), roots };
  }

  /** Forgets what is pending. */
  clear(): void {
    this.#ops = [];
    this.#holders = [];
    this.#views.clear();
  }
}
