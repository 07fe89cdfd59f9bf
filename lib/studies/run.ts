import pLimit from "p-limit";
import { resolveConfig } from "../config/resolve";
import { runChild } from "../core/child";
import { UserError, unknownName } from "../core/errors";
import { onInterrupt } from "../core/interrupt";
import { type Progress, type ProgressSink, silent } from "../core/progress";
import { moduleFile } from "../core/root";
import { prepareScenes } from "../dataloader/prepare";
import type { ResultRow } from "../runs/row";
import { settingsHash } from "../runs/settings";
import { studyNamed } from "./definitions";
import { finishedRows } from "./finished";
import { type Job, jobConfig, jobName, jobsOf } from "./job";
import type { StudyRunOptions } from "./types";

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
    // jobs of the same configuration share one run
    const runs = new Map(missing.map((job) => [`${settingsHash(jobConfig(job))} ${job.seed}`, job]));
    await runJobs([...runs.values()], options.processes ?? 2, progress);
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
