import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { UserError } from "../core/errors";
import { findChromium } from "../core/programs";
import { type ProgressSink, silent } from "../core/progress";
import { outputFolder } from "../runs/results";
import { type Notebook, type NotebookCell, readNotebook, writeNotebook } from "./document";
import { kernelName } from "./kernelspec";
import { liveId, withoutLarge, withPictureOf } from "./live-html";
import { type Displays, OutputCollector } from "./outputs";
import { withParameters } from "./parameters";
import { type ExecuteReply, KernelSession } from "./session";
import { currentInputs, type Inputs, staleCells, stamped } from "./stale";

export interface RunOptions {
  readonly cellTimeoutSeconds?: number;
  readonly onProgress?: ProgressSink;
  /** Text by name, for the notebook's cell tagged "parameters". */
  readonly parameters?: ReadonlyMap<string, string>;
  /** Where the executed notebook is written; over the notebook itself unless given. */
  readonly output?: string;
  /** What its outputs will be made from; found out unless given. */
  readonly inputs?: Inputs;
  /** Runs it, after others; a fresh one unless given. */
  readonly kernel?: SharedKernel;
  /** Leaves plotly.js and pages out of what is written, for committed notebooks: pictures until their cells run. */
  readonly small?: boolean;
}

/**
 * A kernel for one notebook after another: each begins without names, and with the modules, the compiler and the
 * browser that those before it have loaded.
 */
export class SharedKernel {
  #kernel: KernelSession | undefined;
  #folder = "";

  /** The kernel, ready for a notebook in `folder`. */
  async open(folder: string): Promise<KernelSession> {
    if (folder !== this.#folder) await this.close();
    this.#folder = folder;
    if (this.#kernel === undefined) this.#kernel = await KernelSession.start(folder);
    else await this.#kernel.reset();
    return this.#kernel;
  }

  /** The next notebook gets another process. */
  async close(): Promise<void> {
    const kernel = this.#kernel;
    this.#kernel = undefined;
    await kernel?.close();
  }
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
  /** The file that was written. */
  readonly output: string;
  readonly failure?: CellFailure;
}

/** Where executed copies go, which git ignores. */
export function executedPath(name: string): string {
  return join(outputFolder("notebooks", false), `${name}.ipynb`);
}

const first = (text: string): string => text.trim().split("\n")[0] ?? "";
const isCode = (cell: NotebookCell): boolean => cell.cell_type === "code";
const hasOutputs = ({ cells }: Notebook): boolean => cells.some(({ outputs = [] }) => outputs.length > 0);

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
      force = setTimeout(() => done({ status: "error", ename: "Timeout", evalue: late }), 15_000);
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

/** Runs the code cells in order, up to one that fails; gives each its outputs. */
async function runCells(
  kernel: KernelSession,
  name: string,
  cells: readonly NotebookCell[],
  { cellTimeoutSeconds = 3600, onProgress = silent }: RunOptions,
): Promise<CellFailure | undefined> {
  const displays: Displays = new Map();
  const collectors: OutputCollector[] = [];
  let failure: CellFailure | undefined;
  for (const [i, { source }] of cells.entries()) {
    onProgress({ task: `notebook ${name}`, done: i, total: cells.length, note: first(source).slice(0, 60) });
    const collector = new OutputCollector(displays);
    collectors.push(collector);
    const reply = await runCell(kernel, source, collector, cellTimeoutSeconds).catch((error: Error) => {
      return { status: "error" as const, ename: "Kernel", evalue: error.message };
    });
    if (reply.status === "ok") continue;
    const { ename = "error", evalue = reply.status } = reply;
    collector.fail(ename, evalue);
    failure = { notebook: name, cell: i + 1, error: `${ename}: ${evalue}` };
    break;
  }
  // a turn for what cells left behind: late output stands under its cell, and a late error is that cell's failure
  if (failure === undefined) {
    await kernel.execute("await new Promise((done) => setTimeout(done, 10))", undefined, true).catch((error: Error) => {
      collectors.at(-1)?.fail("Kernel", error.message);
    });
  }
  for (const [i, collector] of collectors.entries()) {
    const cell = cells[i]!;
    cell.outputs = collector.outputs();
    cell.execution_count = i + 1;
    const late = cell.outputs.find((output) => output.output_type === "error");
    if (late !== undefined) failure ??= { notebook: name, cell: i + 1, error: `${late.ename}: ${late.evalue}` };
  }
  return failure;
}

/** The HTML that a notebook's cells show, each with its bundle. */
function htmlOf(cells: readonly NotebookCell[]): { data: Record<string, unknown>; html: string }[] {
  return cells.flatMap(({ outputs = [] }) =>
    outputs.flatMap((output) => {
      if (output.output_type !== "display_data" && output.output_type !== "execute_result") return [];
      const html = output.data["text/html"];
      return typeof html === "string" ? [{ data: output.data, html }] : [];
    }),
  );
}

/** Where no browser drew them, figures and pages that are as they were keep their picture. */
function keepPictures(cells: readonly NotebookCell[], earlier: readonly Notebook[]): void {
  const drawn = new Map<string, Record<string, unknown>>();
  for (const { data, html } of earlier.flatMap(({ cells: old }) => htmlOf(old))) {
    const id = liveId(html);
    if (id !== undefined && "image/png" in data) drawn.set(id, data);
  }
  for (const { data, html } of htmlOf(cells)) {
    const old = "image/png" in data ? undefined : drawn.get(liveId(html) ?? "");
    if (old === undefined) continue;
    data["image/png"] = old["image/png"];
    data["text/html"] = withPictureOf(html, String(old["text/html"]));
  }
}

/** @throws UserError for a notebook of another language's kernel */
function ofThisKernel(name: string, { metadata: { kernelspec } }: Notebook): void {
  if (kernelspec === undefined || kernelspec.name === kernelName || kernelspec.language === "typescript") return;
  throw new UserError(
    `notebook ${name} is for the kernel "${kernelspec.name}"; this runs TypeScript, notebooks of "${kernelName}"`,
  );
}

/** A notebook that is there, or nothing. */
const readIfThere = (path: string): Notebook[] => (existsSync(path) ? [readNotebook(path)] : []);

/**
 * Runs a notebook from top to bottom and saves its outputs. When a cell fails, the error stands under
 * it and the cells behind it are without outputs; that copy never replaces good outputs: it is then written beside the
 * executed copies as NAME.failed.ipynb.
 *
 * @throws UserError when the file is no notebook, a parameter does not fit or the kernel does not start
 */
export async function runNotebook(path: string, options: RunOptions = {}): Promise<NotebookRun> {
  const file = resolve(path);
  const name = basename(file, ".ipynb");
  const target = resolve(options.output ?? file);
  const source = readNotebook(file);
  ofThisKernel(name, source);
  const notebook = withParameters(name, source, options.parameters ?? new Map());
  const earlier = [source, ...(target === file ? [] : readIfThere(target))].map((n) => structuredClone(n));
  const inputs = options.inputs ?? currentInputs();
  const cells = notebook.cells.filter(isCode);
  for (const cell of cells) {
    cell.outputs = [];
    cell.execution_count = null;
  }
  const kernel = options.kernel ?? new SharedKernel();
  let failure: CellFailure | undefined;
  let ended = false;
  try {
    failure = await runCells(await kernel.open(dirname(file)), name, cells, options);
    ended = failure === undefined;
  } finally {
    // one that failed may have left anything behind
    if (!ended || options.kernel === undefined) await kernel.close();
  }
  keepPictures(cells, earlier);
  if (options.small === true) for (const { data, html } of htmlOf(cells)) data["text/html"] = withoutLarge(html);
  const spoils = failure !== undefined && (target === file ? earlier : readIfThere(target)).some(hasOutputs);
  const output = spoils ? executedPath(`${name}.failed`) : target;
  writeNotebook(output, failure === undefined ? stamped(notebook, inputs, findChromium() !== undefined) : notebook);
  if (failure !== undefined) return { notebook: name, cells: cells.length, output, failure };
  options.onProgress?.({ task: `notebook ${name}`, done: cells.length, total: cells.length });
  return { notebook: name, cells: cells.length, output };
}

const sources = ({ cells }: Notebook): string => JSON.stringify(cells.filter(isCode).map(({ source }) => source));

/**
 * Runs a notebook, unless its outputs, or those of its executed copy, were made from just what is there now.
 *
 * @returns undefined when nothing had to be run
 * @throws UserError as `runNotebook` does
 */
export async function runIfChanged(path: string, options: RunOptions = {}): Promise<NotebookRun | undefined> {
  const inputs = options.inputs ?? currentInputs();
  const notebook = withParameters(basename(path, ".ipynb"), readNotebook(path), options.parameters ?? new Map());
  const pictures = findChromium() !== undefined;
  const copies = [notebook, ...(options.output === undefined ? [] : readIfThere(options.output))];
  const fresh = copies.some(
    (copy) => sources(copy) === sources(notebook) && staleCells(copy, inputs, pictures).length === 0,
  );
  // what changes while it runs was not there from its start: the inputs found before say so
  return fresh ? undefined : runNotebook(path, { ...options, inputs });
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
