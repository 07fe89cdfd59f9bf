import { basename } from "node:path";
import { onInterrupt } from "../core/interrupt";
import { findChromium } from "../core/programs";
import { silent, stderrProgress } from "../core/progress";
import { readNotebook } from "../notebook/document";
import { notebookNames, notebookPath } from "../notebook/folder";
import { checkLimits } from "../notebook/limits";
import { type NotebookRun, describeFailure, runNotebook } from "../notebook/runner";
import { typeCheck } from "../notebook/type-check";
import { noChromium } from "../report/browser";
import { parseOptions, wholeNumber, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "notebooks",
  positionals: "run|check [NAME …]",
  about:
    "run: executes notebooks from top to bottom in a fresh kernel and saves their outputs; no Jupyter is needed.\n" +
    "check: type-checks their cells and checks that they are thin, without running them.",
  options: {
    all: { type: "boolean", help: "every notebook in notebooks/ (also when no name is given to check)" },
    timeout: { type: "string", value: "SECONDS", help: "longest time for one cell; 3600 unless given" },
    json: { type: "boolean", help: "print the outcome as JSON" },
  },
} as const;

async function runAll(paths: readonly string[], seconds: number, json: boolean): Promise<number> {
  if (findChromium() === undefined) process.stderr.write(`${noChromium}\n`);
  const runs: NotebookRun[] = [];
  let stopped = false;
  const forget = onInterrupt(() => (stopped = true));
  for (const path of paths) {
    if (stopped) break;
    const run = await runNotebook(path, { cellTimeoutSeconds: seconds, onProgress: json ? silent : stderrProgress() });
    runs.push(run);
    if (run.failure !== undefined) process.stderr.write(`${describeFailure(run.failure)}\n`);
  }
  forget();
  const failed = runs.filter((r) => r.failure !== undefined).length;
  if (json) printJson({ notebooks: runs });
  else printLines([`${runs.length - failed} of ${paths.length} notebooks ran to their end`]);
  return failed === 0 && runs.length === paths.length ? 0 : 1;
}

function check(paths: readonly string[], json: boolean): number {
  const notebooks = new Map(paths.map((p) => [basename(p, ".ipynb"), readNotebook(p)]));
  const findings = [...[...notebooks].flatMap(([name, notebook]) => checkLimits(name, notebook)), ...typeCheck(notebooks)];
  if (json) printJson({ notebooks: [...notebooks.keys()], findings });
  else {
    const lines = findings.map((f) => `${f.notebook}${f.cell === 0 ? "" : `, cell ${f.cell}`}: ${f.message}`);
    printLines([...lines, `${notebooks.size} notebooks checked, ${findings.length} findings`]);
  }
  return findings.length === 0 ? 0 : 1;
}

/** `s2mllm notebooks run|check` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [action, ...names] = positionals;
  if (action !== "run" && action !== "check") throw wrongUsage(spec, `needs "run" or "check"${action === undefined ? "" : `, got "${action}"`}`);
  if (values.all === true && names.length > 0) throw wrongUsage(spec, "takes names or --all, not both");
  if (action === "run" && names.length === 0 && values.all !== true) {
    throw wrongUsage(spec, `which notebooks? names or --all; there are: ${notebookNames().join(", ")}`);
  }
  const paths = (names.length === 0 ? notebookNames() : names).map((n) => notebookPath(n));
  if (action === "check") return check(paths, values.json === true);
  const seconds = values.timeout === undefined ? 3600 : wholeNumber("--timeout", values.timeout, 1);
  return runAll(paths, seconds, values.json === true);
}
