import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ANSWERS, Answer, type Answers, type Request } from "./messages";

/** How a worker's process is started. */
export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  /** Beside the parent's own; undefined takes a variable away. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/** Python writes numbers that are not finite in a way that is no JSON. */
function answerOf(line: string): Answer {
  try {
    return Answer.parse(JSON.parse(line));
  } catch {
    return { error: `it answered ${line.slice(0, 120)}` };
  }
}

/** One engine at one task, in a process of its own: memory and threads are nobody else's. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  #waiting: Waiting | undefined;
  #ended: Error | undefined;
  #said = "";

  constructor({ program, args, environment }: Launch) {
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...environment } });
    // what a broken driver or an exception leaves behind says why the process ended
    this.#child.stderr!.on("data", (text: Buffer) => (this.#said = (this.#said + text.toString()).slice(-4000)));
    // a request to a process that just ended fails by its end
    this.#child.stdin!.on("error", () => {});
    createInterface({ input: this.#child.stdout! }).on("line", (line) =>
      this.#settle((waiting) => waiting.resolve(answerOf(line))),
    );
    this.#child.on("error", (error) => this.#end(error));
    this.#child.on("close", (code, signal) => {
      const last = this.#said.trim().split("\n").at(-1)!.trim();
      this.#end(new Error(`its process ended (${signal ?? `exit status ${code}`}${last === "" ? "" : `: ${last}`})`));
    });
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#settle((waiting) => waiting.reject(error));
  }

  #settle(act: (waiting: Waiting) => void): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) act(waiting);
  }

  /** @throws Error when the worker cannot do it, answers something else, or ends */
  async ask<R extends Request>(request: R): Promise<Answers[R["do"]]> {
    if (this.#ended !== undefined) throw this.#ended;
    const answer = await new Promise<Answer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    });
    if ("error" in answer) throw new Error(answer.error);
    const parsed = ANSWERS[request.do].safeParse(answer.ok);
    if (!parsed.success) throw new Error(`it answered ${JSON.stringify(answer.ok).slice(0, 120)} to ${request.do}`);
    return parsed.data as Answers[R["do"]];
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }
}
