/** A Jupyter front end that keeps every message, for tests of what kernels say. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Dealer, Request, Subscriber } from "zeromq";
import { freePorts } from "../../../lib/notebook/ports";
import {
  addressOf,
  type Connection,
  decode,
  encode,
  type Message,
  newHeader,
  SendQueue,
} from "../../../lib/notebook/wire";

/** What came back for one request. */
export interface Exchange {
  readonly request: Message["header"];
  reply?: Message;
  readonly iopub: Message[];
  readonly stdin: Message[];
}

export interface Asking {
  readonly channel?: "shell" | "control";
  /** Answers to input_request, in order. */
  readonly lines?: readonly string[];
  /** Whether a reply is due; comm messages have none. */
  readonly reply?: boolean;
}

export class Client {
  readonly session = "front-end";
  readonly #sockets = { shell: new Dealer(), control: new Dealer(), stdin: new Dealer() };
  readonly #queues = {
    shell: new SendQueue(this.#sockets.shell),
    control: new SendQueue(this.#sockets.control),
    stdin: new SendQueue(this.#sockets.stdin),
  };
  readonly #iopub = new Subscriber({ receiveHighWaterMark: 0 });
  readonly #exchanges = new Map<string, Exchange>();
  /** Messages on iopub that answer no request. */
  readonly unasked: Message[] = [];
  readonly ended: Promise<number | null>;

  private constructor(
    private readonly connection: Connection,
    private readonly kernel: ChildProcess,
    private readonly folder: string,
    /** How many times as long as usual everything is given. */
    readonly pace: number,
  ) {
    this.ended = new Promise((done) => kernel.once("exit", done));
  }

  /** Starts a kernel by its command; `{connection_file}` stands for its connection file. */
  static async start(command: readonly string[], cwd: string, pace: number): Promise<Client> {
    const [shell_port, iopub_port, stdin_port, control_port, hb_port] = await freePorts(5);
    const ports = { shell_port, iopub_port, stdin_port, control_port, hb_port } as Record<string, number>;
    const connection = {
      ...{ transport: "tcp", ip: "127.0.0.1", key: "secret", signature_scheme: "hmac-sha256" },
      ...ports,
    } as Connection;
    const folder = mkdtempSync(join(tmpdir(), "s2-protocol-"));
    const file = join(folder, "connection.json");
    writeFileSync(file, JSON.stringify(connection));
    const [program, ...args] = command.map((part) => part.replace("{connection_file}", file));
    const client = new Client(connection, spawn(program!, args, { cwd, stdio: "ignore" }), folder, pace);
    await client.#connect();
    // the first cell waits for the compiler
    for (let i = 0; i < 20 && (await client.execute("0", { store_history: false })).reply === undefined; i++);
    return client;
  }

  async #connect(): Promise<void> {
    for (const [name, socket] of Object.entries(this.#sockets)) {
      // the kernel asks for input under the identity that the request came with
      socket.routingId = this.session;
      socket.connect(addressOf(this.connection, name as "shell"));
      void this.#receive(socket, (message) => {
        const exchange = this.#exchanges.get(message.parent.msg_id ?? "");
        if (exchange === undefined) return;
        if (name === "stdin") exchange.stdin.push(message);
        else exchange.reply ??= message;
      });
    }
    this.#iopub.connect(addressOf(this.connection, "iopub"));
    this.#iopub.subscribe();
    void this.#receive(this.#iopub, (message) => {
      const exchange = this.#exchanges.get(message.parent.msg_id ?? "");
      (exchange?.iopub ?? this.unasked).push(message);
    });
    // until the subscription is in place
    for (let i = 0; i < 600; i++) {
      const { iopub } = this.#send("kernel_info_request", {}, "shell");
      await sleep(100);
      if (iopub.length > 0) break;
    }
    await sleep(500);
  }

  async #receive(socket: AsyncIterable<Buffer[]>, take: (message: Message) => void): Promise<void> {
    try {
      for await (const frames of socket) take(decode(frames, this.connection.key));
    } catch {
      // closed
    }
  }

  #send(type: string, content: Record<string, unknown>, channel: "shell" | "control"): Exchange {
    const request = newHeader(type, this.session);
    const exchange: Exchange = { request, iopub: [], stdin: [] };
    this.#exchanges.set(request.msg_id, exchange);
    const message = { identities: [], header: request, parent: {}, content };
    this.#queues[channel].send(encode(message, this.connection.key));
    return exchange;
  }

  /** Longest wait for an answer, milliseconds; a kernel that leaves one out costs this much. */
  get #patience(): number {
    return 5000 * this.pace;
  }

  pause(ms: number): Promise<void> {
    return sleep(ms * this.pace);
  }

  /** Sends frames as they are. */
  sendRaw(frames: Buffer[]): void {
    this.#queues.shell.send(frames);
  }

  /** Sends a request without waiting for what comes back. */
  post(type: string, content: Record<string, unknown>, channel: "shell" | "control" = "shell"): Exchange {
    return this.#send(type, content, channel);
  }

  /** Waits until a request is answered and the kernel idle again, or patience ends. */
  async settled(exchange: Exchange, { lines = [], reply = true }: Asking = {}): Promise<Exchange> {
    const left = [...lines];
    const idle = (): boolean => exchange.iopub.some((m) => m.content.execution_state === "idle");
    for (let until = Date.now() + this.#patience; Date.now() < until; ) {
      if ((exchange.reply !== undefined || !reply) && idle()) break;
      if (exchange.stdin.length > lines.length - left.length && left.length > 0) this.#answer(exchange, left.shift()!);
      await sleep(5);
    }
    return exchange;
  }

  #answer(exchange: Exchange, value: string): void {
    const header = newHeader("input_reply", this.session);
    const parent = exchange.stdin.at(-1)!.header;
    this.#queues.stdin.send(encode({ identities: [], header, parent, content: { value } }, this.connection.key));
  }

  async ask(type: string, content: Record<string, unknown>, asking: Asking = {}): Promise<Exchange> {
    return this.settled(this.#send(type, content, asking.channel ?? "shell"), asking);
  }

  async execute(code: string, more: Record<string, unknown> = {}, asking: Asking = {}): Promise<Exchange> {
    return this.ask("execute_request", executeContent(code, more), asking);
  }

  /** The bytes that the heartbeat gives back for some. */
  async heartbeat(bytes: string): Promise<string> {
    const socket = new Request({ receiveTimeout: this.#patience });
    socket.connect(addressOf(this.connection, "hb"));
    try {
      await socket.send(bytes);
      return String((await socket.receive())[0]);
    } finally {
      socket.close();
    }
  }

  close(): void {
    this.kernel.kill("SIGKILL");
    for (const socket of [...Object.values(this.#sockets), this.#iopub]) {
      socket.linger = 0;
      socket.close();
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function executeContent(code: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  const usual = { silent: false, store_history: true, user_expressions: {}, allow_stdin: true, stop_on_error: true };
  return { code, ...usual, ...more };
}
