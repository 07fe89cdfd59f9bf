import type {
  BackendTimingInfo,
  backend_util,
  DataType,
  NamedTensorMap,
  Tensor,
  TensorInfo,
  Variable,
} from "@tensorflow/tfjs-core";
import { UserError } from "../../core/errors";
import { buildGraph } from "./build";
import { DeviceMemory } from "./device-memory";
import { firstNaN } from "./first-nan";
import type { Freezes } from "./frozen";
import type { Target } from "./graph";
import { GraphCache } from "./graph-cache";
import { HostMemory } from "./host-memory";
import { EXPAND, type Inputs, type KernelDef, type RecordPlan, reshaped, sizeOf } from "./kernel";
import type { Memory } from "./memory";
import type { Provider } from "./provider";
import { type Batch, Recording } from "./recording";
import { StepReplay } from "./replay";
import { withHalfProducts } from "./rules/half";
import { type Compiled, compile } from "./session";
import { defaultSettings, type OrtSettings, type OrtStats } from "./settings";
import type { RepeatsSteps, StepRunner } from "./step";
import { structureOf, type Taken } from "./structure";
import { tf } from "./tf";
import { Transfer } from "./transfer";
import { isDtype, type Numbers, type Op, Val, valueOf, viewOf } from "./value";

/** What a tfjs data id holds, and the data id itself for those made here: a weak map's entry an operation is slow to make. */
class Slot {
  /** False once disposed of, and while another backend holds the data. */
  held = true;

  constructor(
    /** The backend that has the data. */
    public owner: OrtBackend,
    public value: Val | undefined,
    /** Strings never reach ONNX; only fallback kernels see them. */
    public strings: Uint8Array[] | undefined,
    public refCount: number,
  ) {}
}

const NOTHING_DONE: Omit<OrtStats, "fallbacks"> = {
  opsRecorded: 0,
  opsRun: 0,
  runs: 0,
  repeats: 0,
  graphsCompiled: 0,
  graphsCached: 0,
  compileMs: 0,
  runMs: 0,
  uploads: 0,
  downloads: 0,
};

/** Settings that make other sessions of the same operations. */
const SHAPING = ["threads", "debug", "strict", "half", "profile"] as const satisfies readonly (keyof OrtSettings)[];

/** A graph about to run: its structure, what it reads and what it fills. */
export interface RanGraph extends Taken {
  readonly key: string;
  readonly roots: readonly Val[];
}

/**
 * A tfjs backend that records kernel calls and, when somebody reads, runs everything pending as one ONNX graph.
 * Graphs are cached by exact structure: operations, attributes, shapes and which results are kept.
 */
export class OrtBackend extends tf.KernelBackend implements RepeatsSteps, Freezes {
  /** Data ids that other backends made. */
  readonly #foreign = new WeakMap<object, Slot>();
  #dataIds = 0;
  readonly #memory: Memory;
  readonly #graphs = new GraphCache((graph) => this.#memory.end(graph));
  #watcher: ((graph: RanGraph) => void) | undefined;
  #settings: OrtSettings = defaultSettings();
  readonly #stats: OrtStats = { ...NOTHING_DONE, fallbacks: {} };
  readonly #pending = new Recording(() => this.#settings, this.#stats);

  constructor(readonly provider: Provider) {
    super();
    this.#memory =
      provider.memory === "host"
        ? new HostMemory(this.#settings.poolBytes)
        : new DeviceMemory(new Transfer(provider, () => this.#settings, this.#stats));
  }

  // ── settings and statistics ──

  get settings(): Readonly<OrtSettings> {
    return this.#settings;
  }

  configure(change: Partial<OrtSettings>): void {
    const before = this.#settings;
    this.#settings = { ...before, ...change };
    this.#memory.limit(this.#settings.poolBytes);
    if (SHAPING.some((name) => this.#settings[name] !== before[name])) this.#graphs.shrink(0);
    else this.#graphs.shrink(this.#settings.sessionBytes);
  }

  stats(): OrtStats {
    return { ...this.#stats, graphsCached: this.#graphs.size, fallbacks: { ...this.#stats.fallbacks } };
  }

  resetStats(): void {
    Object.assign(this.#stats, NOTHING_DONE, { fallbacks: {} });
  }

  countFallback(kernel: string): void {
    this.#stats.fallbacks[kernel] = (this.#stats.fallbacks[kernel] ?? 0) + 1;
  }

  // ── tfjs' data contract ──

  override write(values: backend_util.BackendValues, shape: number[], dtype: DataType): object {
    const slot = this.#fill(new Slot(this, undefined, undefined, 1), values, shape, dtype);
    this.#dataIds++;
    return slot;
  }

  override move(
    dataId: object,
    values: backend_util.BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    const slot = dataId instanceof Slot ? dataId : new Slot(this, undefined, undefined, refCount);
    slot.owner = this;
    this.#fill(slot, values, shape, dtype);
    if (slot !== dataId) this.#foreign.set(dataId, slot);
    slot.held = true;
    slot.refCount = refCount;
    this.#dataIds++;
  }

  #fill(slot: Slot, values: backend_util.BackendValues, shape: number[], dtype: DataType): Slot {
    if (dtype === "string") {
      slot.strings = values as Uint8Array[];
      return slot;
    }
    if (!isDtype(dtype)) {
      throw new UserError(
        `${this.provider.engine}: tensors of type ${dtype} are not supported (shape [${shape.join(", ")}]); use float32, int32 or bool, or run with S2_ENGINE=cpu`,
      );
    }
    const value = new Val(shape, dtype);
    this.#memory.write(value, values as Numbers);
    value.live = true;
    slot.value = value;
    return slot;
  }

  #find(dataId: object): Slot | undefined {
    const slot = dataId instanceof Slot ? dataId : this.#foreign.get(dataId);
    return slot?.held === true && slot.owner === this ? slot : undefined;
  }

  /** The slot of a data id; data of another backend is moved here first. */
  #slot(dataId: object): Slot {
    const slot = this.#find(dataId);
    if (slot !== undefined) return slot;
    tf.engine().moveData(this, dataId);
    return this.#find(dataId)!;
  }

  override readSync(dataId: object): backend_util.BackendValues {
    const slot = this.#slot(dataId);
    if (slot.value === undefined) return slot.strings!;
    const value = slot.value;
    if (!value.filled && value.error === undefined) this.flush();
    if (value.error !== undefined) throw value.error;
    return this.#memory.read(value);
  }

  override async read(dataId: object): Promise<backend_util.BackendValues> {
    return this.readSync(dataId);
  }

  override refCount(dataId: object): number {
    return this.#find(dataId)?.refCount ?? 0;
  }

  override incRef(dataId: object): void {
    this.#slot(dataId).refCount++;
  }

  override disposeData(dataId: object, force = false): boolean {
    const slot = this.#find(dataId);
    if (slot === undefined) return true;
    slot.refCount--;
    if (!force && slot.refCount > 0) return false;
    slot.held = false;
    this.#dataIds--;
    if (slot.value !== undefined) {
      slot.value.live = false;
      this.#recycle(slot.value);
      slot.value = undefined;
    }
    return true;
  }

  override numDataIds(): number {
    return this.#dataIds;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override timerAvailable(): boolean {
    return true;
  }

  /** Milliseconds to record and run `f`. */
  override async time(f: () => void): Promise<BackendTimingInfo> {
    this.flush();
    const start = performance.now();
    f();
    this.flush();
    return { kernelMs: performance.now() - start };
  }

  override dispose(): void {
    this.#pending.clear();
    this.#graphs.shrink(0);
    this.#memory.clear();
  }

  // ── recording ──

  /** A kernel call: recorded, shared or answered at once; undefined when `def` does not cover the case. */
  call(def: KernelDef, inputs: Inputs, attrs: object): TensorInfo | TensorInfo[] | undefined {
    if (this.#pending.length >= this.#settings.maxPending) this.flush();
    if (this.provider.without.includes(def.name!)) return undefined;
    const plan = def.plan(inputs, attrs as never);
    if (plan === undefined) return undefined;
    if ("share" in plan) {
      this.incRef(plan.share.dataId);
      return reshaped(plan.share, plan.shape);
    }
    if ("values" in plan)
      return { dataId: this.write(plan.values, plan.shape, plan.dtype), shape: plan.shape, dtype: plan.dtype };
    if ("fill" in plan) {
      // The number is data, not structure: another one must not mean another graph.
      const number = plan.dtype === "int32" ? Int32Array.of(plan.fill) : Float32Array.of(plan.fill);
      const one = { dataId: this.write(number, [], plan.dtype), shape: [], dtype: plan.dtype };
      const filled = this.#recordPlan(EXPAND, {
        ins: [one],
        outs: [{ shape: plan.shape, dtype: plan.dtype }],
        attrs: { shape: plan.shape },
      });
      this.disposeData(one.dataId);
      return filled;
    }
    return this.#recordPlan(plan.as ?? def, plan);
  }

  #recordPlan(def: KernelDef, plan: RecordPlan): TensorInfo | TensorInfo[] {
    const values = plan.outs.map((out) => {
      const value = new Val(out.shape, out.dtype);
      value.live = true;
      return value;
    });
    const infos = values.map(
      (value): TensorInfo => ({ dataId: new Slot(this, value, undefined, 1), shape: value.shape, dtype: value.dtype }),
    );
    this.#dataIds += infos.length;
    if (values.every((v) => sizeOf(v.shape) === 0)) {
      for (const v of values) v.data = viewOf(new ArrayBuffer(0), v.dtype);
    } else {
      this.#pending.add(
        def,
        plan.attrs,
        plan.ins.map((info) => this.#valueOf(info)),
        values,
      );
    }
    return infos.length === 1 && plan.list !== true ? infos[0]! : infos;
  }

  #valueOf(info: TensorInfo): Val {
    const { value } = this.#slot(info.dataId);
    if (value === undefined)
      throw new UserError(
        `${this.provider.engine}: strings are not computed with (shape [${info.shape.join(", ")}]); use numbers, or run with S2_ENGINE=cpu`,
      );
    if (value.error !== undefined) throw value.error;
    return this.#pending.shaped(value, info.shape);
  }

  #recycle(value: Val): void {
    if (value.live || value.uses > 0) return;
    if (value.frozen > 0) this.#graphs.forget(value);
    this.#memory.free(value);
  }

  // ── running ──

  /** Runs everything pending. Results that nobody holds any more are not computed. */
  flush(): void {
    if (this.#pending.length === 0) return;
    const batch = this.#pending.take();
    const { recorded, ops, roots } = batch;
    try {
      if (ops.length > 0) this.#runOps(batch);
    } catch (error) {
      for (const v of roots) {
        v.error = error as Error;
        this.#memory.free(v);
      }
      throw error;
    } finally {
      for (const op of recorded) {
        for (const v of op.outs) v.op = undefined;
      }
      for (const op of recorded) {
        for (const v of op.ins) {
          v.uses--;
          this.#recycle(v);
        }
      }
    }
  }

  #runOps({ number, ops, roots }: Batch): void {
    const { key, ...taken } = structureOf(ops, roots, number);
    let compiled = this.#graphs.find(key);
    if (compiled === undefined) {
      const start = performance.now();
      const built = buildGraph(ops, taken, roots, this.#target());
      this.#graphs.shrink(Math.max(0, this.#settings.sessionBytes - built.bytes));
      compiled = compile(built, this.provider, this.#settings);
      this.#graphs.add(key, compiled);
      this.#stats.graphsCompiled++;
      this.#stats.compileMs += performance.now() - start;
    }
    this.#watcher?.({ key, ...taken, roots });
    this.#execute(compiled, taken.leaves, roots);
    this.#stats.opsRun += ops.length;
    if (this.#settings.debug) this.#tellFirstNaN(ops, taken, roots);
  }

  /** Says on stderr which operation makes the first NaN of a program whose results have one. */
  #tellFirstNaN(ops: readonly Op[], taken: Taken, roots: readonly Val[]): void {
    const { engine } = this.provider;
    try {
      const text = firstNaN(ops, taken, roots, this.#memory, (results) =>
        compile(buildGraph(ops, taken, results, this.#target()), this.provider, this.#settings),
      );
      if (text !== undefined) process.stderr.write(`${engine}: ${text}\n`);
    } catch (error) {
      // the results are right all the same
      process.stderr.write(`${engine}: looking for the first NaN failed: ${(error as Error).message}\n`);
    }
  }

  #target(): Target {
    const { provider } = this;
    const rules = this.#settings.half ? withHalfProducts(provider.rules) : provider.rules;
    return { rules, scatterAdds: provider.scatterAdds(this.#settings.threads), turnsAgain: provider.turnsAgain };
  }

  #execute(compiled: Compiled, leaves: readonly Val[], roots: readonly Val[]): void {
    this.#memory.run(compiled, leaves, roots);
    this.#stats.runMs += compiled.lastMs;
    this.#stats.runs++;
  }

  // ── repeating ──

  stepRunner(body: (inputs: NamedTensorMap) => Tensor): StepRunner {
    return new StepReplay(this, body);
  }

  undoing<T>(f: () => T): T {
    const before = Object.values(tf.engine().registeredVariables).flatMap((variable) => {
      const value = this.valueAt(variable.dataId);
      return value === undefined ? [] : [{ variable, value }];
    });
    for (const { value } of before) value.uses++;
    try {
      return f();
    } catch (error) {
      for (const { variable, value } of before)
        if (!variable.isDisposed && this.valueAt(variable.dataId) !== value) this.assign(variable, value);
      throw error;
    } finally {
      for (const { value } of before) {
        value.uses--;
        this.#recycle(value);
      }
    }
  }

  /** Runs `f`; `seen` is told of every graph just before it runs. */
  watched<T>(seen: (graph: RanGraph) => void, f: () => T): T {
    this.flush();
    this.#watcher = seen;
    try {
      return f();
    } finally {
      this.#watcher = undefined;
    }
  }

  /** What a data id stands for; undefined for strings and for data of another backend. */
  valueAt(dataId: object): Val | undefined {
    return this.#find(dataId)?.value;
  }

  /** Runs a graph that ran before on these leaves; undefined when it is no longer kept. */
  rerun(key: string, leaves: readonly Val[], like: readonly Pick<Val, "shape" | "dtype">[]): Val[] | undefined {
    const compiled = this.#graphs.find(key);
    if (compiled === undefined) return undefined;
    const roots = like.map(({ shape, dtype }) => new Val(shape, dtype));
    this.#execute(compiled, leaves, roots);
    this.#stats.repeats++;
    return roots;
  }

  /** `variable.assign` without a tensor in between, where nothing else holds the variable's numbers. */
  assign(variable: Variable, value: Val): void {
    value.live = true;
    const slot = this.#slot(variable.dataId);
    if (slot.refCount === 1 && slot.value !== undefined) {
      slot.value.live = false;
      this.#recycle(slot.value);
      slot.value = value;
      return;
    }
    this.#dataIds++;
    const tensor = tf.engine().makeTensorFromTensorInfo({
      dataId: new Slot(this, value, undefined, 1),
      shape: variable.shape,
      dtype: variable.dtype,
    });
    variable.assign(tensor);
    tensor.dispose();
  }

  /** A copy of the numbers of a value that nothing else holds; its memory is free afterwards. */
  takeNumbers(value: Val): Numbers {
    const numbers = this.#memory.read(value);
    this.#recycle(value);
    return numbers;
  }

  /** The same numbers as a value of their own. */
  copyOf(value: Val): Val {
    return valueOf(this.#memory.read(value), value.shape, value.dtype);
  }

  freeze(dataId: object): void {
    this.flush();
    const { value } = this.#slot(dataId);
    if (value?.error !== undefined) throw value.error;
    if (value !== undefined) this.#memory.freeze(value, this.#settings.half);
  }
}
