import { Tensor as OrtTensor } from "onnxruntime-node";
import { UserError } from "../../core/errors";
import type { Memory } from "./memory";
import { BufferPool } from "./pool";
import { type Compiled, execute } from "./session";
import { bytesOf, type Numbers, type Val, viewOf } from "./value";

function tensorOf(value: Val): OrtTensor {
  return (value.tensor ??= new OrtTensor(value.dtype, value.data as Float32Array, value.shape));
}

/** Larger values stay inputs when they are frozen: each program that holds one has a copy or two of its own. */
const LARGEST_FROZEN = 2 ** 20;

let frozen = 0;

/** Numbers in this process's memory, in buffers that are used again; ONNX Runtime reads and writes them in place. */
export class HostMemory implements Memory {
  readonly #pool: BufferPool;

  constructor(bytes: number) {
    this.#pool = new BufferPool(bytes);
  }

  write(value: Val, numbers: Numbers): void {
    this.#allocate(value);
    value.data!.set(numbers);
  }

  read(value: Val): Numbers {
    // the buffer will be reused once the tensor is gone, the reader's array must not change
    return value.data!.slice();
  }

  free(value: Val): void {
    if (value.data === undefined) return;
    this.#pool.give(value.data.buffer as ArrayBuffer);
    value.data = undefined;
    value.tensor = undefined;
  }

  freeze(value: Val): void {
    if (value.frozen === 0 && bytesOf(value.shape, value.dtype) <= LARGEST_FROZEN) value.frozen = ++frozen;
  }

  run(compiled: Compiled, leaves: readonly Val[], roots: readonly Val[]): void {
    for (const v of roots) this.#allocate(v);
    execute(compiled, leaves.map(tensorOf), roots.map(tensorOf));
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

  #allocate(value: Val): void {
    const bytes = bytesOf(value.shape, value.dtype);
    try {
      value.data = viewOf(this.#pool.take(bytes), value.dtype);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UserError(
        `out of memory: a ${value.dtype} tensor [${value.shape.join(", ")}] needs ${(bytes / 1e9).toFixed(2)} GB; use fewer scenes, frames or sentences in a batch, or training.recompute=true`,
      );
    }
  }
}
