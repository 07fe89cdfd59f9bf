import { existsSync } from "node:fs";
import { join } from "node:path";
import { inProject } from "../core/root";
import { configHash, type Job, jobConfig } from "./job";
import { sameData } from "./present";
import { localRows, type ResultRow, readRows, resultsFolder } from "./row";

/** File of rows made on this machine; the committed ones lie beside it. */
export function localRowsFile(): string {
  return join(resultsFolder(), localRows);
}

function rowsOf(file: string): ResultRow[] {
  return existsSync(file) ? readRows(file) : [];
}

/** Rows of a study that fit the present configuration and, where they are here, the present data; those of this machine win over the committed ones. */
export function finishedRows(
  study: string,
  jobs: readonly Job[],
  options: { readonly onlyLocal?: boolean } = {},
): Map<string, ResultRow[]> {
  const local = rowsOf(localRowsFile());
  const committed = options.onlyLocal === true ? [] : rowsOf(join(resultsFolder(), `${study}.jsonl`));
  const ofData = sameData();
  return new Map(
    jobs.map((job) => {
      const folder = inProject(jobConfig(job).data.folder);
      const hash = configHash(job);
      const fits = (row: ResultRow): boolean =>
        row.study === study &&
        row.variant === job.variant &&
        row.preset === job.preset &&
        row.seed === job.seed &&
        row.config === hash &&
        ofData(row, folder);
      const own = local.filter(fits);
      return [jobName(job), own.length > 0 ? own : committed.filter(fits)];
    }),
  );
}

export function jobName(job: Job): string {
  return `${job.variant}-s${job.seed}`;
}
