import { UserError } from "../../core/errors";
import { type ProgressSink, silent } from "../../core/progress";
import type { SceneSentences } from "../../dataloader/sentences";
import type { Query } from "../../datasets/scene";
import { type AttentionWeights, type SceneAttention, sceneAttention } from "../../eval/attention";
import { openSession, type Session } from "../../eval/session";
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

/** @throws UserError when there is no such test scene, or none of its sentences has the words */
function chosen(session: Session, { sceneId, scenes = 1, sentence = "" }: AttentionChoice): [SceneSentences, Query][] {
  const test = session.sentences("val");
  if (sceneId !== undefined) {
    const item = test.find(({ scene }) => scene.id === sceneId);
    if (item === undefined)
      throw new UserError(
        `scene "${sceneId}" has no test sentence in ${session.folder}; its first is ${test[0]?.scene.id}`,
      );
    const query = item.queries.find(({ description }) => description.includes(sentence));
    if (query !== undefined) return [[item, query]];
    throw new UserError(
      `no test sentence of ${sceneId} contains "${sentence}"; one is "${item.queries[0]!.description}"`,
    );
  }
  const fitting = test.flatMap((item): [SceneSentences, Query][] => {
    const query = item.queries.find(({ description }) => description.includes(sentence));
    return query === undefined ? [] : [[item, query]];
  });
  if (fitting.length > 0) return fitting.slice(0, scenes);
  const one = test[0] === undefined ? "" : `; one is "${test[0].queries[0]!.description}"`;
  throw new UserError(`no test sentence in ${session.folder} contains "${sentence}"${one}`);
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
      const session = await openSession(config, progress);
      synthetic ||= session.synthetic;
      const wanted = chosen(session, choice);
      for (const [i, [item, query]] of wanted.entries()) {
        const attention = sceneAttention(parameters, config, session.cache, item, query, session.tokenizer);
        const frames = attention.views.map((view) => item.scene.entry.frames[view]!);
        const draft = drafts.get(item.scene.id) ?? {
          scene: await pageScene(session.folder, item.scene.id, frames, {}),
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
