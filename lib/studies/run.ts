import { appendFileSync, mkdirSync } from "node:fs";
import pLimit from "p-limit";
import { resolveConfig } from "../config/resolve";
import { runChild } from "../core/child";
import { UserError, unknownName } from "../core/errors";
import { onInterrupt } from "../core/interrupt";
import { type Progress, type ProgressSink, silent } from "../core/progress";
import { moduleFile } from "../core/root";
import { prepareScenes } from "../dataloader/prepare";
import { finishedRows, jobName, localRowsFile } from "../runs/finished";
import { type Job, jobsOf } from "../runs/job";
import { type ResultRow, resultsFolder, rowLines } from "../runs/row";
import { studies } from "./definitions";
import type { Study, StudyRunOptions } from "./types";

/** The study called `name`. @throws UserError listing the known ones */
export function studyNamed(name: string): Study {
  if (!Object.hasOwn(studies, name)) throw unknownName("study", name, Object.keys(studies));
  return studies[name as keyof typeof studies];
}

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
  const missing = jobs.filter(
    (job) => (again.includes(job.variant) ? local : finished).get(jobName(job))!.length === 0,
  );
  if (missing.length > 0) {
    await prepareScenes(resolveConfig({ preset: options.preset, set: options.set }), progress);
    await runJobs(missing, options.processes ?? 2, progress);
  }
  const all = finishedRows(name, jobs);
  return jobs.flatMap((job) => all.get(jobName(job))!);
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
      const rows = await runChild<Job, Progress, ResultRow[]>(moduleFile("studies", "worker"), job, {
        onProgress: progress,
        signal: stop.signal,
        environment: processes > 1 ? { S2_ENGINE_THREADS: "1" } : {},
      });
      mkdirSync(resultsFolder(), { recursive: true });
      appendFileSync(localRowsFile(), rowLines(rows));
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
      `study interrupted: ${kept} of ${jobs.length} runs finished and kept; run it again to go on from the last checkpoints`,
    );
  if (failures.length > 0)
    throw new UserError(
      `${failures.length} of ${jobs.length} runs failed (${kept} finished and kept):\n  ${failures.join("\n  ")}`,
    );
}
