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
import { studyNamed } from "./definitions";
import { evaluationConfig } from "./evaluations";
import { finishedRows, missingJobs } from "./finished";
import { evaluationsOf, type Job, jobConfig, jobName, jobsOf } from "./job";
import type { StudyRunOptions } from "./types";
import { contrastResults, undecidedArms } from "./verdicts";

/**
 * Runs what is missing of a study, each run in a process of its own, and returns the rows of all of it.
 * A finished run's rows are on disk before the next one starts. An interrupt lets the running processes save a
 * checkpoint; what is finished stays.
 *
 * @throws UserError for an unknown study or variant, or after an interrupt
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
    await prepareData(missing, progress);
    // jobs of the same configuration share one run
    const runs = new Map(missing.map((job) => [`${settingsHash(jobConfig(job))} ${job.seed}`, job]));
    await runJobs([...runs.values()], options.processes ?? 2, progress);
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
  for (const look of looks) {
    const seeds = Array.from({ length: look }, (_, seed) => seed);
    const asked = await runStudy(name, { ...options, preset, seeds, variants });
    rows = latestRows([...rows, ...asked]);
    const chosen = variants;
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

async function runJobs(jobs: readonly Job[], processes: number, progress: ProgressSink): Promise<void> {
  const stop = new AbortController();
  const forget = onInterrupt(() => stop.abort());
  let kept = 0;
  const failures: string[] = [];
  // own child processes rather than a pool's: they write a checkpoint before they end
  const work = async (job: Job): Promise<void> => {
    if (stop.signal.aborted) return;
    try {
      await runChild<Job, Progress, string>(moduleFile("studies", "worker"), job, {
        onProgress: progress,
        signal: stop.signal,
        environment: processes > 1 ? { S2_ENGINE_THREADS: "1" } : {},
      });
      kept += 1;
    } catch (error) {
      failures.push(`${jobName(job)}: ${(error as Error).message}`);
    }
  };
  const turn = pLimit(processes);
  try {
    await Promise.all(jobs.map((job) => turn(work, job)));
  } finally {
    forget();
  }
  if (stop.signal.aborted)
    throw new UserError(
      `study interrupted: ${kept} of ${jobs.length} runs finished and kept; ` +
        "run it again to go on from the last checkpoints",
    );
  if (failures.length > 0)
    throw new UserError(
      `${failures.length} of ${jobs.length} runs failed (${kept} finished and kept):\n  ${failures.join("\n  ")}`,
    );
}
