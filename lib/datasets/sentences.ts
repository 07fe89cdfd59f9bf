import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../core/errors";
import { arkitVideos } from "./arkitscenes";
import { multiscanScans } from "./multiscan";
import { readLabels } from "./objects";
import { readProcessed } from "./processed";
import { type ReferFilters, readReferIt3D } from "./referit3d";
import { readSceneList, scenesIn } from "./scannet";
import { readScanRefer } from "./scanrefer";
import type { Query } from "./scene";

export const splitNames = ["train", "val"] as const;
export type Split = (typeof splitNames)[number];
export const sentenceSets = ["scanrefer", "sr3d", "nr3d"] as const;
export type SentenceSet = Query["dataset"];

/** The list of a split's scenes in a data folder: ScanNet's official one, or train.txt and val.txt of another set. */
export function sceneListFile(folder: string, split: Split): string {
  const [official, plain] = [join(folder, `scannetv2_${split}.txt`), join(folder, `${split}.txt`)];
  return !existsSync(official) && existsSync(plain) ? plain : official;
}

/**
 * The scenes of a split: those of its list, else the captures of ARKitScenes' folder Training or Validation. Without a
 * list of its own, none where the other split has one; scans of one's own without any list are all to test on.
 *
 * @throws UserError when there is neither
 */
export function splitScenes(folder: string, split: Split): readonly string[] {
  const listed = (of: Split): readonly string[] | undefined => {
    const file = sceneListFile(folder, of);
    if (existsSync(file)) return readSceneList(file);
    const videos = arkitVideos(folder, of);
    return videos.length > 0 ? videos : undefined;
  };
  const own = listed(split);
  if (own !== undefined) return own;
  // whoever only evaluates, or only trains, needs the list of that alone
  if (listed(split === "train" ? "val" : "train") !== undefined) return [];
  const scans = [...scenesIn(folder), ...multiscanScans(folder)];
  const official = scans.some((id) => /^scene\d{4}_\d{2}$/.test(id));
  // scans of one's own without any list are there to be asked about
  if (scans.length > 0 && !official) return split === "val" ? [...new Set(scans)] : [];
  return readSceneList(sceneListFile(folder, split));
}

/**
 * Names under which a set's sentences are looked for, the first that is there. ReferIt3D calls the val scenes "test".
 */
function candidates(dataset: SentenceSet, split: Split): string[] {
  // other sets' sentences in ScanRefer's form have a plain name
  if (dataset === "scanrefer")
    return [
      `ScanRefer_filtered_${split}.json`,
      `sentences_${split}.json`,
      join("processed", `scanrefer_vg_${split}_llava_style.json`),
    ];
  return [
    `${dataset}_${split === "val" ? "test" : "train"}.csv`,
    `${dataset}.csv`,
    join("processed", `${dataset}_${split}_llava_style.json`),
  ];
}

/** The file of a data folder that holds a set's sentences; undefined when there is none. */
export function sentenceFile(folder: string, dataset: SentenceSet, split: Split): string | undefined {
  return candidates(dataset, split)
    .map((name) => join(folder, name))
    .find((file) => existsSync(file));
}

export interface SplitSentences {
  readonly file: string;
  readonly queries: readonly Query[];
  /** Sentences of a split's own file that speak of scenes which the split's list does not name. */
  readonly elsewhere: number;
}

/**
 * The sentences of a set about the scenes of an official split.
 *
 * @param filters ReferIt3D's; for its csv files only
 * @throws UserError when there is no file of the set, no list of the split, or an entry is not as expected
 */
export function readSplit(
  folder: string,
  dataset: SentenceSet,
  split: Split,
  filters: ReferFilters = {},
): SplitSentences {
  const file = sentenceFile(folder, dataset, split);
  if (file === undefined)
    throw new UserError(
      `${folder}: has no sentences of ${dataset} (${split}); put ${candidates(dataset, split).join(", or ")} there`,
    );
  const scenes = new Set(splitScenes(folder, split));
  if (scenes.size === 0)
    throw new UserError(
      `${folder}: has no scenes to ${split === "train" ? "train" : "test"} on: write their names into ` +
        `${split}.txt, one a ` +
        "line",
    );
  const own = (all: Query[]): SplitSentences => {
    const queries = all.filter((q) => scenes.has(q.sceneId));
    return { file, queries, elsewhere: all.length - queries.length };
  };
  if (file.endsWith(".csv")) {
    const read = (only?: ReadonlySet<string>): Query[] =>
      readReferIt3D(file, dataset as "nr3d" | "sr3d", only, filters);
    // one file of all scenes is cut by the lists: nothing is odd about the rest
    const whole = basename(file) === `${dataset}.csv`;
    return whole ? { file, queries: read(scenes), elsewhere: 0 } : own(read());
  }
  if (!file.includes("llava_style")) return own(readScanRefer(file));
  const labels = new Map<string, string[]>();
  return {
    file,
    queries: readProcessed(file, (id) => labels.get(id) ?? labels.set(id, readLabels(folder, id)).get(id)!, scenes),
    elsewhere: 0,
  };
}

/** The queries of `readSplit`. */
export function readSentences(
  folder: string,
  dataset: SentenceSet,
  split: Split,
  filters: ReferFilters = {},
): readonly Query[] {
  return readSplit(folder, dataset, split, filters).queries;
}
