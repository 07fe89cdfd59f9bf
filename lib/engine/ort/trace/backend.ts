import type {
  BackendTimingInfo,
  backend_util,
  DataType,
  NamedTensorMap,
  Tensor,
  TensorInfo,
} from "@tensorflow/tfjs-core";
import type { Numbers } from "../ir";
import type { Inputs, KernelTable } from "../kernels/kernel";
import { Executor } from "../runtime/executor";
import type { Provider } from "../runtime/provider";
import { CapturedStep } from "../runtime/replay";
import { NOTHING_DONE, type OrtSettings, type OrtStats } from "../runtime/settings";
import type { Freezes, RepeatsSteps, StepRunner } from "../step";
import { tf } from "../tf";
import { Steps } from "./steps";
import { DataIds } from "./tensor-data";
import { Tracer } from "./tracer";

/**
 * A tfjs backend that traces kernel calls and, when somebody reads, runs everything pending as one ONNX graph.
 * Graphs are cached by exact structure: operations, attributes, shapes and which results are kept.
 */
export class OrtBackend extends tf.KernelBackend implements RepeatsSteps, Freezes {
  readonly #data = new DataIds(this);
  readonly #stats: OrtStats = { ...NOTHING_DONE, fallbacks: {} };
  readonly #executor: Executor;
  readonly #tracer: Tracer;
  readonly #steps: Steps;

  constructor(
    readonly provider: Provider,
    kernels: KernelTable,
  ) {
    super();
    this.#executor = new Executor(provider, kernels, this.#stats);
    this.#tracer = new Tracer(provider, kernels, this.#data, this.#executor, this.#stats);
    this.#steps = new Steps(this.#data, this.#executor, this.#tracer);
  }

  // ── settings and statistics ──

  get settings(): Readonly<OrtSettings> {
    return this.#executor.settings;
  }

  configure(change: Partial<OrtSettings>): void {
    this.#executor.configure(change);
  }

  stats(): OrtStats {
    return { ...this.#stats, graphsCached: this.#executor.cached, fallbacks: { ...this.#stats.fallbacks } };
  }

  resetStats(): void {
    Object.assign(this.#stats, NOTHING_DONE, { fallbacks: {} });
  }

  countFallback(kernel: string): void {
    this.#stats.fallbacks[kernel] = (this.#stats.fallbacks[kernel] ?? 0) + 1;
  }

  // ── tfjs' contract ──

  override write(values: backend_util.BackendValues, shape: number[], dtype: DataType): object {
    return dtype === "string"
      ? this.#data.add(undefined, values as Uint8Array[])
      : this.#data.add(this.#executor.write(values as Numbers, shape, dtype));
  }

  override move(id: object, values: backend_util.BackendValues, shape: number[], dtype: DataType, refs: number): void {
    if (dtype === "string") this.#data.adopt(id, refs, undefined, values as Uint8Array[]);
    else this.#data.adopt(id, refs, this.#executor.write(values as Numbers, shape, dtype));
  }

  override readSync(dataId: object): backend_util.BackendValues {
    const { value, strings } = this.#data.get(dataId);
    if (value === undefined) return strings!;
    const { storage } = value;
    if (!storage.filled && storage.error === undefined) this.flush();
    if (storage.error !== undefined) throw storage.error;
    return this.#executor.memory.read(value);
  }

  override async read(dataId: object): Promise<backend_util.BackendValues> {
    return this.readSync(dataId);
  }

  override refCount(dataId: object): number {
    return this.#data.find(dataId)?.refCount ?? 0;
  }

  override incRef(dataId: object): void {
    this.#data.get(dataId).refCount++;
  }

  override disposeData(dataId: object, force = false): boolean {
    const data = this.#data.find(dataId);
    if (data === undefined) return true;
    data.refCount--;
    if (!force && data.refCount > 0) return false;
    const value = this.#data.remove(data);
    if (value !== undefined) this.#executor.release(value);
    return true;
  }

  override numDataIds(): number {
    return this.#data.count;
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

  /** Milliseconds to trace and run `f`. */
  override async time(f: () => void): Promise<BackendTimingInfo> {
    this.flush();
    const start = performance.now();
    f();
    this.flush();
    return { kernelMs: performance.now() - start };
  }

  override dispose(): void {
    this.#tracer.clear();
    this.#executor.dispose();
  }

  /** A kernel call; undefined when the kernel's plan does not cover the case. */
  call(kernel: string, inputs: Inputs, attrs: object): TensorInfo | TensorInfo[] | undefined {
    return this.#tracer.call(kernel, inputs, attrs);
  }

  // ── what this backend can do beyond the contract ──

  /** Runs everything pending. Results that nobody holds any more are not computed. */
  flush(): void {
    this.#tracer.flush();
  }

  stepRunner(body: (inputs: NamedTensorMap) => Tensor): StepRunner {
    return new CapturedStep(this.#steps, body);
  }

  undoing<T>(f: () => T): T {
    return this.#steps.undoing(f);
  }

  freeze(dataId: object): void {
    this.flush();
    const { value } = this.#data.get(dataId);
    if (value?.storage.error !== undefined) throw value.storage.error;
    if (value !== undefined) this.#executor.freeze(value);
  }
}
