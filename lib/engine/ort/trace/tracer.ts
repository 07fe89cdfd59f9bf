import type { TensorInfo } from "@tensorflow/tfjs-core";
import { BackendError } from "../errors";
import { sizeOf, Value, viewOf } from "../ir";
import { type Inputs, type KernelTable, type Known, reshaped, type TracePlan } from "../kernels/kernel";
import type { Executor } from "../runtime/executor";
import type { Provider } from "../runtime/provider";
import type { OrtStats } from "../runtime/settings";
import { Recording } from "./recording";
import type { DataIds } from "./tensor-data";

/** Turns kernel calls into operations and runs what is pending as one program. */
export class Tracer {
  readonly #pending: Recording;

  constructor(
    private readonly provider: Provider,
    private readonly kernels: KernelTable,
    private readonly data: DataIds,
    private readonly executor: Executor,
    stats: OrtStats,
  ) {
    this.#pending = new Recording(() => executor.settings, stats);
  }

  /** The processor's provider looks at numbers itself when it runs; a device's does not. */
  readonly #known: Known = ({ dataId }) =>
    this.provider.memory === "device" ? this.data.get(dataId).value?.storage.data : undefined;

  /** A kernel call: traced, shared or answered at once; undefined when its plan does not cover the case. */
  call(kernel: string, inputs: Inputs, attrs: object): TensorInfo | TensorInfo[] | undefined {
    if (this.#pending.length >= this.executor.settings.maxPending) this.flush();
    if (this.provider.without.includes(kernel)) return undefined;
    const plan = this.kernels[kernel]!.plan(inputs, attrs as never, this.#known);
    if (plan === undefined) return undefined;
    if ("share" in plan) {
      this.data.get(plan.share.dataId).refCount++;
      return reshaped(plan.share, plan.shape);
    }
    if ("values" in plan) {
      const { values, shape, dtype } = plan;
      return { dataId: this.data.add(this.executor.write(values, shape, dtype)), shape, dtype };
    }
    if ("fill" in plan) return this.#filled(plan.fill, { shape: plan.shape, dtype: plan.dtype });
    const infos = this.#trace(plan.as ?? kernel, plan);
    return infos.length === 1 && plan.list !== true ? infos[0]! : infos;
  }

  /** The number is data, not structure: another one must not mean another graph. */
  #filled(number: number, out: Pick<Value, "shape" | "dtype">): TensorInfo {
    const { dtype, shape } = out;
    const one = dtype === "int32" ? Int32Array.of(number) : Float32Array.of(number);
    const value = new Value(shape, dtype);
    const dataId = this.data.add(value);
    if (sizeOf(shape) === 0) value.storage.data = viewOf(new ArrayBuffer(0), dtype);
    else this.#pending.add("BroadcastTo", { shape }, [this.executor.write(one, [], dtype)], [value], [dataId]);
    return { dataId, shape, dtype };
  }

  #trace(kernel: string, { ins, outs, attrs }: TracePlan): TensorInfo[] {
    const values = outs.map(({ shape, dtype }) => new Value(shape, dtype));
    const holders = values.map((value) => this.data.add(value));
    if (values.every((v) => sizeOf(v.shape) === 0)) {
      for (const v of values) v.storage.data = viewOf(new ArrayBuffer(0), v.dtype);
    } else {
      this.#pending.add(
        kernel,
        attrs,
        ins.map((info) => this.#operand(info)),
        values,
        holders,
      );
    }
    return values.map(({ shape, dtype }, i) => ({ dataId: holders[i]!, shape, dtype }));
  }

  #operand({ dataId, shape }: TensorInfo): Value {
    const { value } = this.data.get(dataId);
    if (value === undefined)
      throw new BackendError(
        `${this.provider.engine}: strings are not computed with (shape [${shape.join(", ")}]); ` +
          "use numbers, or run with S2_ENGINE=cpu",
      );
    if (value.storage.error !== undefined) throw value.storage.error;
    return this.#pending.shaped(value, shape);
  }

  /** Runs everything pending. Results that nobody holds any more are not computed. */
  flush(): void {
    if (this.#pending.length === 0) return;
    const { traced, ...program } = this.#pending.take();
    try {
      if (program.ops.length > 0) this.executor.run(program);
    } catch (error) {
      for (const v of program.roots) {
        v.storage.error = error as Error;
        this.executor.memory.free(v);
      }
      throw error;
    } finally {
      for (const op of traced) for (const v of op.ins) this.executor.release(v);
    }
  }

  /** Forgets what is pending. */
  clear(): void {
    this.#pending.clear();
  }
}
