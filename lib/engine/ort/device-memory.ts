import { Tensor as OrtTensor } from "onnxruntime-node";
import type { Memory } from "./memory";
import { type Compiled, execute } from "./session";
import type { Transfer } from "./transfer";
import { bytesOf, type Numbers, type Val, viewOf } from "./value";

function hostTensor(value: Val): OrtTensor {
  return new OrtTensor(value.dtype, value.data as Float32Array, value.shape);
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

  write(value: Val, numbers: Numbers): void {
    value.data = viewOf(new ArrayBuffer(bytesOf(value.shape, value.dtype)), value.dtype);
    value.data.set(numbers);
  }

  read(value: Val): Numbers {
    return value.data === undefined
      ? this.transfer.download(value.tensor!, value.half ? "float16" : value.dtype, value)
      : value.data.slice();
  }

  free(value: Val): void {
    const { tensor } = value;
    value.data = undefined;
    value.tensor = undefined;
    value.half = false;
    if (tensor === undefined) return;
    tensor.dispose();
    const maker = this.#makers.get(tensor)!;
    const left = this.#owned.get(maker)! - 1;
    if (left > 0) return void this.#owned.set(maker, left);
    this.#owned.delete(maker);
    if (this.#ended.delete(maker)) maker.session.dispose();
  }

  freeze(value: Val, half: boolean): void {
    if (!half || value.half || value.dtype !== "float32" || value.shape.length !== 2) return;
    const { tensor, by } = this.transfer.upload(value.tensor ?? hostTensor(value), "float32", "float16");
    this.free(value);
    this.#own(value, tensor, by);
    value.half = true;
  }

  run(compiled: Compiled, leaves: readonly Val[], roots: readonly Val[]): void {
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

  #own(value: Val, tensor: OrtTensor, maker: Compiled): void {
    value.tensor = tensor;
    this.#makers.set(tensor, maker);
    this.#owned.set(maker, (this.#owned.get(maker) ?? 0) + 1);
  }

  #feed(value: Val): OrtTensor {
    if (value.tensor !== undefined) return value.tensor;
    const host = hostTensor(value);
    if (!value.fed || bytesOf(value.shape, value.dtype) === 0) {
      value.fed = true;
      return host;
    }
    const { tensor, by } = this.transfer.upload(host, value.dtype, value.dtype);
    this.#own(value, tensor, by);
    return tensor;
  }
}
