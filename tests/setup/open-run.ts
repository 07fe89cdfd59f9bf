import type { S2Config } from "../../lib/config/schema";
import { tf } from "../../lib/engine/tf";
import { RunFolder } from "../../lib/runs/folder";
import { newRun } from "../../lib/train/identify";

/** Does `work` in a run's folder and gives it back. */
export async function inRun<T>(config: S2Config, folder: string, work: (run: RunFolder) => Promise<T>): Promise<T> {
  const run = RunFolder.open(newRun(config, "full", tf.getBackend()), folder);
  try {
    return await work(run);
  } finally {
    run.close();
  }
}
