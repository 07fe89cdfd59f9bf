import { basename, dirname, resolve } from "node:path";
import { UserError } from "../core/errors";
import { type ProgressSink, silent } from "../core/progress";
import { readNotebook, writeNotebook } from "./document";
import { OutputCollector } from "./outputs";
import { type ExecuteReply, KernelSession } from "./session";

export interface RunOptions {
  readonly cellTimeoutSeconds?: number;
  readonly onProgress?: ProgressSink;
}

/** A code cell that failed; cell numbers count code cells from 1, as Jupyter's brackets do. */
export interface CellFailure {
  readonly notebook: string;
  readonly cell: number;
  readonly error: string;
}

export interface NotebookRun {
  readonly notebook: string;
  readonly cells: number;
  readonly failure?: CellFailure;
}

const first = (text: string): string => text.trim().split("\n")[0] ?? "";

/** Runs one cell; past its time it is interrupted, and if that does not help the kernel is ended. */
async function runCell(
  kernel: KernelSession,
  code: string,
  collector: OutputCollector,
  seconds: number,
): Promise<ExecuteReply> {
  const late = `took longer than ${seconds} s`;
  let expired = false;
  const run = kernel.execute(code, (type, content) => collector.add(type, content));
  run.catch(() => {});
  let stop: NodeJS.Timeout | undefined;
  let force: NodeJS.Timeout | undefined;
  const giveUp = new Promise<ExecuteReply>((done) => {
    stop = setTimeout(() => {
      expired = true;
      kernel.interrupt();
      force = setTimeout(() => done({ status: "error", ename: "Timeout", evalue: late }), 5000);
    }, seconds * 1000);
  });
  try {
    const reply = await Promise.race([run, giveUp]);
    return expired ? { status: "error", ename: "Timeout", evalue: late } : reply;
  } finally {
    clearTimeout(stop);
    clearTimeout(force);
  }
}

/**
 * Runs a notebook from top to bottom in a fresh kernel and saves its outputs, also when a cell fails: then the error
 * stands under its cell, and the cells behind it are left without outputs.
 *
 * @throws UserError when the file is no notebook or the kernel does not start
 */
export async function runNotebook(path: string, options: RunOptions = {}): Promise<NotebookRun> {
  const { cellTimeoutSeconds = 3600, onProgress = silent } = options;
  const file = resolve(path);
  const name = basename(file, ".ipynb");
  const notebook = readNotebook(file);
  const cells = notebook.cells.filter((c) => c.cell_type === "code");
  for (const cell of cells) {
    cell.outputs = [];
    cell.execution_count = null;
  }
  const kernel = await KernelSession.start(dirname(file));
  let failure: CellFailure | undefined;
  try {
    for (const [i, cell] of cells.entries()) {
      onProgress({ task: `notebook ${name}`, done: i, total: cells.length, note: first(cell.source).slice(0, 60) });
      const collector = new OutputCollector();
      let reply: ExecuteReply;
      try {
        reply = await runCell(kernel, cell.source, collector, cellTimeoutSeconds);
      } catch (error) {
        reply = { status: "error", ename: "Kernel", evalue: (error as Error).message };
      }
      cell.outputs = collector.outputs();
      cell.execution_count = i + 1;
      if (reply.status === "ok") continue;
      const { ename = "error", evalue = reply.status } = reply;
      if (!cell.outputs.some((o) => o.output_type === "error")) {
        cell.outputs.push({ output_type: "error", ename, evalue, traceback: [`${ename}: ${evalue}`] });
      }
      failure = { notebook: name, cell: i + 1, error: `${ename}: ${evalue}` };
      break;
    }
    if (failure === undefined) {
      // an empty run: a promise that the last cell left behind and that was rejected since fails here
      const end = await kernel.execute("", () => {}, true);
      if (end.status !== "ok") failure = { notebook: name, cell: cells.length, error: `${end.ename}: ${end.evalue}` };
    }
  } finally {
    await kernel.close();
  }
  writeNotebook(file, notebook);
  if (failure === undefined) onProgress({ task: `notebook ${name}`, done: cells.length, total: cells.length });
  return { notebook: name, cells: cells.length, ...(failure === undefined ? {} : { failure }) };
}

/** The one-line message of a failed cell. */
export function describeFailure({ notebook, cell, error }: CellFailure): string {
  return `notebook ${notebook}, cell ${cell}: ${error}`;
}

/** @throws UserError naming notebook, cell and error */
export async function runNotebookOrThrow(path: string, options: RunOptions = {}): Promise<NotebookRun> {
  const run = await runNotebook(path, options);
  if (run.failure !== undefined) throw new UserError(describeFailure(run.failure));
  return run;
}
