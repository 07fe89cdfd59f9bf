import { stderrProgress } from "../core/progress";
import { chooseEngine, sayUnusedGpu } from "../engine/choose";
import { compareWithAnswers } from "../report/figure-set";
import { paperTables } from "../report/paper";
import { runTable } from "../report/sections";
import { toText } from "../report/table";
import { publishRows } from "../runs/publish";
import { localRows } from "../runs/results";
import { studyNamed } from "../studies/definitions";
import { finishedRows } from "../studies/finished";
import { jobConfig, jobName, jobsOf } from "../studies/job";
import { runStudy } from "../studies/run";
import { requireMemory } from "../train/estimate";
import { listOf, parseOptions, wholeNumber, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "study",
  positionals: "NAME",
  about:
    "Runs what is missing of a study, each run in a process of its own, and prints its table. Finished runs are " +
    "read, not redone.",
  options: {
    preset: { type: String, value: "NAME", help: "nano unless given" },
    seeds: { type: listOf(wholeNumber()), value: "LIST", help: "such as 0,1,2; 0 unless given" },
    variants: { type: listOf(String), value: "LIST", help: "such as full,no-mpe; all of the study unless given" },
    retrain: { type: listOf(String), value: "LIST", help: "variants that this machine must have trained itself" },
    processes: {
      type: wholeNumber(1),
      value: "N",
      help: "runs side by side, one thread each; 2 unless given, 1 gives one run all cores",
    },
    set: { type: [String], value: "PATH=VALUE", help: "change one config value in every run" },
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
  const jobs = jobsOf({ study, preset, variants, seeds: seeds ?? [...new Set(waiting.map((row) => row.seed))], set });
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

/** Refuses, before any run starts, what cannot fit; finished runs need no room. */
async function requireRoom(study: string, { preset, variants, seeds, set }: Choice, processes: number): Promise<void> {
  const jobs = jobsOf({
    study,
    preset,
    variants: variants.filter((name) => studyNamed(study).variants.includes(name)),
    seeds: seeds ?? [0],
    set,
  });
  const finished = finishedRows(study, jobs);
  const missing = jobs.filter((job) => finished.get(jobName(job))!.length === 0);
  if (missing.length === 0) return;
  const { engine } = await chooseEngine();
  sayUnusedGpu(engine);
  for (const job of missing) requireMemory(jobConfig(job), "train", engine, Math.min(processes, missing.length));
}

/** `s2mllm study NAME` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [name] = positionals;
  if (name === undefined || positionals.length > 1) throw wrongUsage(spec, "takes the name of one study");
  const study = studyNamed(name);
  const choice: Choice = {
    preset: values.preset ?? "nano",
    variants: values.variants ?? study.variants,
    set: values.set,
    ...(values.seeds === undefined ? {} : { seeds: values.seeds }),
  };
  if (values.publish === true) {
    if (values.retrain !== undefined || values.processes !== undefined)
      throw wrongUsage(spec, "--publish runs nothing and takes neither --retrain nor --processes");
    publish(name, choice, values.json === true);
    return 0;
  }
  const processes = values.processes ?? 2;
  await requireRoom(name, choice, processes);
  const rows = await runStudy(name, {
    ...choice,
    seeds: choice.seeds ?? [0],
    retrain: values.retrain,
    processes,
    onProgress: stderrProgress(),
  });
  if (values.json === true) printJson({ study: name, rows });
  else {
    const paper = Object.entries(paperTables).find(([key]) => key === study.paperTable)?.[1];
    printLines([toText(paper === undefined ? runTable(rows) : compareWithAnswers(rows, paper))]);
  }
  return 0;
}
