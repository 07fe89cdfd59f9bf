import { UserError } from "../core/errors";
import { type ProgressSink, stderrProgress } from "../core/progress";
import { chooseEngine, sayUnusedGpu } from "../engine/choose";
import { contrastTable } from "../report/contrasts";
import { compareWithAnswers } from "../report/figure-set";
import { watched } from "../report/live/watch";
import { runTable } from "../report/sections";
import { paperTableOf, studyTables } from "../report/study-tables";
import { toText } from "../report/table";
import { publishRows } from "../runs/publish";
import { localRows, readRows } from "../runs/results";
import type { ResultRow } from "../runs/row";
import { settingsHash } from "../runs/settings";
import { contradictions } from "../studies/contradictions";
import { studies, studyNamed } from "../studies/definitions";
import { failuresOf } from "../studies/failures";
import { finishedRows, missingJobs } from "../studies/finished";
import { type Job, jobConfig, jobsOf, protocolOf, seedsOf } from "../studies/job";
import { planLines, plannedSeeds, planOf, protocolLines } from "../studies/plan";
import { runProtocol, runStudy, type StudyRunOptions } from "../studies/run";
import type { Study } from "../studies/types";
import { requireMemory } from "../train/estimate";
import { failureSignatures } from "../train/signatures";
import { listOf, parseOptions, wholeNumber, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

/** Reads "3/8". */
function part(text: string): { readonly index: number; readonly of: number } {
  const [, index = 0, of = 0] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (!(index >= 1 && index <= of)) throw new UserError(`takes I/N such as 1/8 to 8/8, got "${text}"`, 2);
  return { index: index - 1, of };
}

const spec = {
  name: "study",
  positionals: "NAME",
  about:
    "Runs what is missing of a study, each run in a process of its own, and prints its table. Finished runs are " +
    "read, not redone.",
  options: {
    preset: { type: String, value: "NAME", help: "nano unless given" },
    seeds: {
      type: listOf(wholeNumber()),
      value: "LIST",
      help: "such as 0,1,2; unless given 0, of the protocol's own preset as many as it states",
    },
    variants: { type: listOf(String), value: "LIST", help: "such as full,no-mpe; all of the study unless given" },
    retrain: { type: listOf(String), value: "LIST", help: "variants that this machine must have trained itself" },
    processes: {
      type: wholeNumber(1),
      value: "N",
      help: "runs side by side, one thread each; 2 unless given, 1 gives one run all cores",
    },
    minutes: { type: wholeNumber(1), value: "N", help: "end after so many minutes; a further call goes on" },
    part: {
      type: part,
      value: "I/N",
      help: "run only the I-th of N parts (1/N to N/N), as one task of a Slurm job array does; they share data/runs",
    },
    set: { type: [String], value: "PATH=VALUE", help: "change one config value in every run" },
    list: { type: Boolean, help: "run nothing; print the name and the question of every study" },
    plan: {
      type: Boolean,
      help: "run nothing; print the protocol, what its runs cost, and its tables as far as there are rows",
    },
    watch: { type: Boolean, help: "show arms, curves and failure signatures on a page of this machine, until it ends" },
    publish: {
      type: Boolean,
      help:
        "run nothing; move this machine's finished runs (of all seeds unless given) to the committed ones " +
        "in data/results",
    },
    json: { type: Boolean, help: "print the rows as one JSON document" },
  },
} as const;

interface Choice {
  readonly preset: string;
  readonly variants: readonly string[];
  readonly seeds?: readonly number[];
  readonly set?: readonly string[];
}

function publish(study: string, { preset, variants, seeds, set }: Choice, json: boolean): void {
  const waiting = localRows();
  const runs = new Set(waiting.map((row) => row.run));
  const jobs = jobsOf({ study, preset, variants, seeds: seeds ?? seedsOf(waiting), set });
  const finished = [...finishedRows(study, jobs, { onlyLocal: true }).values()].flat();
  const published = publishRows(
    study,
    finished.filter((row) => runs.has(row.run)),
  );
  const { rows, replaced, files, leftOut } = published;
  if (json) printJson({ study, ...published });
  else
    printLines([
      ...files,
      ...leftOut,
      `${rows.length} rows of ${study} moved, ${replaced} in place of older ones; commit these ${files.length} files`,
    ]);
}

/** Says what is missing and what it costs; refuses, before any run starts, what cannot fit. */
async function announce(jobs: readonly Job[], processes: number): Promise<void> {
  const [first] = jobs as [Job, ...Job[]];
  const missing = missingJobs(jobs, finishedRows(first.study, jobs));
  if (missing.length === 0) return;
  process.stderr.write(`${planLines(planOf(jobs), first).join("\n")}\n`);
  const { engine } = await chooseEngine();
  sayUnusedGpu(engine);
  for (const job of missing) requireMemory(jobConfig(job), "train", engine, Math.min(processes, missing.length));
}

/** Runs a study while a page shows its arms. */
function watch(
  study: string,
  jobs: readonly Job[],
  side: number,
  go: (progress: ProgressSink) => Promise<ResultRow[]>,
): Promise<ResultRow[]> {
  const arms = jobs.map((job) => ({ variant: job.variant, seed: job.seed, config: settingsHash(jobConfig(job)) }));
  const rows = (): ResultRow[] => [...finishedRows(study, jobs).values()].flat();
  return watched({ title: `study ${study}`, arms, rows, side }, stderrProgress(), go);
}

/**
 * On a terminal the table of all runs, drawn anew as they go on; else a line a run's progress, and the state of all
 * whenever one ends.
 */
function shownProgress(): Pick<StudyRunOptions, "onBoard" | "onProgress"> {
  const onProgress = stderrProgress();
  const write = (text: string): boolean => process.stderr.write(text);
  let drawn = 0;
  let last = "";
  let at = 0;
  if (process.stderr.isTTY !== true)
    return {
      onProgress,
      onBoard: (board) => {
        const state = `${board.count("finished")}/${board.count("failed")}`;
        if (state !== last && last !== "") write(`${board.summary()}\n`);
        last = state;
      },
    };
  return {
    // what runs before the first run; then the table says it
    onProgress: (event) => (drawn === 0 ? onProgress(event) : undefined),
    onBoard: (board) => {
      if (Date.now() - at < 250 && board.count("running") > 0) return;
      at = Date.now();
      const lines = board.lines();
      write(`${drawn === 0 ? "" : `\x1b[${drawn}A`}${lines.map((line) => `\r\x1b[K${line}\n`).join("")}`);
      drawn = lines.length;
    },
  };
}

/** `s2mllm study NAME` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [name] = positionals;
  if (values.list === true) {
    const all: readonly Study[] = Object.values(studies);
    if (values.json === true) printJson(all.map(({ name, question, paperTable }) => ({ name, question, paperTable })));
    else printLines(all.map(({ name, question }) => `${name.padEnd(18)} ${question}`));
    return 0;
  }
  if (name === undefined || positionals.length > 1) throw wrongUsage(spec, "takes the name of one study");
  const study = studyNamed(name);
  const choice: Choice = {
    preset: values.preset ?? "nano",
    variants: values.variants ?? study.variants,
    set: values.set,
    ...(values.seeds === undefined ? {} : { seeds: values.seeds }),
  };
  if (values.publish === true) {
    if (values.retrain !== undefined || values.processes !== undefined || values.watch === true)
      throw wrongUsage(spec, "--publish runs nothing and takes neither --retrain, --processes nor --watch");
    publish(name, choice, values.json === true);
    return 0;
  }
  const known = choice.variants.filter((variant) => study.variants.includes(variant));
  const jobsWith = (preset: string, set = choice.set): Job[] =>
    jobsOf({ study: name, preset, set, seeds: choice.seeds ?? plannedSeeds(name, preset), variants: known });
  const jobs = jobsWith(choice.preset);
  if (values.plan === true) {
    const { preset } = study.protocol;
    const plans = [
      ...(jobs.length === 0 ? [] : [{ jobs: jobsWith(preset, []) }]),
      ...(jobs.length === 0 || preset === choice.preset ? [] : [{ jobs }]),
    ].map(({ jobs: own }) => ({ plan: planOf(own), first: own[0]! }));
    if (values.json === true) printJson({ ...study, plans: plans.map(({ plan }) => plan) });
    else {
      const finished = [...finishedRows(name, jobs.length === 0 ? [] : jobsWith(preset, [])).values()].flat();
      printLines([
        ...protocolLines(study),
        ...plans.flatMap(({ plan, first }) => planLines(plan, first)),
        "",
        studyTables(study, finished).map(toText).join("\n\n"),
      ]);
    }
    return 0;
  }
  const seeds = choice.seeds ?? plannedSeeds(name, choice.preset);
  const processes = values.processes ?? 2;
  if (jobs.length > 0) await announce(jobs, processes);
  const options = { ...choice, retrain: values.retrain, processes, minutes: values.minutes, part: values.part };
  const asStated = protocolOf({ study: name, preset: choice.preset, set: choice.set ?? [] }) > 0;
  const go = (shown: Pick<StudyRunOptions, "onBoard" | "onProgress">): Promise<ResultRow[]> =>
    asStated && choice.seeds === undefined
      ? runProtocol(name, { ...options, ...shown })
      : runStudy(name, { ...options, ...shown, seeds });
  const rows =
    values.watch === true
      ? await watch(name, jobs, processes, (onProgress) => go({ onProgress }))
      : await go(shownProgress());
  const finished = new Set(rows.map((row) => `${row.variant} ${row.seed}`));
  const failures = failuresOf(jobs).filter(({ variant, seed }) => !finished.has(`${variant} ${seed}`));
  const defects = contradictions(readRows().filter((row) => rows.some(({ run }) => run === row.run)));
  if (values.json === true) printJson({ study: name, rows, failures, contradictions: defects });
  else {
    printLines([
      ...failures.map(({ variant, seed, error, at }) => `failed at ${at}: ${variant} seed ${seed}: ${error}`),
      ...defects,
      ...failureSignatures(rows, []).map((text) => `failure signature: ${text}`),
    ]);
    if (asStated) printLines([toText(contrastTable(study, rows)), ""]);
    const paper = paperTableOf(study);
    const tables =
      paper === undefined ? [runTable(rows)] : [...studyTables(study, rows), compareWithAnswers(rows, paper)];
    printLines([tables.map(toText).join("\n\n")]);
  }
  return 0;
}
