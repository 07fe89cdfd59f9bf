import { Publisher, Reply, Router } from "zeromq";
import { interrupt } from "../../core/interrupt";
import { type MimeBundle, setDisplaySink } from "../mime";
import { addressOf, type Connection, decode, encode, type Message, newHeader, SendQueue } from "../wire";
import type { Cells } from "./cells";
import { StreamBuffer } from "./streams";

interface ExecuteRequest {
  readonly message: Message;
  readonly code: string;
  readonly silent: boolean;
  readonly stopOnError: boolean;
}

/** The Jupyter side of the kernel: sockets, the queue of cells, and where output goes. */
export class KernelServer {
  readonly #iopub = new Publisher();
  readonly #shell = new Router();
  readonly #control = new Router();
  readonly #stdin = new Router();
  readonly #heartbeat = new Reply();
  readonly #queues = {
    iopub: new SendQueue(this.#iopub),
    shell: new SendQueue(this.#shell),
    control: new SendQueue(this.#control),
  };
  readonly #streams = new StreamBuffer((name, text) => this.#publish("stream", { name, text }));
  readonly #pending: ExecuteRequest[] = [];
  /** The request that output belongs to: the running cell, or the last one when work goes on after it. */
  #owner: Message | undefined;
  #busy = false;
  #count = 0;

  constructor(
    private readonly connection: Connection,
    private readonly cells: Cells,
    private readonly onShutdown: () => void,
  ) {}

  async start(): Promise<void> {
    this.#captureOutput();
    await Promise.all([
      this.#iopub.bind(addressOf(this.connection, "iopub")),
      this.#shell.bind(addressOf(this.connection, "shell")),
      this.#control.bind(addressOf(this.connection, "control")),
      this.#stdin.bind(addressOf(this.connection, "stdin")),
      this.#heartbeat.bind(addressOf(this.connection, "hb")),
    ]);
    void this.#listen("shell");
    void this.#listen("control");
    void (async () => {
      for await (const frames of this.#heartbeat) await this.#heartbeat.send(frames);
    })().catch(() => {});
  }

  /** SIGINT: work that knows how to stop is asked first; a second one stops waiting for the cell. */
  #asked = false;
  interrupted(): void {
    if (!this.#asked && this.cells.running && interrupt() > 0) this.#asked = true;
    else this.cells.interrupt();
  }

  async #listen(channel: "shell" | "control"): Promise<void> {
    try {
      for await (const frames of channel === "shell" ? this.#shell : this.#control) {
        try {
          await this.#handle(channel, decode(frames, this.connection.key));
        } catch (error) {
          process.stderr.write(`kernel: ${String(error)}\n`);
        }
      }
    } catch {
      // the socket was closed
    }
  }

  #captureOutput(): void {
    for (const name of ["stdout", "stderr"] as const) {
      process[name].write = ((chunk: string | Uint8Array, encoding?: unknown, callback?: unknown): boolean => {
        this.#streams.write(name, typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8"));
        const done = typeof encoding === "function" ? encoding : callback;
        if (typeof done === "function") (done as () => void)();
        return true;
      }) as typeof process.stdout.write;
    }
    setDisplaySink((bundle: MimeBundle, id, update) => {
      this.#streams.flush();
      const content = { data: bundle, metadata: {}, transient: id === undefined ? {} : { display_id: id } };
      this.#publish(update ? "update_display_data" : "display_data", content);
    });
  }

  #publish(type: string, content: Record<string, unknown>, parent = this.#owner): void {
    if (parent === undefined) return;
    const header = newHeader(type, parent.header.session);
    this.#queues.iopub.send(
      encode({ identities: [Buffer.from(type)], header, parent: parent.header, content }, this.connection.key),
    );
  }

  #reply(channel: "shell" | "control", to: Message, type: string, content: Record<string, unknown>): void {
    const header = newHeader(type, to.header.session);
    this.#queues[channel].send(
      encode({ identities: to.identities, header, parent: to.header, content }, this.connection.key),
    );
  }

  async #handle(channel: "shell" | "control", message: Message): Promise<void> {
    const { content } = message;
    const type = message.header.msg_type;
    const code = String(content.code ?? "");
    const cursor = Number(content.cursor_pos ?? code.length);
    if (type === "execute_request") {
      const stopOnError = content.stop_on_error !== false;
      this.#pending.push({ message, code, silent: content.silent === true, stopOnError });
      void this.#runPending();
      return;
    }
    this.#publish("status", { execution_state: "busy" }, message);
    switch (type) {
      case "kernel_info_request":
        this.#reply(channel, message, "kernel_info_reply", kernelInfo);
        break;
      case "is_complete_request": {
        const { completed, indent = "" } = this.cells.isComplete(code);
        this.#reply(
          channel,
          message,
          "is_complete_reply",
          completed ? { status: "complete" } : { status: "incomplete", indent },
        );
        break;
      }
      case "inspect_request": {
        const text = this.cells.inspect(code, cursor);
        const data = text === undefined ? {} : { "text/plain": text };
        this.#reply(channel, message, "inspect_reply", { status: "ok", found: text !== undefined, data, metadata: {} });
        break;
      }
      case "complete_request": {
        const { start, end, candidates } = this.cells.complete(code, cursor);
        const found = { matches: candidates, cursor_start: start, cursor_end: end, metadata: {} };
        this.#reply(channel, message, "complete_reply", { status: "ok", ...found });
        break;
      }
      case "history_request":
        this.#reply(channel, message, "history_reply", { status: "ok", history: [] });
        break;
      case "comm_info_request":
        this.#reply(channel, message, "comm_info_reply", { status: "ok", comms: {} });
        break;
      case "interrupt_request":
        this.interrupted();
        this.#reply(channel, message, "interrupt_reply", { status: "ok" });
        break;
      case "shutdown_request":
        this.#reply(channel, message, "shutdown_reply", { status: "ok", restart: content.restart === true });
        break;
    }
    this.#publish("status", { execution_state: "idle" }, message);
    if (type === "shutdown_request") await this.#shutdown();
  }

  async #runPending(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) await this.#runCell(next);
    this.#busy = false;
  }

  async #runCell({ message, code, silent, stopOnError }: ExecuteRequest): Promise<void> {
    this.#streams.flush();
    this.#owner = message;
    this.#asked = false;
    this.#publish("status", { execution_state: "busy" });
    if (!silent) {
      this.#count++;
      this.#publish("execute_input", { code, execution_count: this.#count });
    }
    // a cell that never yields would keep even the news that it runs from going out
    await this.#queues.iopub.drained();
    const { failure, value } = await this.cells.run(code);
    this.#streams.flush();
    const dropped: ExecuteRequest[] = [];
    if (failure !== undefined) {
      this.#publish("error", { ...failure });
      if (stopOnError) {
        // "run all" sends every cell at once: let those that are still in the socket arrive, then drop them. All this
        // before the reply, so that a cell sent because of the reply is not dropped
        await new Promise((resolve) => setTimeout(resolve, 50));
        dropped.push(...this.#pending.splice(0));
      }
    } else if (value !== undefined && !silent) {
      this.#publish("execute_result", { data: { "text/plain": value }, metadata: {}, execution_count: this.#count });
    }
    const status =
      failure === undefined ? { status: "ok", user_expressions: {}, payload: [] } : { status: "error", ...failure };
    this.#reply("shell", message, "execute_reply", { execution_count: this.#count, ...status });
    this.#publish("status", { execution_state: "idle" }, message);
    for (const { message: unrun } of dropped) {
      this.#publish("status", { execution_state: "busy" }, unrun);
      this.#reply("shell", unrun, "execute_reply", { status: "aborted" });
      this.#publish("status", { execution_state: "idle" }, unrun);
    }
  }

  async #shutdown(): Promise<void> {
    this.#streams.flush();
    await Promise.all(Object.values(this.#queues).map((queue) => queue.drained()));
    this.cells.close();
    // give the sockets a moment to hand their last messages over
    setTimeout(this.onShutdown, 100);
  }
}

const kernelInfo = {
  status: "ok",
  protocol_version: "5.3",
  implementation: "s2mllm",
  implementation_version: "1",
  language_info: {
    name: "typescript",
    version: process.version,
    mimetype: "text/typescript",
    file_extension: ".ts",
    codemirror_mode: { mode: "typescript", name: "javascript", typescript: true },
  },
  banner: "S2-MLLM lab: TypeScript cells run in the project root",
};
