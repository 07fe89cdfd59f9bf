import { existsSync } from "node:fs";
import { join } from "node:path";
import type { S2Config } from "../config/schema";
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
      return groupByScene(scenes, readScanRefer(join(folder, `ScanRefer_filtered_${split}.json`), new Set(scenes.map((s) => s.id))));
    },
  };
}
