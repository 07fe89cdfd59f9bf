import { bytesOf, type DeviceTensor, type Numbers, type Value, viewOf } from "../ir";
import type { RoundedType } from "../lower/rules/common";
import { type Compiled, execute } from "./compile";
import { FixedAddresses } from "./fixed-addresses";
import type { Memory } from "./memory";
import type { OrtStats } from "./settings";
import type { Transfer } from "./transfer";

/**
 * Results stay in buffers of the device and feed later graphs from there. Numbers from outside are handed to the first
 * graph that takes them; those that a second one takes (weights, a repeated step's constants) move to the device.
 */
export class DeviceMemory implements Memory {
  /** How many buffers each session made that still live: ONNX Runtime crashes when they outlive it. */
  readonly #owned = new Map<Compiled, number>();
  readonly #ended = new Set<Compiled>();
  readonly #makers = new WeakMap<DeviceTensor, Compiled>();
  /** Of graphs that run again and again. */
  readonly #fixed = new Map<Compiled, FixedAddresses>();

  /** @param fixes repeated runs keep their tensors' addresses */
  constructor(
    private readonly transfer: Transfer,
    private readonly stats: OrtStats,
    private readonly fixes: () => boolean,
  ) {}

  write(value: Value, numbers: Numbers): void {
    value.storage.data = viewOf(new ArrayBuffer(bytesOf(value)), value.dtype);
    value.storage.data.set(numbers);
  }

  read(value: Value): Numbers {
    const { data } = value.storage;
    return data === undefined ? this.transfer.download(value) : data.slice();
  }

  free({ storage }: Value): void {
    const { device } = storage;
    storage.data = undefined;
    storage.device = undefined;
    storage.rounded = undefined;
    if (device !== undefined) this.#release(device);
  }

  freeze(value: Value, type: RoundedType | undefined): void {
    const { storage, dtype, shape } = value;
    if (type === undefined || storage.rounded !== undefined || dtype !== "float32" || shape.length !== 2) return;
    const { tensor, by } = this.transfer.upload(value, type);
    this.free(value);
    this.#own(value, tensor, by);
    storage.rounded = type;
  }

  run(compiled: Compiled, leaves: readonly Value[], roots: readonly Value[], repeated = false): void {
    const fixes = repeated && this.fixes();
    for (const leaf of leaves) this.#place(leaf, !fixes);
    const tensors = fixes
      ? this.#runFixed(compiled, leaves)
      : execute(compiled, (session) => session.runOnDevice(leaves)).map((pointer): DeviceTensor => ({ pointer }));
    roots.forEach((root, i) => this.#own(root, tensors[i]!, compiled));
  }

  #runFixed(compiled: Compiled, leaves: readonly Value[]): readonly DeviceTensor[] {
    let fixed = this.#fixed.get(compiled);
    if (fixed === undefined) this.#fixed.set(compiled, (fixed = new FixedAddresses(this.transfer)));
    const { tensors, captured } = execute(compiled, (session) => fixed.run(session, leaves));
    if (captured) this.stats.fixedRuns++;
    return tensors;
  }

  end(compiled: Compiled): void {
    if (this.#owned.has(compiled)) this.#ended.add(compiled);
    else this.#dispose(compiled);
  }

  #dispose(compiled: Compiled): void {
    this.#fixed.get(compiled)?.dispose(compiled.session);
    this.#fixed.delete(compiled);
    compiled.session.dispose();
  }

  // the provider keeps freed buffers for reuse by itself
  limit(): void {}

  clear(): void {}

  #own({ storage }: Value, tensor: DeviceTensor, maker: Compiled): void {
    storage.data = undefined;
    storage.device = tensor;
    this.#makers.set(tensor, maker);
    this.#owned.set(maker, (this.#owned.get(maker) ?? 0) + 1);
  }

  #release(tensor: DeviceTensor): void {
    const maker = this.#makers.get(tensor)!;
    // a tensor at a fixed address is written again
    if (this.#fixed.get(maker)?.give(tensor) !== true) maker.session.release(tensor.pointer);
    const left = this.#owned.get(maker)! - 1;
    if (left > 0) return void this.#owned.set(maker, left);
    this.#owned.delete(maker);
    if (this.#ended.delete(maker)) this.#dispose(maker);
  }

  /** What a second graph takes moves to the device; what the first one takes is counted as it goes there. */
  #place(value: Value, counted: boolean): void {
    const { storage } = value;
    if (storage.device !== undefined || bytesOf(value) === 0) return;
    if (storage.fed) {
      const { tensor, by } = this.transfer.upload(value, value.dtype);
      this.#own(value, tensor, by);
      return;
    }
    storage.fed = true;
    // a run at fixed addresses copies it there, and counts it then
    if (!counted) return;
    this.stats.bytesUp += bytesOf(value);
  }
}
