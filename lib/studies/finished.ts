import { inProject } from "../core/root";
import { fingerprintHere } from "../datasets/fingerprint";
import { dataName, storedRuns } from "../runs/folder";
import { readRows } from "../runs/results";
import { latestRows, type ResultRow } from "../runs/row";
import { changesOf, settingsHash } from "../runs/settings";
import { startingFingerprint } from "../train/identify";
import { evaluationsOf, type Job, jobConfig, jobName, protocolOf } from "./job";

/** `find`, asked once for each key. */
function remembered<T>(find: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    if (!known.has(key)) known.set(key, find(key));
    return known.get(key)!;
  };
}

/** Runs of one job: newer numerics first, then single precision, then what was made last. */
function bestRun(rows: readonly ResultRow[]): readonly ResultRow[] {
  const rank = (row: ResultRow): number => 2 * row.numerics + Number(row.precision === "float32");
  const best = rows.reduce<ResultRow | undefined>(
    (chosen, row) => (chosen === undefined || rank(row) >= rank(chosen) ? row : chosen),
    undefined,
  );
  return rows.filter((row) => row.run === best?.run);
}

/**
 * Rows of each job by its name: of runs with its configuration, seed, data (where they are here) and starting weights.
 * Studies share runs: a row that another study asked for counts, if nothing else differs. So does one of another
 * engine, precision or numerics version, where there is none of today's.
 *
 * @param onlyLocal runs of this machine alone, published or not
 */
export function finishedRows(
  study: string,
  jobs: readonly Job[],
  options: { readonly onlyLocal?: boolean } = {},
): Map<string, ResultRow[]> {
  const own = new Set(storedRuns().map(({ record }) => record.id));
  const rows = readRows().filter((row) => options.onlyLocal !== true || own.has(row.run));
  const here = remembered(fingerprintHere);
  const found = new Map<string, ResultRow[]>();
  for (const job of jobs) {
    const config = jobConfig(job);
    const folder = inProject(config.data.folder);
    const [hash, data] = [settingsHash(config), dataName(folder)];
    const [protocol, wanted] = [protocolOf({ ...job, study }), evaluationsOf({ ...job, study })];
    const candidates = rows.filter(
      (row) =>
        row.config === hash &&
        row.seed === job.seed &&
        row.data === data &&
        row.protocol === protocol &&
        wanted.some((name) => name === row.split),
    );
    const fits =
      candidates.length === 0
        ? []
        : candidates.filter(
            (row) =>
              row.weights === startingFingerprint(config) &&
              (here(folder) === undefined || here(folder) === row.dataFingerprint),
          );
    const shared = bestRun(fits).map((row) =>
      row.study === study && row.variant === job.variant
        ? row
        : { ...row, study, variant: job.variant, changes: changesOf(config, job.variant) },
    );
    found.set(jobName(job), latestRows(shared));
  }
  return found;
}

/** The jobs of which an evaluation has no row yet. */
export function missingJobs(jobs: readonly Job[], finished: ReadonlyMap<string, readonly ResultRow[]>): Job[] {
  return jobs.filter((job) => {
    const splits = new Set(finished.get(jobName(job))!.map((row) => row.split));
    return evaluationsOf(job).some((name) => !splits.has(name));
  });
}
