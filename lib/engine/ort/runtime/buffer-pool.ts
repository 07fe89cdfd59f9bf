/** Array buffers by size, so that a training step writes into the memory of the step before. */
export class BufferPool {
  readonly #free = new Map<number, ArrayBuffer[]>();
  #bytes = 0;

  constructor(public limit: number) {}

  /** Bytes held for reuse. */
  get bytes(): number {
    return this.#bytes;
  }

  take(bytes: number): ArrayBuffer {
    const buffer = this.#free.get(bytes)?.pop();
    if (buffer === undefined) return new ArrayBuffer(bytes);
    this.#bytes -= bytes;
    return buffer;
  }

  give(buffer: ArrayBuffer): void {
    const bytes = buffer.byteLength;
    if (bytes === 0 || this.#bytes + bytes > this.limit) return;
    const list = this.#free.get(bytes);
    if (list === undefined) this.#free.set(bytes, [buffer]);
    else list.push(buffer);
    this.#bytes += bytes;
  }

  clear(): void {
    this.#free.clear();
    this.#bytes = 0;
  }
}
