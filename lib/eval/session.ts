import { existsSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { ProgressSink } from "../core/progress";
import { inProject } from "../core/root";
import { readScanRefer } from "../datasets/scanrefer";
import type { Tokenizer } from "../io/tokenizer";
import { groupByScene, loadTokenizer, type SceneSentences } from "../train/data";
import { prepareScenes } from "../train/prepare";
import type { ProposalSource, SceneCache } from "../train/scene-cache";
import { classesOf } from "./score";
import type { ClassOf } from "./splits";

/** A configuration's data, opened: prepared scenes, sentences, tokenizer. */
export interface Session {
  readonly config: S2Config;
  /** Absolute path of the data set. */
  readonly folder: string;
  readonly cache: SceneCache;
  readonly tokenizer: Tokenizer;
  readonly classOf: ClassOf;
  /** Made by S2-Rooms' maker rather than scanned. */
  readonly synthetic: boolean;
  /** The proposals that the test scenes offer. */
  readonly sources: readonly ProposalSource[];
  /** @throws UserError when no sentence speaks of the split's scenes; those that speak of others are counted and reported */
  sentences(split: "train" | "val"): SceneSentences[];
}

/** Prepares what is not prepared yet and opens a configuration's data. */
export async function openSession(config: S2Config, progress: ProgressSink): Promise<Session> {
  const cache = await prepareScenes(config, progress);
  const folder = inProject(config.data.folder);
  const detected = cache.scenes("val").every((s) => s.entry.proposals.length > 0);
  return {
    config, folder, cache,
    tokenizer: loadTokenizer(config),
    classOf: classesOf(join(folder, "scannetv2-labels.combined.tsv")),
    synthetic: existsSync(join(folder, "rooms.json")),
    sources: detected ? ["gt", "detector"] : ["gt"],
    sentences: (split) => {
      const scenes = cache.scenes(split);
      const file = join(folder, `ScanRefer_filtered_${split}.json`);
      const all = readScanRefer(file);
      const known = new Set(scenes.map((s) => s.id));
      const queries = all.filter((q) => known.has(q.sceneId));
      if (queries.length === 0) throw new UserError(`${file}: none of its ${all.length} sentences speaks of a scene in scannetv2_${split}.txt (${scenes.length} scenes); check that the two belong together`);
      if (queries.length < all.length) {
        progress({ task: `sentences (${split})`, done: queries.length, total: queries.length, note: `${all.length - queries.length} left out: their scenes are not in scannetv2_${split}.txt` });
      }
      return groupByScene(scenes, queries);
    },
  };
}
