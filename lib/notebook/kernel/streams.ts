export type StreamName = "stdout" | "stderr";

/**
 * Collects what a cell prints and passes it on in few large pieces, in order: one message a `console.log` floods the
 * socket, and the flood is what loses output.
 */
export class StreamBuffer {
  #name: StreamName = "stdout";
  #parts: string[] = [];
  #length = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly emit: (name: StreamName, text: string) => void,
    private readonly delayMs = 40,
    private readonly maxLength = 1 << 16,
  ) {}

  write(name: StreamName, text: string): void {
    if (text === "") return;
    if (name !== this.#name) this.flush();
    this.#name = name;
    this.#parts.push(text);
    this.#length += text.length;
    if (this.#length >= this.maxLength) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), this.delayMs);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#length === 0) return;
    const text = this.#parts.join("");
    this.#parts = [];
    this.#length = 0;
    this.emit(this.#name, text);
  }
}
