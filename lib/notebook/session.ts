import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Dealer, Subscriber } from "zeromq";
import { z } from "zod";
import { UserError } from "../core/errors";
import { kernelCommand } from "./kernelspec";
import { freePorts } from "./ports";
import { addressOf, type Connection, decode, encode, type Message, newHeader, resetRequest, SendQueue } from "./wire";

const ExecuteReply = z.looseObject({
  status: z.enum(["ok", "error", "aborted"]),
  ename: z.string().optional(),
  evalue: z.string().optional(),
  traceback: z.array(z.string()).optional(),
});
export type ExecuteReply = Readonly<z.infer<typeof ExecuteReply>>;

/** A running kernel, spoken to over Jupyter's protocol: what a Jupyter front end does, in Node alone. */
export class KernelSession {
  readonly #shell = new Dealer();
  readonly #control = new Dealer();
  readonly #iopub = new Subscriber({ receiveHighWaterMark: 0 });
  readonly #shellQueue = new SendQueue(this.#shell);
  readonly #controlQueue = new SendQueue(this.#control);
  readonly #session = randomUUID();
  readonly #replies = new Map<string, (content: Record<string, unknown>) => void>();
  readonly #listeners = new Map<string, (type: string, content: Record<string, unknown>) => void>();
  #stderr = "";
  /** Rejects when the process ends. */
  readonly #died: Promise<never>;

  private constructor(
    private readonly connection: Connection,
    private readonly process: ChildProcess,
    private readonly folder: string,
  ) {
    process.stderr?.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString("utf8")));
    this.#died = new Promise((_, reject) => {
      process.once("exit", (code, signal) => {
        const said = this.#stderr.trim() === "" ? "" : `; it said: ${this.#stderr.trim().slice(-2000)}`;
        reject(new UserError(`the notebook kernel ended (${signal ?? `exit status ${code}`})${said}`));
      });
    });
    this.#died.catch(() => {});
  }

  /**
   * Starts a kernel as Jupyter would, in `cwd`; on a busy machine that takes long.
   *
   * @throws UserError when it does not answer
   */
  static async start(cwd: string, timeoutMs = 180_000): Promise<KernelSession> {
    const [shell_port, iopub_port, stdin_port, control_port, hb_port] = (await freePorts(5)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const connection: Connection = {
      transport: "tcp",
      ip: "127.0.0.1",
      shell_port,
      iopub_port,
      stdin_port,
      control_port,
      hb_port,
      key: randomUUID(),
      signature_scheme: "hmac-sha256",
    };
    const folder = mkdtempSync(join(tmpdir(), "s2mllm-kernel-"));
    const file = join(folder, "connection.json");
    writeFileSync(file, JSON.stringify(connection), { mode: 0o600 });
    const [, ...args] = kernelCommand(file);
    const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "ignore", "pipe"] });
    const session = new KernelSession(connection, child, folder);
    try {
      await session.#connect(timeoutMs);
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  async #connect(timeoutMs: number): Promise<void> {
    this.#shell.connect(addressOf(this.connection, "shell"));
    this.#control.connect(addressOf(this.connection, "control"));
    this.#iopub.connect(addressOf(this.connection, "iopub"));
    this.#iopub.subscribe();
    for (const socket of [this.#shell, this.#control])
      void this.#receive(socket, (m) => this.#replies.get(m.parent.msg_id ?? "")?.(m.content));
    void this.#receive(this.#iopub, (m) => this.#listeners.get(m.parent.msg_id ?? "")?.(m.header.msg_type, m.content));
    // a subscriber misses what is published before it is connected: ask until an answer's status arrives there too
    const until = Date.now() + timeoutMs;
    let heard = false;
    while (!heard) {
      if (Date.now() > until) throw new UserError(`the notebook kernel did not answer within ${timeoutMs / 1000} s`);
      const header = newHeader("kernel_info_request", this.#session);
      this.#listeners.set(header.msg_id, () => (heard = true));
      this.#send(header, {});
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 100)), this.#died]);
      this.#listeners.delete(header.msg_id);
    }
  }

  async #receive(socket: AsyncIterable<Buffer[]>, handle: (message: Message) => void): Promise<void> {
    try {
      for await (const frames of socket) handle(decode(frames, this.connection.key));
    } catch {
      // closed
    }
  }

  #send(header: Message["header"], content: Record<string, unknown>, queue = this.#shellQueue): void {
    queue.send(encode({ identities: [], header, parent: {}, content }, this.connection.key));
  }

  /** Sends any request on the shell channel. @returns the reply's content */
  async request(type: string, content: Record<string, unknown>): Promise<Record<string, unknown>> {
    const header = newHeader(type, this.#session);
    const reply = new Promise<Record<string, unknown>>((resolve) => this.#replies.set(header.msg_id, resolve));
    this.#send(header, content);
    try {
      return await Promise.race([reply, this.#died]);
    } finally {
      this.#replies.delete(header.msg_id);
    }
  }

  /**
   * Runs code to its end.
   *
   * @param onMessage each output message, in order; also those that come after the cell's end
   * @param silent does not count as a cell
   */
  async execute(
    code: string,
    onMessage: (type: string, content: Record<string, unknown>) => void = () => {},
    silent = false,
  ): Promise<ExecuteReply> {
    const header = newHeader("execute_request", this.#session);
    const id = header.msg_id;
    const idle = new Promise<void>((resolve) => {
      this.#listeners.set(id, (type, content) => {
        if (type === "status" && content.execution_state === "idle") resolve();
        else onMessage(type, content);
      });
    });
    const reply = new Promise<Record<string, unknown>>((resolve) => this.#replies.set(id, resolve));
    this.#send(header, {
      code,
      silent,
      store_history: !silent,
      user_expressions: {},
      allow_stdin: false,
      stop_on_error: true,
    });
    try {
      const [content] = await Promise.race([Promise.all([reply, idle]), this.#died]);
      return ExecuteReply.parse(content);
    } finally {
      this.#replies.delete(id);
    }
  }

  /** Makes the kernel forget all names, for the next notebook of the folder; its modules stay loaded. */
  async reset(): Promise<void> {
    await this.request(resetRequest, {});
  }

  /** As Jupyter's stop button: the first asks work that listens, all else is ended at once. */
  interrupt(): void {
    this.#send(newHeader("interrupt_request", this.#session), {}, this.#controlQueue);
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** What the kernel process wrote outside of any cell. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Ends the kernel, politely first. */
  async close(): Promise<void> {
    const running = this.process.exitCode === null && this.process.signalCode === null;
    const ended = running ? new Promise((resolve) => this.process.once("exit", resolve)) : Promise.resolve();
    if (running) this.#send(newHeader("shutdown_request", this.#session), { restart: false });
    const force = setTimeout(() => this.process.kill("SIGKILL"), 3000);
    await ended;
    clearTimeout(force);
    this.#shell.linger = 0;
    this.#control.linger = 0;
    this.#shell.close();
    this.#control.close();
    this.#iopub.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
