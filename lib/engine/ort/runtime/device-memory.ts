import { Tensor as OrtTensor } from "onnxruntime-node";
import { bytesOf, type Numbers, type Value, viewOf } from "../ir";
import type { RoundedType } from "../lower/rules/common";
import type { Memory } from "./memory";
import { type Compiled, execute } from "./session";
import type { Transfer } from "./transfer";

function hostTensor({ storage, dtype, shape }: Value): OrtTensor {
  return new OrtTensor(dtype, storage.data as Float32Array, shape);
}

/**
 * Results stay in buffers of the device and feed later graphs from there. Numbers from outside are handed to the first
 * graph that takes them; those that a second one takes (weights, a repeated step's constants) move to the device.
 */
export class DeviceMemory implements Memory {
  /** How many buffers each session made that still live: ONNX Runtime crashes when they outlive it. */
  readonly #owned = new Map<Compiled, number>();
  readonly #ended = new Set<Compiled>();
  readonly #makers = new WeakMap<OrtTensor, Compiled>();

  constructor(private readonly transfer: Transfer) {}

  write(value: Value, numbers: Numbers): void {
    value.storage.data = viewOf(new ArrayBuffer(bytesOf(value)), value.dtype);
    value.storage.data.set(numbers);
  }

  read(value: Value): Numbers {
    const { data, tensor, rounded } = value.storage;
    return data === undefined ? this.transfer.download(tensor!, rounded ?? value.dtype, value) : data.slice();
  }

  free({ storage }: Value): void {
    const { tensor } = storage;
    storage.data = undefined;
    storage.tensor = undefined;
    storage.rounded = undefined;
    if (tensor === undefined) return;
    tensor.dispose();
    const maker = this.#makers.get(tensor)!;
    const left = this.#owned.get(maker)! - 1;
    if (left > 0) return void this.#owned.set(maker, left);
    this.#owned.delete(maker);
    if (this.#ended.delete(maker)) maker.session.dispose();
  }

  freeze(value: Value, type: RoundedType | undefined): void {
    if (
      type === undefined ||
      value.storage.rounded !== undefined ||
      value.dtype !== "float32" ||
      value.shape.length !== 2
    )
      return;
    const { tensor, by } = this.transfer.upload(value.storage.tensor ?? hostTensor(value), "float32", type);
    this.free(value);
    this.#own(value, tensor, by);
    value.storage.rounded = type;
  }

  run(compiled: Compiled, leaves: readonly Value[], roots: readonly Value[]): void {
    const feeds = leaves.map((leaf) => this.#feed(leaf));
    const results = execute(
      compiled,
      feeds,
      roots.map(() => null),
    );
    roots.forEach((root, i) => this.#own(root, results[i]!, compiled));
  }

  end(compiled: Compiled): void {
    if (this.#owned.has(compiled)) this.#ended.add(compiled);
    else compiled.session.dispose();
  }

  // the provider keeps freed buffers for reuse by itself
  limit(): void {}

  clear(): void {}

  #own(value: Value, tensor: OrtTensor, maker: Compiled): void {
    value.storage.tensor = tensor;
    this.#makers.set(tensor, maker);
    this.#owned.set(maker, (this.#owned.get(maker) ?? 0) + 1);
  }

  #feed(value: Value): OrtTensor {
    const { storage } = value;
    if (storage.tensor !== undefined) return storage.tensor;
    const host = hostTensor(value);
    if (!storage.fed || bytesOf(value) === 0) {
      storage.fed = true;
      return host;
    }
    const { tensor, by } = this.transfer.upload(host, value.dtype, value.dtype);
    this.#own(value, tensor, by);
    return tensor;
  }
}
