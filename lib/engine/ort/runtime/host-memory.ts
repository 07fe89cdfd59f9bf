import { BackendError } from "../errors";
import { bytesOf, type Numbers, type Value, viewOf } from "../ir";
import { BufferPool } from "./buffer-pool";
import { type Compiled, execute } from "./compile";
import type { Memory } from "./memory";

/** Larger values stay inputs when they are frozen: each program that holds one has a copy or two of its own. */
const LARGEST_FROZEN = 2 ** 20;

let frozen = 0;

/** Numbers in this process's memory, in buffers that are used again; ONNX Runtime reads and writes them in place. */
export class HostMemory implements Memory {
  readonly #pool: BufferPool;

  constructor(bytes: number) {
    this.#pool = new BufferPool(bytes);
  }

  write(value: Value, numbers: Numbers): void {
    this.#allocate(value);
    value.storage.data!.set(numbers);
  }

  read(value: Value): Numbers {
    // the buffer will be reused once the tensor is gone, the reader's array must not change
    return value.storage.data!.slice();
  }

  free({ storage }: Value): void {
    if (storage.data === undefined) return;
    this.#pool.give(storage.data.buffer as ArrayBuffer);
    storage.data = undefined;
  }

  freeze(value: Value): void {
    if (value.storage.frozen === 0 && bytesOf(value) <= LARGEST_FROZEN) value.storage.frozen = ++frozen;
  }

  run(compiled: Compiled, leaves: readonly Value[], roots: readonly Value[]): void {
    for (const v of roots) this.#allocate(v);
    execute(compiled, (session) => session.run(leaves, roots));
  }

  end(compiled: Compiled): void {
    compiled.session.dispose();
  }

  limit(bytes: number): void {
    this.#pool.limit = bytes;
  }

  clear(): void {
    this.#pool.clear();
  }

  #allocate(value: Value): void {
    const bytes = bytesOf(value);
    try {
      value.storage.data = viewOf(this.#pool.take(bytes), value.dtype);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new BackendError(
        `out of memory: a ${value.dtype} tensor [${value.shape.join(", ")}] needs ${(bytes / 1e9).toFixed(2)} GB; ` +
          "use fewer scenes, frames or sentences in a batch, or training.recompute=true",
      );
    }
  }
}
