import { existsSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../core/errors";
import { readLabels } from "./objects";
import { readProcessed } from "./processed";
import { readReferIt3D, type ReferFilters } from "./referit3d";
import { readSceneList } from "./scannet";
import { readScanRefer } from "./scanrefer";
import type { Query } from "./scene";

export type Split = "train" | "val";
export type SentenceSet = Query["dataset"];

/** ScanNet's official list of a split, by scene, in a data folder. */
export const sceneListFile = (folder: string, split: Split): string => join(folder, `scannetv2_${split}.txt`);

/** Names under which a set's sentences are looked for, the first that is there. ReferIt3D calls the val scenes "test". */
function candidates(dataset: SentenceSet, split: Split): string[] {
  if (dataset === "scanrefer") return [`ScanRefer_filtered_${split}.json`, join("processed", `scanrefer_vg_${split}_llava_style.json`)];
  return [`${dataset}_${split === "val" ? "test" : "train"}.csv`, `${dataset}.csv`, join("processed", `${dataset}_${split}_llava_style.json`)];
}

/** The file of a data folder that holds a set's sentences; undefined when there is none. */
export function sentenceFile(folder: string, dataset: SentenceSet, split: Split): string | undefined {
  return candidates(dataset, split).map((name) => join(folder, name)).find((file) => existsSync(file));
}

/**
 * The sentences of a set about the scenes of an official split.
 *
 * @param filters ReferIt3D's; for its csv files only
 * @throws UserError when there is no file of the set, no list of the split, or an entry is not as expected
 */
export function readSentences(folder: string, dataset: SentenceSet, split: Split, filters: ReferFilters = {}): Query[] {
  const file = sentenceFile(folder, dataset, split);
  if (file === undefined) throw new UserError(`${folder}: has no sentences of ${dataset} (${split}); put ${candidates(dataset, split).join(", or ")} there`);
  const scenes = new Set(readSceneList(sceneListFile(folder, split)));
  if (file.endsWith(".csv")) return readReferIt3D(file, dataset as "nr3d" | "sr3d", scenes, filters);
  if (!file.includes("llava_style")) return readScanRefer(file, scenes);
  const labels = new Map<string, string[]>();
  return readProcessed(file, (id) => labels.get(id) ?? labels.set(id, readLabels(folder, id)).get(id)!, scenes);
}
