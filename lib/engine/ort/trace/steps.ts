import type { Variable } from "@tensorflow/tfjs-core";
import { type Numbers, Value } from "../ir";
import type { Executor, Run } from "../runtime/executor";
import type { StepHost } from "../runtime/replay";
import { tf } from "../tf";
import type { DataIds } from "./tensor-data";
import type { Tracer } from "./tracer";

/**
 * What captured steps ask of the backend: tf variables and their values, programs as they run, and to run them again.
 */
export class Steps implements StepHost {
  constructor(
    private readonly data: DataIds,
    private readonly executor: Executor,
    private readonly tracer: Tracer,
  ) {}

  get debug(): boolean {
    return this.executor.settings.debug;
  }

  /** What a data id stands for; undefined for strings and for data of another backend. */
  valueOf(dataId: object): Value | undefined {
    return this.data.find(dataId)?.value;
  }

  flush(): void {
    this.tracer.flush();
  }

  observed<T>(observer: (run: Run) => void, f: () => T): T {
    this.tracer.flush();
    return this.executor.observed(observer, f);
  }

  rerun(key: string, leaves: readonly Value[], like: readonly Pick<Value, "shape" | "dtype">[]): Value[] | undefined {
    return this.executor.rerun(key, leaves, like);
  }

  /** `variable.assign` without a tensor in between, where nothing else holds the variable's numbers. */
  assign(variable: Variable, value: Value): void {
    const data = this.data.get(variable.dataId);
    const before = data.value;
    if (data.refCount === 1 && before !== undefined) {
      value.storage.references++;
      data.value = value;
      this.executor.release(before);
      return;
    }
    const { shape, dtype } = variable;
    const tensor = tf.engine().makeTensorFromTensorInfo({ dataId: this.data.add(value), shape, dtype });
    variable.assign(tensor);
    tensor.dispose();
  }

  /** A copy of the numbers of a value that nothing else holds; its memory is free afterwards. */
  takeNumbers(value: Value): Numbers {
    const numbers = this.executor.memory.read(value);
    this.executor.free(value);
    return numbers;
  }

  /** The same numbers as a value of their own. */
  copyOf(value: Value): Value {
    return Value.of(this.executor.memory.read(value), value.shape, value.dtype);
  }

  /** Runs `f`; when it fails, tf variables have what they had before. */
  undoing<T>(f: () => T): T {
    const before = Object.values(tf.engine().registeredVariables).flatMap((variable) => {
      const value = this.valueOf(variable.dataId);
      return value === undefined ? [] : [{ variable, value }];
    });
    for (const { value } of before) value.storage.references++;
    try {
      return f();
    } catch (error) {
      for (const { variable, value } of before)
        if (!variable.isDisposed && this.valueOf(variable.dataId) !== value) this.assign(variable, value);
      throw error;
    } finally {
      for (const { value } of before) this.executor.release(value);
    }
  }
}
