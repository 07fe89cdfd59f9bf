import { createRequire } from "node:module";
import { inspect } from "node:util";
import type { MessagePort } from "node:worker_threads";
import { interrupt, watchListeners } from "../../core/interrupt";
import { type MimeBundle, setNotebookOutput } from "../mime";
import { Assistant } from "./assist";
import { Cells, type ReadyCell } from "./cells";
import { CellCompiler } from "./compiler";
import { allowTermination, type CellContext, cancel, closeContexts, currentContext, runInContext } from "./context";
import { type Failure, interruptedFailure } from "./failure";
import { offerInput } from "./input";
import {
  type Command,
  type ExecuteCommand,
  type Outcome,
  phase,
  type Report,
  shared,
  type UserExpression,
} from "./threads";

/** So much may be on its way to the sockets before the main thread waits for them. */
const maxUnsent = 1 << 24;

/** The main thread: it runs cells and answers what needs their names. */
class Kernel {
  readonly #given: Readonly<Record<string, unknown>>;
  #cells!: Cells;
  #assistant!: Assistant;
  #contexts: CellContext[] = [];
  #running: { context: CellContext; cell?: ReadyCell; before: Readonly<Record<string, unknown>> } | undefined;

  constructor(
    private readonly sockets: MessagePort,
    input: MessagePort,
    private readonly state: Int32Array,
    private readonly compiler: CellCompiler,
    private readonly root: string,
    private readonly folder: string,
  ) {
    this.#given = { prompt: offerInput(sockets, input, state, () => this.#owner()?.id ?? "") };
    this.#reset();
  }

  /** Begins a notebook. What the one before has left behind prints nothing any more. */
  #reset(): void {
    const { compiler, root, folder } = this;
    for (const context of this.#contexts) context.cancelled = true;
    this.#contexts = [];
    process.chdir(root);
    compiler.reset(folder);
    this.#cells = new Cells(compiler, root, folder, this.#given);
    this.#assistant = new Assistant(compiler, root, folder);
  }

  #report(report: Report): void {
    this.sockets.postMessage(report);
  }

  /** Waits while the sockets are behind, so that no burst fills the memory. */
  #makeRoom(size: number): void {
    for (let unsent = Atomics.add(this.state, shared.unsent, size); unsent > maxUnsent; ) {
      Atomics.wait(this.state, shared.unsent, unsent, 100);
      unsent = Atomics.load(this.state, shared.unsent) - size;
    }
  }

  /** The cell that output belongs to: undefined when it was interrupted, or there was none yet. */
  #owner(): CellContext | undefined {
    const context = currentContext() ?? this.#running?.context ?? this.#contexts.at(-1);
    return context?.cancelled === true ? undefined : context;
  }

  captureOutput(): void {
    for (const name of ["stdout", "stderr"] as const) {
      process[name].write = ((chunk: string | Uint8Array, encoding?: unknown, callback?: unknown): boolean => {
        const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8");
        const owner = this.#owner();
        if (owner !== undefined && text !== "") {
          this.#makeRoom(text.length);
          this.#report({ type: "stream", owner: owner.id, name, text });
        }
        const done = typeof encoding === "function" ? encoding : callback;
        if (typeof done === "function") (done as () => void)();
        return true;
      }) as typeof process.stdout.write;
    }
    const show = (bundle: MimeBundle, displayId?: string, update = false): void => {
      const owner = this.#owner();
      if (owner === undefined) return;
      const json = JSON.stringify(bundle);
      this.#makeRoom(json.length);
      this.#report({ type: "display", owner: owner.id, json, displayId, update });
    };
    const clear = (wait: boolean): void => {
      const owner = this.#owner();
      if (owner !== undefined) this.#report({ type: "clear", owner: owner.id, wait });
    };
    setNotebookOutput({ show, clear });
    console.clear = () => clear(false);
    // what tslab's own display calls write to
    const tslab = createRequire(__filename)("tslab/dist/jupyter") as { lastWriteDisplayData: unknown };
    tslab.lastWriteDisplayData = (
      { data, transient }: { data: MimeBundle; transient?: { display_id?: string } },
      update?: boolean,
    ) => show(data, transient?.display_id, update === true);
  }

  catchStrays(): void {
    const stray = (thrown: unknown): void => {
      const context = currentContext() ?? this.#running?.context ?? this.#contexts.at(-1);
      if (context === undefined || context.cancelled) return;
      const failure = this.#cells.failure(thrown);
      if (context.finished) this.#report({ type: "late-error", owner: context.id, failure });
      else context.stray ??= failure;
    };
    process.on("unhandledRejection", stray);
    process.on("uncaughtException", stray);
    // an interrupted cell leaves files open, of which node warns when it closes them
    process.removeAllListeners("warning");
    process.on("warning", ({ name, message }) => {
      if (!message.includes("garbage collection")) process.stderr.write(`${name}: ${message}\n`);
    });
    process.on("exit", (code) => {
      this.#report({ type: "exit", code });
      Atomics.wait(this.state, shared.flushed, 0, 5000);
    });
  }

  /** Runs the kernel's own code, which an interrupt must not cut; later, where one is under way. */
  #guarded(work: () => void): void {
    if (Atomics.compareExchange(this.state, shared.phase, phase.cells, phase.kernel) !== phase.cells) {
      setTimeout(() => this.#guarded(work), 5);
      return;
    }
    try {
      work();
    } finally {
      Atomics.store(this.state, shared.phase, phase.cells);
    }
  }

  handle(command: Command): void {
    switch (command.type) {
      case "execute":
        this.#guarded(() => this.#execute(command));
        break;
      case "interrupt":
        this.#interrupt(command.id, command.force);
        break;
      case "reset":
        this.#guarded(() => {
          this.#reset();
          this.#report({ type: "answer", id: command.id, content: { status: "ok" } });
        });
        break;
      case "shutdown":
        process.exit(0);
        break;
      default:
        this.#guarded(() => {
          this.#report({ type: "answer", id: command.id, content: this.#assistant.answer(command) });
        });
    }
  }

  #execute(command: ExecuteCommand): void {
    const { id, number, code } = command;
    const context: CellContext = { id, number, code, notebook: this.#cells, cancelled: false, finished: false };
    this.#contexts.push(context);
    const asked = /^\s*([\w$.]+)\?\s*$/.exec(code)?.[1];
    if (asked !== undefined) {
      this.#finish(context, this.#help(asked));
      return;
    }
    const cell = this.#compiled(command);
    this.#running = { context, before: this.#cells.names(), cell: "output" in cell ? cell : undefined };
    if (!("output" in cell)) {
      this.#finish(context, { failure: cell });
      return;
    }
    // from a fresh task: an interrupt ends all that stands on the stack beneath
    setTimeout(() => {
      if (context.cancelled) return;
      const body = runInContext(context, () => this.#body(cell, command, context));
      body.then(
        (outcome) => this.#finish(context, outcome),
        (error) => this.#finish(context, { failure: this.#cells.failure(error) }),
      );
    }, 0);
  }

  /** A compiler that fails in itself fails the cell, not the kernel. */
  #compiled({ code, number }: ExecuteCommand): ReadyCell | Failure {
    try {
      return this.#cells.compile(code, number);
    } catch (error) {
      return this.#cells.failure(error);
    }
  }

  /** `name?` asks for help on a name, as in IPython. */
  #help(name: string): Outcome {
    const page = this.#assistant.inspection(name, name.length);
    if (page !== undefined) return { page };
    const evalue = `nothing is known of ${name}`;
    return { failure: { ename: "NotFound", evalue, traceback: [`NotFound: ${evalue}`] } };
  }

  /** A cell from its first statement to the picture of its last value; runs in the cell's context. */
  async #body(cell: ReadyCell, { silent, expressions }: ExecuteCommand, context: CellContext): Promise<Outcome> {
    const value = await this.#cells.run(cell);
    // rejections that nobody handles are announced after the turn in which they happen
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (context.stray !== undefined) return { failure: notAwaited(context.stray) };
    const result = value === undefined || value === null || silent ? undefined : JSON.stringify(await bundleOf(value));
    const evaluated: Record<string, UserExpression> = {};
    for (const [name, expression] of Object.entries(expressions)) evaluated[name] = await this.#evaluate(expression);
    return { result, expressions: evaluated };
  }

  async #evaluate(expression: string): Promise<UserExpression> {
    try {
      return { status: "ok", data: await bundleOf(await this.#cells.evaluate(expression)), metadata: {} };
    } catch (error) {
      return { status: "error", ...this.#cells.failure(error) };
    }
  }

  #finish(context: CellContext, outcome: Outcome): void {
    if (context.finished) return;
    context.finished = true;
    if (this.#running?.context === context) this.#running = undefined;
    this.#report({ type: "executed", id: context.id, outcome });
  }

  /** Asks what listens to stop; without it, or by force, ends the running cell, or what earlier ones left behind. */
  #interrupt(id: number, force: boolean): void {
    const asked = !force && interrupt() > 0;
    if (!asked) {
      const { context, cell, before } = this.#running ?? {};
      if (context === undefined) for (const earlier of this.#contexts) cancel(earlier);
      else {
        cancel(context);
        if (cell !== undefined) this.#cells.keepNames(cell, before!);
        this.#finish(context, { failure: interruptedFailure() });
      }
      forgetHalfLoaded();
    }
    this.#report({ type: "interrupted", id, asked });
  }
}

/** A module whose loading was cut is loaded anew by the next import. */
function forgetHalfLoaded(): void {
  const { cache } = createRequire(__filename);
  for (const [file, module] of Object.entries(cache)) if (module?.loaded === false) delete cache[file];
}

function notAwaited({ ename, evalue, traceback }: Failure): Failure {
  const [head = "", ...rest] = traceback;
  return { ename, evalue: `not awaited: ${evalue}`, traceback: [`not awaited: ${head}`, ...rest] };
}

/** How a value is shown: richly where the lab knows it, else as text. */
async function bundleOf(value: unknown): Promise<MimeBundle> {
  if (typeof value === "object" && value !== null) {
    // loaded here: a notebook that shows nothing needs no report
    const { richBundle } = await import("../display");
    const bundle = await richBundle(value);
    if (bundle !== undefined) return bundle;
  }
  return { "text/plain": typeof value === "string" ? value : inspect(value, { depth: 4, maxArrayLength: 50 }) };
}

/** Starts the main thread's part. The current folder must be the project's root. */
export function launch(sockets: MessagePort, input: MessagePort, state: Int32Array, folder: string): void {
  const root = process.cwd();
  allowTermination();
  const compiler = new CellCompiler(root, folder);
  const kernel = new Kernel(sockets, input, state, compiler, root, folder);
  kernel.captureOutput();
  kernel.catchStrays();
  process.on("exit", closeContexts);
  watchListeners((count) => Atomics.store(state, shared.listeners, count));
  sockets.on("message", (command: Command) => kernel.handle(command));
}
