import { type KernelDef, sizeOf, VIEW } from "./kernel";
import { recordedAt } from "./origin";
import type { OrtSettings, OrtStats } from "./settings";
import { Signatures } from "./structure";
import { type Op, Val, viewOf } from "./value";

/** What was recorded until somebody read a number. */
export interface Batch {
  /** Differs from that of every other batch; values are numbered under it. */
  readonly number: number;
  readonly recorded: readonly Op[];
  /** Those whose results somebody holds, and what they need, in recorded order. */
  readonly ops: readonly Op[];
  /** The results that somebody holds. */
  readonly roots: readonly Val[];
}

/** Kernel calls whose numbers nobody has asked for yet. */
export class Recording {
  #ops: Op[] = [];
  #batch = 0;
  readonly #signatures = new Signatures();

  constructor(
    private readonly settings: () => Pick<OrtSettings, "debug">,
    private readonly stats: Pick<OrtStats, "opsRecorded">,
  ) {}

  get length(): number {
    return this.#ops.length;
  }

  add(def: KernelDef, attrs: object, ins: readonly Val[], outs: readonly Val[]): void {
    const origin = this.settings().debug ? recordedAt() : undefined;
    const op: Op = { def, attrs, signature: this.#signatures.of(def, attrs, outs), ins, outs, origin, needed: false };
    for (const v of ins) v.uses++;
    for (const v of outs) v.op = op;
    this.#ops.push(op);
    this.stats.opsRecorded++;
  }

  /** `value` under `shape`: itself, or one twin for all operations of a batch that take it so. */
  shaped(value: Val, shape: readonly number[]): Val {
    if (value.shape.length === shape.length && value.shape.every((d, i) => d === shape[i])) return value;
    if (value.views === undefined || value.viewsBatch !== this.#batch) {
      value.views = new Map();
      value.viewsBatch = this.#batch;
    }
    const key = shape.join();
    let view = value.views.get(key);
    if (view === undefined) {
      view = new Val([...shape], value.dtype);
      if (sizeOf(shape) === 0) view.data = viewOf(new ArrayBuffer(0), value.dtype);
      else this.add(VIEW, { shape }, [value], [view]);
      value.views.set(key, view);
    }
    return view;
  }

  /** Ends a batch; the next operation begins another. */
  take(): Batch {
    const recorded = this.#ops;
    this.#ops = [];
    const roots: Val[] = [];
    for (let i = recorded.length - 1; i >= 0; i--) {
      const op = recorded[i]!;
      for (const v of op.outs) {
        if (v.live) {
          op.needed = true;
          roots.push(v);
        }
      }
      if (op.needed) for (const v of op.ins) if (v.op !== undefined) v.op.needed = true;
    }
    return { number: ++this.#batch, recorded, ops: recorded.filter((op) => op.needed), roots };
  }

  /** Forgets what is pending. */
  clear(): void {
    this.#ops = [];
  }
}
