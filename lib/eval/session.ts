import { join } from "node:path";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import type { ProgressSink } from "../core/progress";
import { inProject } from "../core/root";
import { prepareScenes } from "../dataloader/prepare";
import type { ProposalSource, SceneCache } from "../dataloader/prepared-scenes";
import { groupByScene, loadTokenizer, type SceneSentences } from "../dataloader/sentences";
import { isSynthetic } from "../datasets/rooms/config";
import { readSplit } from "../datasets/sentences";
import type { Tokenizer } from "../io/tokenizer";
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
  /**
   * @throws UserError when no sentence speaks of the split's scenes; those that speak of others are counted and
   * reported, and so are words that the tokenizer does not know
   */
  sentences(split: "train" | "val"): SceneSentences[];
}

/** Prepares what is not prepared yet and opens a configuration's data. */
export async function openSession(config: S2Config, progress: ProgressSink): Promise<Session> {
  const cache = await prepareScenes(config, progress);
  const folder = inProject(config.data.folder);
  const scenes = cache.scenes("val");
  const tokenizer = loadTokenizer(config);
  const without = scenes.filter((s) => s.entry.proposals.length === 0).map((s) => s.entry.id);
  if (without.length > 0 && without.length < scenes.length) {
    const few = without.slice(0, 3).join(", ") + (without.length > 3 ? ", …" : "");
    progress({
      task: "proposals",
      done: scenes.length - without.length,
      total: scenes.length,
      note:
        `${without.length} of ${scenes.length} test scenes have none (${few}), so that only ground-truth boxes ` +
        "can be offered; run the detector on them too, or take them out of scannetv2_val.txt",
    });
  }
  return {
    config,
    folder,
    cache,
    tokenizer,
    classOf: classesOf(join(folder, "scannetv2-labels.combined.tsv")),
    synthetic: isSynthetic(folder),
    sources: without.length === 0 ? ["gt", "detector"] : ["gt"],
    sentences: (split) => {
      const scenes = cache.scenes(split);
      const most = split === "train" ? config.data.trainScenes : undefined;
      const all = (config.data.sentences ?? ["scanrefer"]).flatMap((set) => {
        const { file, queries, elsewhere } = readSplit(folder, set, split, config.data.referFilters);
        if (queries.length === 0) {
          const through = config.data.referFilters === undefined ? "" : " that data.referFilters lets through";
          throw new UserError(
            `${file}: none of its ${elsewhere} sentences${through} speaks of a scene in scannetv2_${split}.txt ` +
              `(${scenes.length} scenes); check that the two belong together`,
          );
        }
        if (elsewhere > 0) {
          progress({
            task: `sentences (${split})`,
            done: queries.length,
            total: queries.length,
            note: `${elsewhere} left out: their scenes are not in scannetv2_${split}.txt`,
          });
        }
        return queries;
      });
      const unknown = tokenizer.unknownShare(all.map(({ description }) => description));
      if (unknown > 0)
        progress({
          task: `sentences (${split})`,
          done: all.length,
          total: all.length,
          note: `${(100 * unknown).toFixed(1)} % of their words are not in the vocabulary of ${tokenizer.origin}`,
        });
      return groupByScene(scenes, all).slice(0, most);
    },
  };
}
