import { Session } from "node:inspector";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, phase, shared } from "./threads";

/** How long the main thread may take to answer before its code counts as endless. */
const answerMs = 100;
/** How long work that listens has to finish its step and save. */
const graceMs = 10_000;

/** Interrupts the main thread from the worker: politely first, then by ending the JavaScript that runs there. */
export class Interrupter {
  readonly #answers = new Map<number, (asked: boolean) => void>();
  #count = 0;
  /** The second interrupt of a cell, and one after the grace, no longer asks. */
  #asked = false;
  #deadline: NodeJS.Timeout | undefined;

  /** @param stopped told when the main thread has put the cell away */
  constructor(
    private readonly command: (command: Command) => void,
    private readonly state: Int32Array,
    private readonly stopped: () => void,
  ) {}

  /** A cell begins or has ended: nobody is asked any more. */
  reset(): void {
    clearTimeout(this.#deadline);
    this.#asked = false;
  }

  /** The main thread's answer to a command. */
  answered(id: number, asked: boolean): void {
    this.#answers.get(id)?.(asked);
    this.#answers.delete(id);
  }

  async interrupt(): Promise<void> {
    if (this.#asked) return this.#force();
    this.#asked = true;
    const listens = Atomics.load(this.state, shared.listeners) > 0;
    const answer = await this.#ask(false, listens ? graceMs : answerMs);
    if (answer === undefined) await this.#force();
    else if (answer === "asked") this.#deadline = setTimeout(() => void this.#force(), graceMs);
    else {
      this.#asked = false;
      this.stopped();
    }
  }

  /** Ends what runs, whatever it does, and lets the main thread put the cell away. */
  async #force(): Promise<void> {
    this.reset();
    if ((await this.#ask(true, answerMs)) === undefined) await this.#terminate();
    this.stopped();
  }

  async #terminate(): Promise<void> {
    // the kernel's own code, such as the compiler, is not cut: it ends soon
    while (Atomics.compareExchange(this.state, shared.phase, phase.cells, phase.terminating) !== phase.cells) {
      if (Atomics.load(this.state, shared.phase) === phase.terminating) return;
      await sleep(5);
    }
    const session = new Session();
    session.connectToMainThread();
    for (let answer: unknown; answer === undefined; ) {
      let ended = false;
      session.post("Runtime.terminateExecution", () => (ended = true));
      // where nothing ran, the handler that comes next is what ends: ask again. Native code ends when it returns
      do answer = await this.#ask(true, ended ? 1000 : answerMs);
      while (answer === undefined && !ended);
    }
    session.disconnect();
    Atomics.store(this.state, shared.phase, phase.cells);
  }

  /** @returns undefined when no answer came in time */
  async #ask(force: boolean, ms: number): Promise<"asked" | "stopped" | undefined> {
    const id = ++this.#count;
    const answer = new Promise<"asked" | "stopped">((resolve) =>
      this.#answers.set(id, (asked) => resolve(asked ? "asked" : "stopped")),
    );
    this.command({ type: "interrupt", id, force });
    return Promise.race([answer, sleep(ms, undefined)]);
  }
}
