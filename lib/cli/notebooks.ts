import { availableParallelism } from "node:os";
import { basename, dirname, relative, resolve } from "node:path";
import { onInterrupt } from "../core/interrupt";
import { findChromium } from "../core/programs";
import { silent, stderrProgress } from "../core/progress";
import { readNotebook, writeNotebook } from "../notebook/document";
import { notebookNames, notebookPath } from "../notebook/folder";
import { readParameters } from "../notebook/parameters";
import {
  describeFailure,
  executedPath,
  type NotebookRun,
  type RunOptions,
  runIfChanged,
  runNotebook,
  SharedKernel,
} from "../notebook/runner";
import { currentInputs, markStale, staleCells } from "../notebook/stale";
import { noChromium } from "../report/browser";
import { parseOptions, wholeNumber, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "notebooks",
  positionals: "run|check [NAME …]",
  about:
    "run: executes notebooks from top to bottom, without Jupyter and without names of each other, and writes " +
    "executed copies to data/local/notebooks, or with --publish the notebooks themselves. With --all it leaves out " +
    "those whose outputs were made from the same cells, code and results. A run that fails replaces no outputs.\n" +
    "check: type-checks their cells and checks that they are thin, without running them; with --stale it names " +
    "the cells whose outputs were made by other code, from other rows or with other parameters.",
  options: {
    all: { type: Boolean, help: "every notebook in notebooks/ (also when no name is given to check)" },
    parameter: {
      type: [String],
      alias: "p",
      value: "NAME=VALUE",
      help: 'run: another value for a parameter of the cell tagged "parameters"',
    },
    output: { type: String, alias: "o", value: "FILE", help: "run: where the executed notebook is written; for one" },
    publish: { type: Boolean, help: 'run: writes the notebooks themselves; check --stale: tags their cells "stale"' },
    stale: { type: Boolean, help: "check: names cells whose outputs are not of what is there now" },
    timeout: { type: wholeNumber(1), value: "SECONDS", help: "longest time for one cell; 3600 unless given" },
    json: { type: Boolean, help: "print the outcome as JSON" },
  },
} as const;

/** What became of notebooks that were asked for. */
export interface NotebooksOutcome {
  readonly runs: readonly NotebookRun[];
  /** Names of those that did not have to be run. */
  readonly unchanged: readonly string[];
  /** How many had to be run; more than `runs` after an interrupt. */
  readonly due: number;
}

export interface BatchOptions extends RunOptions {
  /** Runs also those whose outputs are of what is there now. */
  readonly always?: boolean;
  /** Writes the notebooks themselves, not copies. */
  readonly publish?: boolean;
}

/** Runs notebooks, one a core at a time, in one kernel a core; an interrupt stops before the next one. */
export async function runNotebooks(
  paths: readonly string[],
  { always = false, publish = false, ...options }: BatchOptions = {},
): Promise<NotebooksOutcome> {
  const inputs = currentInputs();
  const finished = new Map<string, NotebookRun | undefined>();
  const waiting = [...paths];
  let stopped = false;
  const forget = onInterrupt(() => (stopped = true));
  const work = async (): Promise<void> => {
    const kernel = new SharedKernel();
    try {
      for (let path = waiting.shift(); path !== undefined && !stopped; path = waiting.shift()) {
        const output = options.output ?? (publish ? path : executedPath(basename(path, ".ipynb")));
        const settings = { ...options, inputs, output, kernel, small: publish };
        const run = await (always ? runNotebook : runIfChanged)(path, settings);
        finished.set(path, run);
        if (run?.failure !== undefined) process.stderr.write(`${describeFailure(run.failure)}\n`);
      }
    } catch (error) {
      stopped = true;
      throw error;
    } finally {
      await kernel.close();
    }
  };
  // all are waited for: no kernel is left behind by the failure of another
  const ends = await Promise.allSettled(Array.from({ length: availableParallelism() }, work));
  forget();
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  const done = paths.filter((path) => finished.has(path));
  const runs = done.flatMap((path) => finished.get(path) ?? []);
  const unchanged = done.filter((path) => finished.get(path) === undefined).map((path) => basename(path, ".ipynb"));
  if (runs.length > 0 && findChromium() === undefined) process.stderr.write(`${noChromium}\n`);
  return { runs, unchanged, due: paths.length - unchanged.length };
}

const ended = ({ runs }: NotebooksOutcome): number => runs.filter((r) => r.failure === undefined).length;

/** Exit status: 0 when every notebook that had to be run came to its end. */
export function statusOf(outcome: NotebooksOutcome): number {
  return ended(outcome) === outcome.due ? 0 : 1;
}

/** The outcome in one line, or two where some were left out. */
export function describeNotebooks(outcome: NotebooksOutcome): string[] {
  const { unchanged, due, runs } = outcome;
  return [
    ...(unchanged.length === 0
      ? []
      : [`not run, since nothing that their outputs were made from has changed: ${unchanged.join(", ")}`]),
    ...runs.map(({ notebook, output }) => `${notebook}: ${relative(process.cwd(), output)}`),
    ...(due === 0 ? [] : [`${ended(outcome)} of ${due} notebooks ran to their end`]),
  ];
}

async function check(paths: readonly string[], json: boolean): Promise<number> {
  // loaded here: running notebooks needs no second compiler
  const [{ checkLimits }, { typeCheck }] = await Promise.all([
    import("../notebook/limits"),
    import("../notebook/type-check"),
  ]);
  const notebooks = new Map(paths.map((p) => [basename(p, ".ipynb"), readNotebook(p)]));
  const findings = [
    ...[...notebooks].flatMap(([name, notebook]) => checkLimits(name, notebook)),
    ...typeCheck(notebooks, new Map(paths.map((p) => [basename(p, ".ipynb"), dirname(resolve(p))]))),
  ];
  if (json) printJson({ notebooks: [...notebooks.keys()], findings });
  else {
    const lines = findings.map((f) => `${f.notebook}${f.cell === 0 ? "" : `, cell ${f.cell}`}: ${f.message}`);
    printLines([...lines, `${notebooks.size} notebooks checked, ${findings.length} findings`]);
  }
  return findings.length === 0 ? 0 : 1;
}

/** Names the cells whose outputs are not of what is there now; with `publish` they are tagged so. */
function checkStale(paths: readonly string[], { json, publish }: { json: boolean; publish: boolean }): number {
  const inputs = currentInputs();
  const found = paths.flatMap((path) => {
    const notebook = readNotebook(path);
    const stale = staleCells(notebook, inputs);
    if (publish) writeNotebook(path, markStale(notebook, stale));
    return stale.map((cell) => ({ notebook: basename(path, ".ipynb"), ...cell }));
  });
  if (json) printJson({ stale: found });
  else {
    const lines = found.map(({ notebook, cell, why }) => `${notebook}, cell ${cell}: ${why}`);
    printLines([...lines, `${paths.length} notebooks looked at, ${found.length} cells are stale`]);
  }
  return found.length === 0 ? 0 : 1;
}

/** `s2mllm notebooks run|check` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [action, ...names] = positionals;
  if (action !== "run" && action !== "check")
    throw wrongUsage(spec, `needs "run" or "check"${action === undefined ? "" : `, got "${action}"`}`);
  if (values.all === true && names.length > 0) throw wrongUsage(spec, "takes names or --all, not both");
  if (action === "run" && names.length === 0 && values.all !== true) {
    throw wrongUsage(spec, `which notebooks? names or --all; there are: ${notebookNames().join(", ")}`);
  }
  const paths = (names.length === 0 ? notebookNames() : names).map((n) => notebookPath(n));
  const json = values.json === true;
  const publish = values.publish === true;
  if (action === "check") return values.stale === true ? checkStale(paths, { json, publish }) : check(paths, json);
  const parameters = readParameters(values.parameter);
  if ((values.output !== undefined || parameters.size > 0) && paths.length !== 1)
    throw wrongUsage(spec, "--output and --parameter are for one notebook");
  if (values.output !== undefined && publish) throw wrongUsage(spec, "takes --output or --publish, not both");
  const outcome = await runNotebooks(paths, {
    always: values.all !== true,
    publish,
    parameters,
    output: values.output,
    cellTimeoutSeconds: values.timeout ?? 3600,
    onProgress: json ? silent : stderrProgress(),
  });
  if (json) printJson({ notebooks: outcome.runs, unchanged: outcome.unchanged });
  else printLines(describeNotebooks(outcome));
  return statusOf(outcome);
}
