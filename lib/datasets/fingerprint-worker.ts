import { setImmediate } from "node:timers/promises";
import { serveParent } from "../core/child";
import { UserError } from "../core/errors";
import { type Digest, DigestIndex, proposalKey } from "./digest-index";
import { proposalFiles, scanFiles } from "./scene-files";

/** What one process that hashes scenes gets to do. */
export interface HashTask {
  readonly folder: string;
  readonly ids: readonly string[];
}

/**
 * Hashes the files of scenes, whatever was kept of them.
 *
 * @throws UserError when files change while they are read, or when asked to stop
 */
async function hashFiles(
  { folder, ids }: HashTask,
  progress: (done: number) => void,
  stop: AbortSignal,
): Promise<Record<string, Digest>> {
  const index = new DigestIndex(folder, {});
  for (const [i, id] of ids.entries()) {
    // lets the request to stop arrive
    if (i % 50 === 49) await setImmediate();
    if (stop.aborted) throw new UserError(`looking at ${folder} was interrupted; run the same command again`);
    index.digest(id, scanFiles(folder, id));
    const files = proposalFiles(folder, id);
    if (files.length > 0) index.digest(proposalKey(id), files);
    progress(i + 1);
  }
  return index.digests();
}

serveParent<HashTask, number, Record<string, Digest>>(hashFiles);
