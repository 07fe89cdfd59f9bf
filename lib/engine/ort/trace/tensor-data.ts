import type { KernelBackend } from "@tensorflow/tfjs-core";
import type { Value } from "../ir";
import { tf } from "../tf";

/**
 * What a tfjs data id stands for, and the data id itself for those made here: an entry a tensor in a weak map is slow.
 */
export class TensorData {
  /** False once disposed of, and while another backend has the data. */
  held = true;

  constructor(
    /** The backend that has the data. */
    public owner: KernelBackend,
    public value: Value | undefined,
    /** Strings never reach ONNX; only fallback kernels see them. */
    public strings: Uint8Array[] | undefined,
    public refCount: number,
  ) {}
}

/** The tensor data of one backend, by data id. */
export class DataIds {
  /** Data ids that other backends made. */
  readonly #foreign = new WeakMap<object, TensorData>();
  /** How many are held. */
  count = 0;

  constructor(private readonly owner: KernelBackend) {}

  /** New data of a fresh value or of strings, which is its own data id. */
  add(value: Value | undefined, strings?: Uint8Array[]): TensorData {
    if (value !== undefined) value.storage.references++;
    this.count++;
    return new TensorData(this.owner, value, strings, 1);
  }

  /** Data that another backend had; its data id stays. */
  adopt(dataId: object, refCount: number, value: Value | undefined, strings?: Uint8Array[]): void {
    const data = dataId instanceof TensorData ? dataId : new TensorData(this.owner, value, strings, refCount);
    if (value !== undefined) value.storage.references++;
    Object.assign(data, { owner: this.owner, value, strings, refCount, held: true });
    if (data !== dataId) this.#foreign.set(dataId, data);
    this.count++;
  }

  /** Undefined where this backend does not have the data. */
  find(dataId: object): TensorData | undefined {
    const data = dataId instanceof TensorData ? dataId : this.#foreign.get(dataId);
    return data?.held === true && data.owner === this.owner ? data : undefined;
  }

  /** Data of another backend is moved here first. */
  get(dataId: object): TensorData {
    const data = this.find(dataId);
    if (data !== undefined) return data;
    tf.engine().moveData(this.owner, dataId);
    return this.find(dataId)!;
  }

  /** @returns the value that the data no longer holds */
  remove(data: TensorData): Value | undefined {
    const { value } = data;
    data.held = false;
    data.value = undefined;
    this.count--;
    return value;
  }
}
