import pLimit from "p-limit";
import { runChild } from "../core/child";
import { UserError, unknownName } from "../core/errors";
import { onInterrupt } from "../core/interrupt";
import { type Progress, type ProgressSink, silent } from "../core/progress";
import { moduleFile } from "../core/root";
import { preparedBy, prepareScenes } from "../dataloader/prepare";
import { makeNamedRooms } from "../datasets/rooms/make";
import { readAnswers } from "../runs/answers";
import { latestRows, type ResultRow } from "../runs/row";
import { settingsHash } from "../runs/settings";
import { Board } from "./board";
import { studyNamed } from "./definitions";
import { evaluationConfig } from "./evaluations";
import { recordFailure } from "./failures";
import { finishedRows, missingJobs } from "./finished";
import { evaluationsOf, type Job, jobConfig, jobName, jobsOf } from "./job";
import { contrastResults, undecidedArms } from "./verdicts";

export interface StudyRunOptions {
  readonly preset: string;
  readonly seeds: readonly number[];
  /** A subset of the study's variants; all of them when absent. */
  readonly variants?: readonly string[];
  /** Variants that must have been trained on this machine: a committed row does not count. */
  readonly retrain?: readonly string[];
  /** Overrides "a.b=3" for every run. */
  readonly set?: readonly string[];
  /** Training processes side by side, one thread each; 1 uses all cores for one run. */
  readonly processes?: number;
  /** Ends after so many minutes: running ones keep a checkpoint, and a further call goes on. */
  readonly minutes?: number;
  /** Runs only every `of`-th run, from the `index`-th on (0-based): what one task of a job array does. */
  readonly part?: { readonly index: number; readonly of: number };
  /** Told of the state of all runs whenever it changes. */
  readonly onBoard?: (board: Board) => void;
  readonly onProgress?: ProgressSink;
}

/**
 * Runs what is missing of a study, each run in a process of its own, and returns the rows of all of it.
 * A finished run's rows are on disk before the next one starts. An interrupt, or the end of the minutes given, lets the
 * running processes save a checkpoint; what is finished stays. A run that fails is recorded, and the others go on.
 *
 * @throws UserError for an unknown study or variant, after an interrupt, or when runs failed
 */
export async function runStudy(name: string, options: StudyRunOptions): Promise<ResultRow[]> {
  const study = studyNamed(name);
  const progress = options.onProgress ?? silent;
  const variants = options.variants ?? study.variants;
  for (const variant of variants)
    if (!study.variants.includes(variant)) throw unknownName(`variant of ${name}`, variant, study.variants);
  const jobs = jobsOf({ study: name, preset: options.preset, variants, seeds: options.seeds, set: options.set });
  const again = options.retrain ?? [];
  const finished = finishedRows(name, jobs);
  const local = finishedRows(name, jobs, { onlyLocal: true });
  const missing = jobs.filter((job) => missingJobs([job], again.includes(job.variant) ? local : finished).length > 0);
  if (missing.length > 0) {
    // jobs of the same configuration share one run
    const runs = [...new Map(missing.map((job) => [`${settingsHash(jobConfig(job))} ${job.seed}`, job])).values()];
    const { index = 0, of = 1 } = options.part ?? {};
    const own = runs.filter((_, i) => i % of === index);
    await prepareData(own, progress);
    await runJobs(
      own,
      jobs.filter((job) => !missing.includes(job)),
      options,
    );
  }
  const all = finishedRows(name, jobs);
  return jobs.flatMap((job) => all.get(jobName(job))!);
}

/**
 * Runs a study as its protocol states it: all arms with the seeds of the first look, then those that contrasts without
 * a decision speak of with more.
 *
 * @param options `variants`: a subset of the arms
 * @throws UserError as `runStudy`
 */
export async function runProtocol(
  name: string,
  options: Omit<StudyRunOptions, "preset" | "seeds" | "set">,
): Promise<ResultRow[]> {
  const study = studyNamed(name);
  const { preset, looks } = study.protocol;
  let variants: readonly string[] = options.variants ?? study.variants;
  let rows: ResultRow[] = [];
  const end = options.minutes === undefined ? undefined : Date.now() + 60_000 * options.minutes;
  for (const look of looks) {
    const seeds = Array.from({ length: look }, (_, seed) => seed);
    const minutes = end === undefined ? {} : { minutes: (end - Date.now()) / 60_000 };
    const asked = await runStudy(name, { ...options, ...minutes, preset, seeds, variants });
    rows = latestRows([...rows, ...asked]);
    const chosen = variants;
    const jobs = jobsOf({ study: name, preset, variants, seeds });
    // out of time, or the other parts of an array are at it
    if (missingJobs(jobs, finishedRows(name, jobs)).length > 0) break;
    variants = undecidedArms(contrastResults(study, rows, readAnswers)).filter((arm) => chosen.includes(arm));
    if (variants.length === 0) break;
  }
  return rows;
}

/**
 * Makes the rooms that some jobs need and prepares their scenes, before the jobs' processes would do so side by side.
 */
async function prepareData(jobs: readonly Job[], progress: ProgressSink): Promise<void> {
  const configs = jobs.flatMap((job) => {
    const config = jobConfig(job);
    return [config, ...evaluationsOf(job).map((name) => evaluationConfig(config, name))];
  });
  for (const folder of new Set(configs.map(({ data }) => data.folder))) await makeNamedRooms(folder, progress);
  const different = new Map(configs.map((config) => [preparedBy(config), config]));
  for (const config of different.values()) await prepareScenes(config, progress);
}

/** @param finished jobs of the same study whose rows are there already, for the board */
async function runJobs(
  jobs: readonly Job[],
  finished: readonly Job[],
  { processes = 2, minutes, onBoard, onProgress: progress = silent }: StudyRunOptions,
): Promise<void> {
  const stop = new AbortController();
  let interrupted = false;
  const forget = onInterrupt(() => {
    interrupted = true;
    stop.abort();
  });
  const timer = minutes === undefined ? undefined : setTimeout(() => stop.abort(), 60_000 * minutes);
  const board = new Board([...finished, ...jobs], finished, processes);
  const failures: string[] = [];
  // own child processes rather than a pool's: they write a checkpoint before they end
  const work = async (job: Job): Promise<void> => {
    if (stop.signal.aborted) return;
    const state = (now: Parameters<Board["set"]>[1]): void => {
      board.set(job, now);
      onBoard?.(board);
    };
    state("running");
    try {
      await runChild<Job, Progress, string>(moduleFile("studies", "worker"), job, {
        onProgress: (event) => {
          board.hear(job, event);
          onBoard?.(board);
          progress(event);
        },
        signal: stop.signal,
        environment: processes > 1 ? { S2_ENGINE_THREADS: "1" } : {},
      });
      state("finished");
    } catch (error) {
      if (stop.signal.aborted) return state("waiting");
      const { message } = error as Error;
      failures.push(`${jobName(job)}: ${message}`);
      recordFailure(job, message);
      state("failed");
    }
  };
  const turn = pLimit(processes);
  try {
    await Promise.all(jobs.map((job) => turn(work, job)));
  } finally {
    clearTimeout(timer);
    forget();
  }
  const kept = board.count("finished") - finished.length;
  if (interrupted)
    throw new UserError(
      `study interrupted: ${kept} of ${jobs.length} runs finished and kept; ` +
        "run it again to go on from the last checkpoints",
    );
  if (failures.length > 0)
    throw new UserError(
      `${failures.length} of ${jobs.length} runs failed (${kept} finished and kept):\n  ${failures.join("\n  ")}`,
    );
}
