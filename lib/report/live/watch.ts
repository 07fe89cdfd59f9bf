import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ProgressSink } from "../../core/progress";
import { storedRuns } from "../../runs/folder";
import { latestRows, type ResultRow } from "../../runs/row";
import { shortHash } from "../../runs/settings";
import { readMetrics, type TrainingRun } from "../../train/metrics-log";
import { failureSignatures } from "../../train/signatures";
import { serveLive } from "./server";
import { type Arm, LiveRun } from "./state";

/** An arm with what its runs are found by. */
export interface WatchedArm extends Arm {
  /** `settingsHash` of its configuration. */
  readonly config: string;
  /** Folder of its run, where it lies elsewhere than the others. */
  readonly out?: string;
}

/** A command to be watched. */
export interface Watched {
  readonly title: string;
  readonly arms: readonly WatchedArm[];
  /** Finished rows of the arms, read anew for every update; a training alone makes none. */
  readonly rows?: () => readonly ResultRow[];
  /** How many arms run side by side; 1 unless given. */
  readonly side?: number;
}

/** The logs of the arms' runs on this machine. */
function trainingOf(arms: readonly WatchedArm[]): TrainingRun[] {
  const stored = storedRuns();
  return arms.flatMap(({ variant, seed, config, out }) => {
    const own = stored.findLast(({ record: { identity: i } }) => i.seed === seed && shortHash(i.settings) === config);
    const folder = out ?? own?.folder;
    const file = folder === undefined ? "" : join(folder, "metrics.jsonl");
    return existsSync(file) ? [{ label: variant, seed, metrics: readMetrics(file) }] : [];
  });
}

/** Does `work` while a page of this machine shows its arms, curves and warnings; its address goes to stderr. */
export async function watched<T>(
  { title, arms, rows = () => [], side = 1 }: Watched,
  progress: ProgressSink,
  work: (progress: ProgressSink) => Promise<T>,
): Promise<T> {
  const live = new LiveRun(title, arms, side);
  const page = await serveLive((over) => {
    const finished = latestRows(rows());
    const training = trainingOf(arms);
    const accuracy = ({ variant, seed }: Arm): number | undefined =>
      finished.find((row) => row.variant === variant && row.seed === seed)?.metrics.acc25;
    return live.state({ accuracy, training, signatures: failureSignatures(finished, training) }, over);
  });
  process.stderr.write(`live page: ${page.address}\n`);
  try {
    return await work((event) => {
      live.hear(event);
      progress(event);
    });
  } finally {
    await page.close();
  }
}
