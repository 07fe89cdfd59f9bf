import { resolveConfig } from "../config/resolve";
import { readRows } from "../runs/results";
import type { ResultRow } from "../runs/row";
import { estimate } from "../train/estimate";
import { studyNamed } from "./definitions";
import { evaluations } from "./evaluations";
import { finishedRows, missingJobs } from "./finished";
import { evaluationsOf, type Job, jobConfig, jobName, protocolOf } from "./job";
import { levelOf } from "./paired";
import type { Study } from "./types";
import { contrastText } from "./verdicts";

/** What a study will do, and what it costs. */
export interface Plan {
  readonly study: string;
  /** 0: none is stated for this preset and these values. */
  readonly protocol: number;
  readonly preset: string;
  readonly runs: number;
  /** Runs that are there; arms that are the same configuration share them. */
  readonly finished: number;
  /** Of the others: trained on this machine for another study, so that only evaluations are missing. */
  readonly trained: number;
  /** Core-hours of training the rest, from the seconds a step of finished runs; undefined where there are none. */
  readonly coreHours?: number;
}

/**
 * Median seconds a training step of a job, by finished runs of its variant where there are some, else of any; those of
 * larger or smaller steps count by their floating-point operations.
 */
function secondsPerStep(rows: readonly ResultRow[], job: Job): number | undefined {
  const { flops } = estimate(jobConfig(job), "train");
  const speeds = (some: readonly ResultRow[]): number[] =>
    [...new Map(some.map((row) => [row.run, row])).values()].flatMap((row) => {
      const set = Object.entries(row.changes).map(([path, value]) => `${path}=${JSON.stringify(value)}`);
      try {
        const config = resolveConfig({ preset: row.preset, ablation: row.variant, set });
        const { steps } = config.training;
        return steps === undefined ? [] : [(row.seconds / steps) * (flops / estimate(config, "train").flops)];
      } catch {
        return []; // a row of a variant that is gone
      }
    });
  const own = speeds(rows.filter((row) => row.variant === job.variant));
  const known = (own.length > 0 ? own : speeds(rows)).sort((a, b) => a - b);
  return known[Math.floor(known.length / 2)];
}

/** @param jobs of one study, preset and set of changes */
export function planOf(jobs: readonly Job[]): Plan {
  const [first] = jobs as [Job, ...Job[]];
  const missing = missingJobs(jobs, finishedRows(first.study, jobs));
  const rows = readRows();
  const here = finishedRows(first.study, missing, { onlyLocal: true });
  const untrained = missing.filter((job) => here.get(jobName(job))!.length === 0);
  const seconds = untrained.map((job) => {
    const each = secondsPerStep(rows, job);
    const { steps } = jobConfig(job).training;
    return each === undefined || steps === undefined ? undefined : each * steps;
  });
  const known = seconds.flatMap((s) => s ?? []);
  return {
    study: first.study,
    protocol: protocolOf(first),
    preset: first.preset,
    runs: jobs.length,
    finished: jobs.length - missing.length,
    trained: missing.length - untrained.length,
    ...(known.length === untrained.length ? { coreHours: known.reduce((a, b) => a + b, 0) / 3600 } : {}),
  };
}

/** The plan's cost in one line. */
export function costText({ runs, finished, trained, coreHours }: Plan): string {
  const left = runs - finished;
  const cost =
    coreHours === undefined ? "no finished run says how long one takes" : `about ${coreHours.toFixed(1)} core-hours`;
  const evaluated = trained === 0 ? "" : `; ${trained} of them are trained and lack evaluations alone`;
  return left === 0 ? `all ${runs} runs are finished` : `${left} of ${runs} runs to do (${cost}${evaluated})`;
}

const list = (names: readonly (string | number)[], last: string): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} ${last} ${names.at(-1)}`;

/** A study's protocol as it is stated before any run. */
export function protocolLines({ name, question, variants, protocol, paperTable }: Study): string[] {
  const { primary, looks } = protocol;
  const level = (100 * levelOf(looks.length)).toFixed(2).replace(/\.?0+$/, "");
  const sentences = { all: "all sentences", relations: "relational sentences" } as const;
  const of = Object.hasOwn(sentences, primary.sentences)
    ? sentences[primary.sentences as keyof typeof sentences]
    : `"${primary.sentences}" sentences`;
  return [
    `${name}, protocol ${protocol.version}, preset ${protocol.preset}` +
      (paperTable === undefined ? "" : `, the paper's ${paperTable}`),
    `Question: ${question}`,
    `Hypothesis: ${protocol.hypothesis}`,
    `Arms: ${list(variants, "and")}`,
    "Contrasts, with the expected direction:",
    ...protocol.contrasts.map((contrast) => {
      const { arm, against } = contrastText(contrast, primary);
      return `  ${arm} against ${against}: ${contrast.expected}`;
    }),
    `Primary metric: Acc@0.25 of ${of}, evaluation ${primary.evaluation}, ` +
      `${primary.proposals === "gt" ? "true" : "detected"} boxes`,
    `Smallest effect of interest: ${protocol.smallestEffect} points`,
    `Seeds: ${looks[0]}; contrasts that are undecided go on to ${list(looks.slice(1), "and")}. Each of the ` +
      `${looks.length} looks tests at ${level} %, Holm over the contrasts`,
    ...protocol.controls.map((text) => `Control: ${text}`),
    ...protocol.evaluations.map((evaluation) => `Evaluation ${evaluation}: ${evaluations[evaluation].about}`),
  ];
}

/** What will be run, in lines. @param job one of it */
export function planLines(plan: Plan, job: Job): string[] {
  const by = [`--preset ${plan.preset}`, ...job.set.map((text) => `--set ${text}`)].join(" ");
  return plan.protocol > 0
    ? [`Cost as stated (${by}): ${costText(plan)}`]
    : [
        `Cost of a first look (${by}), evaluated on ${list(evaluationsOf(job), "and")} alone; its rows carry ` +
          `protocol 0: ${costText(plan)}`,
      ];
}

/** The seeds that a study runs with unless others are named: the protocol's first look, of other presets seed 0. */
export function plannedSeeds(study: string, preset: string): readonly number[] {
  const { protocol } = studyNamed(study);
  return preset === protocol.preset ? Array.from({ length: protocol.looks[0]! }, (_, seed) => seed) : [0];
}
