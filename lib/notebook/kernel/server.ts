import { randomUUID } from "node:crypto";
import { writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { MessagePort } from "node:worker_threads";
import { version as languageVersion } from "@tslab/typescript-for-tslab/package.json";
import { Reply, Router, XPublisher } from "zeromq";
import { z } from "zod";
import { UserError } from "../../core/errors";
import {
  addressOf,
  type Channel,
  type Connection,
  decode,
  encode,
  fromUtf16,
  type Message,
  newHeader,
  readConnection,
  resetRequest,
  SendQueue,
  toUtf16,
} from "../wire";
import { interruptedFailure } from "./failure";
import { History, HistoryRequest } from "./history";
import { Outbox } from "./outbox";
import { RequestQueue } from "./queue";
import { Interrupter } from "./termination";
import { type Command, type Input, type Outcome, type Report, shared } from "./threads";

const ExecuteRequest = z.looseObject({
  code: z.string(),
  silent: z.boolean().default(false),
  store_history: z.boolean().default(true),
  user_expressions: z.record(z.string(), z.string()).nullish(),
  allow_stdin: z.boolean().default(true),
  stop_on_error: z.boolean().default(true),
});
const CodeRequest = z.looseObject({ code: z.string(), cursor_pos: z.int().nonnegative().optional() });
const CommOpen = z.looseObject({ comm_id: z.string(), target_name: z.string() });

interface Cell {
  readonly message: Message;
  readonly request: z.infer<typeof ExecuteRequest>;
  /** Execution count. */
  number: number;
  /** Its outcome is known. */
  done: boolean;
  /** Asked to stop. */
  interrupted: boolean;
}

const bundleText = z.looseObject({ "text/plain": z.string().optional() });

/** The worker: sockets, the queue of cells, and everything that needs no cell's names. */
export class KernelServer {
  readonly #iopub = new XPublisher({ sendHighWaterMark: 0 });
  readonly #routers = { shell: new Router(), control: new Router(), stdin: new Router() };
  readonly #heartbeat = new Reply();
  readonly #queues = {
    shell: new SendQueue(this.#routers.shell),
    control: new SendQueue(this.#routers.control),
    stdin: new SendQueue(this.#routers.stdin),
  };
  readonly #session = randomUUID();
  readonly #outbox: Outbox;
  readonly #interrupter: Interrupter;
  #history = new History();
  readonly #pending = new RequestQueue<Cell>();
  /** What the main thread was asked: message by id. */
  readonly #asked = new Map<string, Message>();
  #running: Cell | undefined;
  #count = 0;
  /** Interrupts under way: no cell starts before they are through. */
  #interrupts = 0;
  #closing = false;

  /**
   * @param main the thread that runs cells
   * @param input where answers to requests for input go
   * @param state shared with the main thread
   */
  constructor(
    private readonly connection: Connection,
    private readonly main: MessagePort,
    private readonly input: MessagePort,
    private readonly state: Int32Array,
  ) {
    this.#outbox = new Outbox(
      ({ type, parent, content }) =>
        this.#iopub.send(
          encode(
            {
              identities: [Buffer.from(type)],
              header: newHeader(type, this.#session),
              parent: parent ?? {},
              content,
            },
            connection.key,
          ),
        ),
      (size) => {
        Atomics.sub(state, shared.unsent, size);
        Atomics.notify(state, shared.unsent);
      },
    );
    this.#interrupter = new Interrupter(
      (command) => this.#command(command),
      state,
      () => this.#stopped(),
    );
    main.on("message", (report: Report) => this.#take(report));
  }

  async start(): Promise<void> {
    await Promise.all([
      this.#iopub.bind(addressOf(this.connection, "iopub")),
      this.#heartbeat.bind(addressOf(this.connection, "hb")),
      ...Object.entries(this.#routers).map(([channel, socket]) =>
        socket.bind(addressOf(this.connection, channel as Channel)),
      ),
    ]);
    this.#status("starting", undefined);
    for (const channel of ["shell", "control", "stdin"] as const) void this.#listen(channel);
    void this.#welcome();
    void (async () => {
      for await (const frames of this.#heartbeat) await this.#heartbeat.send(frames);
    })().catch(() => {});
  }

  async #listen(channel: "shell" | "control" | "stdin"): Promise<void> {
    try {
      for await (const frames of this.#routers[channel]) {
        try {
          const message = decode(frames, this.connection.key);
          if (channel === "stdin") this.#inputReply(message);
          else await this.#handle(channel, message);
        } catch (error) {
          say(`a message was refused: ${(error as Error).message}`);
        }
      }
    } catch {
      // the socket was closed
    }
  }

  /** Tells a front end that subscribes that it will miss nothing from here on. */
  async #welcome(): Promise<void> {
    try {
      for await (const [frame] of this.#iopub) {
        // 1 and the topic; 0 when it leaves
        if (frame?.[0] !== 1) continue;
        const subscription = frame.subarray(1).toString();
        this.#outbox.push({ type: "iopub_welcome", parent: undefined, content: { subscription } });
      }
    } catch {
      // the socket was closed
    }
  }

  #command(command: Command): void {
    this.main.postMessage(command);
  }

  #status(state: "starting" | "busy" | "idle", message: Message | undefined): void {
    this.#outbox.push({ type: "status", parent: message?.header, content: { execution_state: state } });
  }

  #reply(channel: "shell" | "control", to: Message, content: Readonly<Record<string, unknown>>): void {
    const header = newHeader(to.header.msg_type.replace(/_request$/, "_reply"), this.#session);
    this.#queues[channel].send(
      encode({ identities: to.identities, header, parent: to.header, content }, this.connection.key),
    );
  }

  async #handle(channel: "shell" | "control", message: Message): Promise<void> {
    this.#outbox.addParent(message.header);
    const { content } = message;
    const { msg_type: type, msg_id: id } = message.header;
    if (type === "execute_request") {
      const parsed = ExecuteRequest.safeParse(content);
      if (parsed.success) {
        this.#pending.push({ message, request: parsed.data, number: 0, done: false, interrupted: false });
        this.#runNext();
        return;
      }
      this.#status("busy", message);
      const evalue = z.prettifyError(parsed.error);
      this.#reply(channel, message, { status: "error", ename: "BadRequest", evalue, traceback: [evalue] });
      this.#status("idle", message);
      return;
    }
    this.#status("busy", message);
    switch (type) {
      case "complete_request":
      case "inspect_request":
      case "is_complete_request": {
        const { code, cursor_pos } = CodeRequest.parse(content);
        const offset = toUtf16(code, cursor_pos ?? Number.POSITIVE_INFINITY);
        const kind = type.replace("_request", "").replace("_", "-") as "complete" | "inspect" | "is-complete";
        this.#asked.set(id, message);
        this.#command({ type: kind, id, code, offset });
        return;
      }
      case resetRequest:
        // between two notebooks, while nothing runs
        this.#count = 0;
        this.#history = new History();
        this.#asked.set(id, message);
        this.#command({ type: "reset", id });
        return;
      case "kernel_info_request":
        this.#reply(channel, message, kernelInfo);
        break;
      case "history_request": {
        const parsed = HistoryRequest.safeParse(content);
        const history = parsed.success ? this.#history.list(parsed.data) : [];
        this.#reply(channel, message, { status: "ok", history });
        break;
      }
      case "comm_info_request":
        this.#reply(channel, message, { status: "ok", comms: {} });
        break;
      case "comm_open": {
        // the kernel has no targets: the protocol wants the comm closed again
        const { comm_id } = CommOpen.parse(content);
        this.#outbox.push({ type: "comm_close", parent: message.header, content: { comm_id, data: {} } });
        break;
      }
      case "interrupt_request":
        this.#pending.interrupted(message);
        this.#abort(this.#pending.dropInterrupted());
        if (this.#running !== undefined) this.#running.interrupted = true;
        this.#reply(channel, message, { status: "ok" });
        void this.#interrupt();
        break;
      case "shutdown_request":
        this.#reply(channel, message, { status: "ok", restart: content.restart === true });
        break;
    }
    this.#status("idle", message);
    if (type === "shutdown_request") await this.#shutdown();
  }

  async #interrupt(): Promise<void> {
    this.#interrupts++;
    await this.#interrupter.interrupt();
    this.#interrupts--;
    this.#runNext();
  }

  /** After an interrupt nothing runs; a cell whose request the main thread never came to is put away here. */
  #stopped(): void {
    if (this.#running?.done === false)
      void this.#executed(this.#running.message.header.msg_id, { failure: interruptedFailure() });
  }

  #runNext(): void {
    if (this.#running !== undefined || this.#interrupts > 0) return;
    // sent before an interrupt and arrived behind it
    this.#abort(this.#pending.dropInterrupted());
    const cell = this.#pending.next();
    if (cell === undefined) return;
    this.#running = cell;
    this.#interrupter.reset();
    const { message, request } = cell;
    const { code, silent, user_expressions } = request;
    const counted = !silent && request.store_history;
    if (counted) this.#count++;
    cell.number = this.#count;
    if (counted) this.#history.add(this.#count, code);
    this.#status("busy", message);
    if (!silent)
      this.#outbox.push({
        type: "execute_input",
        parent: message.header,
        content: { code, execution_count: this.#count },
      });
    this.#command({
      type: "execute",
      id: message.header.msg_id,
      number: this.#count,
      code,
      silent,
      expressions: user_expressions ?? {},
    });
  }

  /** A report of the main thread. */
  #take(report: Report): void {
    switch (report.type) {
      case "stream":
        if (this.#isSilent(report.owner)) this.#discard(report.text.length);
        else this.#outbox.stream(report.owner, report.name, report.text);
        break;
      case "display":
        if (this.#isSilent(report.owner)) this.#discard(report.json.length);
        else this.#outbox.display(report.owner, report.json, report.displayId, report.update);
        break;
      case "clear": {
        const parent = this.#outbox.parent(report.owner);
        this.#outbox.push({ type: "clear_output", parent, content: { wait: report.wait } });
        break;
      }
      case "late-error": {
        const parent = this.#outbox.parent(report.owner);
        this.#outbox.push({ type: "error", parent, content: { ...report.failure } });
        break;
      }
      case "executed":
        void this.#executed(report.id, report.outcome);
        break;
      case "answer":
        this.#answer(report.id, report.content);
        break;
      case "interrupted":
        this.#interrupter.answered(report.id, report.asked);
        break;
      case "input":
        this.#askForInput(report.owner, report.prompt);
        break;
      case "exit":
        void this.#exit(report.code);
        break;
    }
  }

  #isSilent(owner: string): boolean {
    return this.#running?.message.header.msg_id === owner && this.#running.request.silent;
  }

  #discard(size: number): void {
    Atomics.sub(this.state, shared.unsent, size);
    Atomics.notify(this.state, shared.unsent);
  }

  async #executed(id: string, { failure, result, expressions = {}, page }: Outcome): Promise<void> {
    const cell = this.#running;
    if (cell?.message.header.msg_id !== id || cell.done) return;
    cell.done = true;
    const { message, number, request } = cell;
    const { header } = message;
    this.#interrupter.reset();
    let dropped: Cell[] = [];
    if (failure !== undefined) {
      if (!request.silent) this.#outbox.push({ type: "error", parent: header, content: { ...failure } });
      // an interrupted cell takes those along that were sent before the interrupt, and no others
      if (request.stop_on_error && !cell.interrupted) {
        // "run all" sends every cell at once: let those that are still in the socket arrive, then drop them. All this
        // before the reply, so that a cell sent because of the reply is not dropped
        await sleep(50);
        dropped = this.#pending.drop();
      }
    } else if (result !== undefined) {
      const data = JSON.parse(result) as Record<string, unknown>;
      const content = { data, metadata: {}, execution_count: number };
      this.#outbox.push({ type: "execute_result", parent: header, content });
      if (request.store_history) this.#history.setOutput(number, bundleText.parse(data)["text/plain"] ?? "");
    }
    const payload = page === undefined ? [] : [{ source: "page", data: page, start: 0 }];
    const status =
      failure === undefined
        ? { status: "ok", user_expressions: expressions, payload }
        : { status: "error", ...failure };
    this.#reply("shell", message, { execution_count: number, ...status });
    this.#status("idle", message);
    this.#running = undefined;
    this.#abort(dropped);
    this.#runNext();
  }

  #abort(cells: readonly Cell[]): void {
    for (const { message } of cells) {
      this.#status("busy", message);
      this.#reply("shell", message, { status: "aborted" });
      this.#status("idle", message);
    }
  }

  #answer(id: string, content: Readonly<Record<string, unknown>>): void {
    const message = this.#asked.get(id);
    if (message === undefined) return;
    this.#asked.delete(id);
    const code = String(message.content.code);
    const cursors = ["cursor_start", "cursor_end"].flatMap((key) =>
      typeof content[key] === "number" ? [[key, fromUtf16(code, content[key])] as const] : [],
    );
    this.#reply("shell", message, { ...content, ...Object.fromEntries(cursors) });
    this.#status("idle", message);
  }

  #askForInput(owner: string, prompt: string): void {
    const cell = this.#running;
    if (cell === undefined || cell.message.header.msg_id !== owner) {
      this.#giveInput({ refused: "only a running cell can ask for input" });
    } else if (!cell.request.allow_stdin) {
      this.#giveInput({ refused: "this front end gives no input: set the value in the cell" });
    } else {
      const { identities, header } = cell.message;
      const content = { prompt, password: false };
      const request = newHeader("input_request", this.#session);
      this.#queues.stdin.send(encode({ identities, header: request, parent: header, content }, this.connection.key));
    }
  }

  #inputReply({ content }: Message): void {
    this.#giveInput({ line: String(content.value ?? "") });
  }

  #giveInput(input: Input): void {
    this.input.postMessage(input);
    Atomics.add(this.state, shared.inputs, 1);
    Atomics.notify(this.state, shared.inputs);
  }

  /** The process ends: what was printed before is sent, and a cell that ended it says so. */
  async #exit(code: number): Promise<void> {
    const cell = this.#running;
    if (cell !== undefined && !this.#closing) {
      const evalue = `the notebook kernel ended (exit status ${code}): the cell called process.exit`;
      const failure = { ename: "Kernel", evalue, traceback: [`Kernel: ${evalue}`] };
      this.#outbox.push({ type: "error", parent: cell.message.header, content: failure });
      this.#reply("shell", cell.message, { status: "error", execution_count: cell.number, ...failure });
      this.#status("idle", cell.message);
    }
    await this.#close();
    this.#closeSockets();
    await sleep(20);
    Atomics.store(this.state, shared.flushed, 1);
    Atomics.notify(this.state, shared.flushed);
  }

  async #close(): Promise<void> {
    await Promise.all([this.#outbox.drained(), ...Object.values(this.#queues).map((queue) => queue.drained())]);
    // the sockets hand their last messages over in the background
    await sleep(100);
  }

  /** An open socket would abort the process when its thread ends. */
  #closeSockets(): void {
    for (const socket of [this.#iopub, this.#heartbeat, ...Object.values(this.#routers)]) socket.close();
  }

  async #shutdown(): Promise<void> {
    this.#closing = true;
    this.#abort(this.#pending.drop());
    await this.#close();
    this.#command({ type: "shutdown" });
    // the main thread may be in a loop
    await sleep(5000);
    process.kill(process.pid, "SIGKILL");
  }
}

/** The worker's own stderr goes through the main thread, where it would be a cell's. */
function say(text: string): void {
  writeSync(2, `kernel: ${text}\n`);
}

const kernelInfo = {
  status: "ok",
  protocol_version: "5.4",
  implementation: "s2mllm",
  implementation_version: "1.0.0",
  language_info: {
    name: "typescript",
    version: languageVersion,
    mimetype: "text/typescript",
    file_extension: ".ts",
    pygments_lexer: "typescript",
    codemirror_mode: { mode: "typescript", name: "javascript", typescript: true },
    nbconvert_exporter: "script",
  },
  banner: "S2-MLLM lab: TypeScript cells run in the project root",
  help_links: [],
  debugger: false,
};

/** Ends the kernel when the program that started it is gone: a killed Jupyter leaves no process behind. */
function exitWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, "SIGKILL");
  }, 1000).unref();
}

/** What the worker is started with. */
interface WorkerData {
  readonly connectionFile: string | undefined;
  readonly main: MessagePort;
  readonly input: MessagePort;
  readonly state: Int32Array;
}

/** Starts the worker's part. */
export function launch({ connectionFile, main, input, state }: WorkerData): void {
  if (connectionFile === undefined)
    throw new UserError("the kernel needs the connection file that Jupyter gives it", 2);
  exitWithParent();
  void new KernelServer(readConnection(connectionFile), main, input, state).start();
}
