import { UserError } from "../../core/errors";
import { type ProgressSink, silent } from "../../core/progress";
import { uniformFrames } from "../../datasets/frame-sampling";
import { openScene } from "../../datasets/scannet";
import type { Query } from "../../datasets/scene";
import { type AttentionWeights, sceneAttention } from "../../eval/attention";
import { classifyError } from "../../eval/errors";
import { openSession } from "../../eval/session";
import { iou } from "../../geometry/box";
import type { Prediction } from "../../runs/answers";
import { describeRun, type StoredRun } from "../../runs/folder";
import { labelOf, type ResultRow } from "../../runs/row";
import { storedParameters } from "../../train/fine-tune";
import { dataFolderOf, type ExampleScene, readExample } from "../examples";
import { keptAnswers } from "../figure-set";
import { dataLabel, sourceOf } from "../figures/theme";
import { answersPage, type PageAnswer, type PageCase } from "./answers";
import { attentionPage, type PageMap, type PageMaps, packMap } from "./attention";
import { type PageScene, pageScene } from "./scene";

/** Pages of answers hold the pictures of this many scenes: about 100 kB each. */
const mostScenes = 40;
/** Boxes listed with their scores. */
const mostBoxes = 5;

const round = (score: number): number => Math.round(score * 1e4) / 1e4;

/** Best boxes first; a score behind the boxes' own is that of "no object". */
function bestBoxes(scores: readonly number[], boxes: number): [box: number, score: number][] {
  return scores
    .map((score, i): [number, number] => [i < boxes ? i : -1, round(score)])
    .sort((a, b) => b[1] - a[1])
    .slice(0, mostBoxes);
}

function pageAnswer(prediction: Prediction, scene: ExampleScene): PageAnswer {
  const error = classifyError(prediction, scene);
  const { predicted, scores } = prediction;
  const picked = scene.proposals[predicted];
  const under = picked && scene.objects.find((o) => iou(o.box, picked.box) >= 0.25);
  const others = (scores ?? []).filter((_, i) => i !== predicted && i < scene.proposals.length);
  const pickedLabel = error?.pickedLabel ?? under?.label;
  return {
    chosen: predicted,
    outcome: error?.kind ?? "right",
    iou: prediction.iou,
    ...(pickedLabel === undefined ? {} : { pickedLabel }),
    scores: scores === undefined ? [] : bestBoxes(scores, scene.proposals.length),
    ...(scores === undefined || others.length === 0 ? {} : { margin: round(scores[predicted]! - Math.max(...others)) }),
    ...(error?.kind === "semantic" ? { violates: `class: asked for ${prediction.category}` } : {}),
  };
}

function answersOf(row: ResultRow): Map<string, Prediction> {
  const answers = keptAnswers(row);
  if (answers !== undefined) return new Map(answers.map((a) => [a.queryId, a]));
  throw new UserError(`run ${row.run} (${labelOf(row)}, ${row.proposals} boxes) left no answers; run its study again`);
}

/**
 * The page of one run's answers, or of two runs' side by side, wrong ones first.
 *
 * @param rows of one data set and one kind of boxes
 * @throws UserError when they do not fit, or the data set is not on this machine
 */
export async function answersOfRuns(
  rows: readonly ResultRow[],
  { scenes: most = mostScenes, progress = silent }: { scenes?: number; progress?: ProgressSink } = {},
): Promise<string> {
  const [first, second] = rows;
  if (first === undefined || rows.length > 2) throw new UserError(`a page shows one run or two, got ${rows.length}`);
  for (const key of ["data", "dataFingerprint", "proposals", "split"] as const)
    if (second !== undefined && second[key] !== first[key])
      throw new UserError(
        `runs ${first.run} and ${second.run} cannot be compared case by case: ` +
          `${key} is ${first[key]} and ${second[key]}`,
      );
  const answers = rows.map(answersOf);
  const wrongFirst = [...answers[0]!.values()].sort((a, b) => Number(a.iou >= 0.25) - Number(b.iou >= 0.25));
  const examples = new Map<string, ExampleScene>();
  const scenes: Record<string, PageScene> = {};
  const cases: PageCase[] = [];
  for (const [i, prediction] of wrongFirst.entries()) {
    const given = answers.map((of) => of.get(prediction.queryId));
    if (given.includes(undefined)) continue;
    const id = prediction.sceneId;
    const scene = examples.get(id) ?? readExample(first, id);
    if (!examples.has(id)) {
      examples.set(id, scene);
      if (examples.size <= most) scenes[id] = await pictures(first, id, scene);
    }
    cases.push({
      id: prediction.queryId,
      scene: id,
      sentence: prediction.description,
      relation: prediction.kind,
      category: prediction.category,
      target: prediction.target,
      landmarks: prediction.anchors,
      answers: given.map((answer) => pageAnswer(answer!, scene)),
    });
    progress({ task: "answers", done: i + 1, total: wrongFirst.length });
  }
  const names = rows.map((row) => `${labelOf(row)}, seed ${row.seed}`);
  return answersPage({
    title: `Answers of ${names.join(" and ")}`,
    source: dataLabel(rows),
    synthetic: first.synthetic,
    runs: names,
    cases,
    scenes,
    missing: `a page holds the pictures of ${most} scenes`,
  });
}

async function pictures(row: ResultRow, id: string, { proposals, objects }: ExampleScene): Promise<PageScene> {
  const folder = dataFolderOf(row);
  const { frames } = openScene(folder, id);
  const seen = uniformFrames(frames.length, row.frames).map((i) => frames[i]!);
  // a detector's box carries the class of the object under it only in the answers' own lists
  const labelled = proposals.map(({ box }, i) =>
    row.proposals === "gt" ? { box, label: objects[i]!.label } : { box },
  );
  return pageScene(folder, id, seen, labelled);
}

const pageMap = ({ values, shape }: AttentionWeights, heads: number): PageMap => packMap(values, shape, heads);

/**
 * The page of all attention of one run, or of two, on one scene and one of its sentences.
 *
 * @param sceneId the first test scene unless given
 * @param sentence words of the sentence to take; the scene's first sentence unless given
 * @throws UserError when a run, its data or the scene is not there
 */
export async function attentionOfRuns(
  runs: readonly StoredRun[],
  { sceneId, sentence, progress = silent }: { sceneId?: string; sentence?: string; progress?: ProgressSink } = {},
): Promise<string> {
  const [first] = runs;
  if (first === undefined || runs.length > 2) throw new UserError(`a page shows one run or two, got ${runs.length}`);
  const shown: { name: string; maps: PageMaps }[] = [];
  let about: { scene: PageScene; grid: number; query: Query; synthetic: boolean } | undefined;
  for (const run of runs) {
    const { config, parameters } = storedParameters(run);
    try {
      const session = await openSession(config, progress);
      const scenes = session.sentences("val");
      const wanted: string | undefined = about?.scene.id ?? sceneId;
      const item = wanted === undefined ? scenes[0] : scenes.find(({ scene }) => scene.id === wanted);
      if (item === undefined)
        throw new UserError(
          `scene "${wanted}" has no test sentence in ${session.folder}; its first is ${scenes[0]?.scene.id}`,
        );
      const query: Query | undefined = about?.query ?? item.queries.find((q) => q.description.includes(sentence ?? ""));
      if (query === undefined)
        throw new UserError(
          `no test sentence of ${item.scene.id} contains "${sentence}"; one is "${item.queries[0]!.description}"`,
        );
      const attention = sceneAttention(parameters, config, session.cache, item, query, session.tokenizer);
      const { inter, intra, words, tokens, side, grid } = attention;
      const frames = attention.views.map((view) => item.scene.entry.frames[view]!);
      const same = about === undefined || about.scene.views.map((v) => v.frame).join() === frames.join();
      if (!same || (about !== undefined && about.grid !== grid))
        throw new UserError("the two runs see other views or patches of the scene; compare runs of the same sizes");
      about ??= {
        scene: await pageScene(session.folder, item.scene.id, frames, []),
        grid,
        query,
        synthetic: session.synthetic,
      };
      shown.push({
        name: describeRun(run.record),
        maps: {
          ...(inter === undefined ? {} : { inter: pageMap(inter, inter.shape[1]!) }),
          ...(intra === undefined ? {} : { intra: pageMap(intra, intra.shape[1]!) }),
          words: { ...pageMap(words, words.shape[1]!), words: tokens, side },
        },
      });
    } finally {
      for (const variable of parameters.values()) variable.dispose();
    }
  }
  const { scene, grid, query, synthetic } = about!;
  return attentionPage({
    title: `Attention in ${scene.id}: “${query.description}”`,
    source: runs.map(({ record }) => sourceOf(record)).join("; "),
    synthetic,
    scene,
    grid,
    runs: shown,
  });
}
