import type { S2Config } from "../../config/schema";
import { UserError } from "../../core/errors";
import { type ProgressSink, silent } from "../../core/progress";
import { dataFolder, prepareScenes } from "../../dataloader/prepare";
import { groupByScene, loadTokenizer } from "../../dataloader/sentences";
import { isSynthetic } from "../../datasets/rooms/config";
import type { Query } from "../../datasets/scene";
import { readSplit, splitScenes } from "../../datasets/sentences";
import { type AttentionWeights, type SceneAttention, sceneAttention } from "../../eval/attention";
import { describeRun, type StoredRun } from "../../runs/folder";
import { storedParameters } from "../../train/fine-tune";
import { sourceOf } from "../figures/theme";
import { attentionPage, type PageMap, type PageMaps, packMap } from "./attention";
import { type PageScene, pageScene } from "./scene";

/** What is looked at: test scenes, each with one of its sentences. */
export interface AttentionChoice {
  /** This test scene; the first ones unless given. */
  readonly sceneId?: string | undefined;
  /** How many test scenes, from the first on; 1 unless given. */
  readonly scenes?: number;
  /** Words of the sentence to take; a scene's first sentence unless given. */
  readonly sentence?: string | undefined;
  readonly progress?: ProgressSink;
}

/** A scene of the page while it is made. */
interface Draft {
  readonly scene: PageScene;
  readonly grid: number;
  readonly query: Query;
  readonly maps: PageMaps[];
}

const pageMap = ({ values, shape }: AttentionWeights): PageMap => packMap(values, shape, shape[1]!);

function mapsOf({ inter, intra, words, tokens, side }: SceneAttention): PageMaps {
  return {
    ...(inter === undefined ? {} : { inter: pageMap(inter) }),
    ...(intra === undefined ? {} : { intra: pageMap(intra) }),
    words: { ...pageMap(words), words: tokens, side },
  };
}

/**
 * One sentence of each wanted test scene, found before anything is prepared.
 *
 * @throws UserError when there is no such test scene, or none of its sentences has the words
 */
function chosen(folder: string, { data }: S2Config, { sceneId, scenes = 1, sentence = "" }: AttentionChoice): Query[] {
  const queries = (data.sentences ?? ["scanrefer"]).flatMap(
    (set) => readSplit(folder, set, "val", data.referFilters).queries,
  );
  const there = sceneId === undefined ? queries : queries.filter((query) => query.sceneId === sceneId);
  if (there.length === 0)
    throw new UserError(`scene "${sceneId}" has no test sentence in ${folder}; its first is ${queries[0]?.sceneId}`);
  // of sentences of one scene the first counts
  const fitting = there.filter(({ description }) => description.includes(sentence)).reverse();
  const byScene = new Map(fitting.map((query) => [query.sceneId, query]));
  const found = splitScenes(folder, "val").flatMap((id) => byScene.get(id) ?? []);
  if (found.length > 0) return found.slice(0, scenes);
  throw new UserError(
    `no test sentence ${sceneId === undefined ? `in ${folder}` : `of ${sceneId}`} contains "${sentence}"; ` +
      `one is "${there[0]!.description}"`,
  );
}

/**
 * The page of all attention of one run, or of two side by side, on test scenes, computed from the runs' weights.
 *
 * @throws UserError when a run, its data or a scene is not there, or two runs see other views or patches
 */
export async function attentionOfRuns(runs: readonly StoredRun[], choice: AttentionChoice = {}): Promise<string> {
  if (runs.length < 1 || runs.length > 2) throw new UserError(`a page shows one run or two, got ${runs.length}`);
  const progress = choice.progress ?? silent;
  const drafts = new Map<string, Draft>();
  let synthetic = false;
  for (const run of runs) {
    const { config, parameters } = storedParameters(run);
    try {
      const folder = dataFolder(config);
      synthetic ||= isSynthetic(folder);
      const wanted = chosen(folder, config, choice);
      const ids = wanted.map((query) => query.sceneId);
      const cache = await prepareScenes(config, progress, 1, ids);
      const tokenizer = loadTokenizer(config);
      for (const [i, item] of groupByScene(cache.scenes("val"), wanted).entries()) {
        const query = item.queries[0]!;
        const attention = sceneAttention(parameters, config, cache, item, query, tokenizer);
        const frames = attention.views.map((view) => item.scene.entry.frames[view]!);
        const draft = drafts.get(item.scene.id) ?? {
          scene: await pageScene(folder, item.scene.id, frames, {}),
          grid: attention.grid,
          query,
          maps: [],
        };
        drafts.set(item.scene.id, draft);
        const same = draft.scene.views.map(({ frame }) => frame).join() === frames.join();
        if (!same || draft.grid !== attention.grid || draft.query.id !== query.id)
          throw new UserError(
            `the two runs see other views, patches or sentences of ${item.scene.id}; compare runs of the same sizes`,
          );
        draft.maps.push(mapsOf(attention));
        progress({ task: `attention of ${describeRun(run.record)}`, done: i + 1, total: wanted.length });
      }
    } finally {
      for (const variable of parameters.values()) variable.dispose();
    }
  }
  const names = runs.map(({ record }) => describeRun(record));
  return attentionPage({
    title: `Attention of ${names.join(" and ")}`,
    source: [...new Set(runs.map(({ record }) => sourceOf(record)))].join("; "),
    synthetic,
    runs: names,
    scenes: [...drafts.values()]
      .filter(({ maps }) => maps.length === runs.length)
      .map(({ scene, grid, query, maps }) => ({ scene, grid, sentence: query.description, maps })),
  });
}
