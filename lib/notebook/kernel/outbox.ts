import type { Header } from "../wire";
import type { BundleJson } from "./threads";

/** An output on its way to the front ends. */
export interface Outgoing {
  readonly type: string;
  readonly parent: Header | undefined;
  readonly content: Readonly<Record<string, unknown>>;
}

interface Stream {
  readonly kind: "stream";
  readonly owner: string;
  readonly name: string;
  readonly parts: string[];
  length: number;
}
interface Display {
  readonly kind: "display";
  readonly owner: string;
  readonly displayId: string | undefined;
  readonly update: boolean;
  json: BundleJson;
}
interface Other {
  readonly kind: "other";
  readonly message: Outgoing;
}

/** What one cell may print; more is cut off with a note. */
export const maxCellOutput = 100_000_000;
const note = "\n[cut here: a cell may print 100 MB; write more to a file]\n";

/**
 * The queue of all that goes to the front ends. One message for each `console.log` floods them, so what waits is
 * joined: text of one stream to one message, states of one display to the last. Nothing is dropped before a cell's
 * limit.
 */
export class Outbox {
  readonly #queue: (Stream | Display | Other)[] = [];
  readonly #printed = new Map<string, number>();
  readonly #parents = new Map<string, Header>();
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;

  /**
   * @param send hands a message to the socket
   * @param sent told how many characters of text and bundles are off
   */
  constructor(
    private readonly send: (message: Outgoing) => Promise<void>,
    private readonly sent: (size: number) => void = () => {},
    private readonly delayMs = 40,
    private readonly limit = maxCellOutput,
  ) {}

  /** Outputs name their cell by its request's message id. */
  addParent(header: Header): void {
    this.#parents.set(header.msg_id, header);
  }

  parent(id: string): Header | undefined {
    return this.#parents.get(id);
  }

  stream(owner: string, name: string, text: string): void {
    const fits = this.#room(owner, text.length);
    if (fits > 0) this.#print(owner, name, text.slice(0, fits));
    if (fits < text.length) this.sent(text.length - Math.max(0, fits));
    if (fits >= 0 && fits < text.length) this.#print(owner, "stderr", note);
  }

  display(owner: string, json: BundleJson, displayId: string | undefined, update: boolean): void {
    const waiting = this.#queue.find((m): m is Display => m.kind === "display" && m.displayId === displayId);
    if (update && displayId !== undefined && waiting !== undefined) {
      this.sent(waiting.json.length);
      waiting.json = json;
      return;
    }
    const fits = update ? json.length : this.#room(owner, json.length);
    if (fits < json.length) {
      this.sent(json.length);
      if (fits >= 0) this.#print(owner, "stderr", note);
      return;
    }
    this.#queue.push({ kind: "display", owner, displayId, update, json });
    this.#later();
  }

  /** A message that is sent without delay, behind all that waits. */
  push(message: Outgoing): void {
    this.#queue.push({ kind: "other", message });
    this.#now();
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    do {
      this.#now();
      await this.#sending;
    } while (this.#queue.length > 0);
  }

  /** How much of a piece fits under its cell's limit; negative once the limit was passed before. */
  #room(owner: string, size: number): number {
    const before = this.#printed.get(owner) ?? 0;
    this.#printed.set(owner, before + size);
    return before > this.limit ? -1 : Math.min(size, this.limit - before);
  }

  #print(owner: string, name: string, text: string): void {
    const last = this.#queue.at(-1);
    // in pieces of a megabyte: what is sent can be drawn
    if (last?.kind === "stream" && last.owner === owner && last.name === name && last.length < 1 << 20) {
      last.parts.push(text);
      last.length += text.length;
    } else this.#queue.push({ kind: "stream", owner, name, parts: [text], length: text.length });
    this.#later();
  }

  #later(): void {
    if (this.#sending === undefined) this.#timer ??= setTimeout(() => this.#now(), this.delayMs);
  }

  #now(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sending ??= this.#drain().finally(() => (this.#sending = undefined));
  }

  async #drain(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      await this.send(next.kind === "other" ? next.message : this.#message(next));
      if (next.kind === "stream") this.sent(next.length);
      else if (next.kind === "display") this.sent(next.json.length);
    }
  }

  #message(entry: Stream | Display): Outgoing {
    const parent = this.#parents.get(entry.owner);
    if (entry.kind === "stream")
      return { type: "stream", parent, content: { name: entry.name, text: entry.parts.join("") } };
    const { displayId, update, json } = entry;
    const transient = displayId === undefined ? {} : { display_id: displayId };
    const content = { data: JSON.parse(json) as unknown, metadata: {}, transient };
    return { type: update ? "update_display_data" : "display_data", parent, content };
  }
}
