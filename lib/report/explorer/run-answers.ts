import { UserError } from "../../core/errors";
import { type ProgressSink, silent } from "../../core/progress";
import { uniformFrames } from "../../datasets/frame-sampling";
import { makeNamedRoom } from "../../datasets/rooms/make";
import { openScene } from "../../datasets/scannet";
import { violatedClauses } from "../../eval/clauses";
import { classifyError, objectUnder, type SceneBoxes } from "../../eval/errors";
import type { Prediction } from "../../runs/answers";
import { labelOf, type ResultRow } from "../../runs/row";
import { boxesOfAnswers, dataFolderOf, readBoxes } from "../examples";
import { keptAnswers } from "../figure-set";
import { dataLabel } from "../figures/theme";
import { answersPage, type PageAnswer, type PageCase } from "./answers";
import { type LabelledBox, type PageScene, pageScene } from "./scene";

/** Scenes whose pictures a page holds unless told. */
const mostScenes = 40;

/** Score of the picked box minus the best other box's; undefined where fewer than two were kept. */
function marginOf({ best = [], predicted }: Prediction): number | undefined {
  const picked = best.find(([box]) => box === predicted);
  const other = best.find(([box]) => box !== predicted && box >= 0);
  return picked && other && Math.round((picked[1] - other[1]) * 1e4) / 1e4;
}

function pageAnswer(prediction: Prediction, scene: SceneBoxes): PageAnswer {
  const { predicted, best = [], written, withoutGround, iou } = prediction;
  const picked = scene.proposals[predicted];
  const pickedLabel = picked && objectUnder(picked.box, scene)?.label;
  const margin = marginOf(prediction);
  const violates = violatedClauses(prediction, scene);
  const end = { ended: " (ended without <ground>)", cap: " (wrote on without <ground>)" } as const;
  return {
    chosen: predicted,
    outcome: classifyError(prediction, scene)?.kind ?? "right",
    iou,
    ...(pickedLabel === undefined ? {} : { pickedLabel }),
    ...(written === undefined ? {} : { written: written + (withoutGround === undefined ? "" : end[withoutGround]) }),
    scores: best,
    ...(margin === undefined ? {} : { margin }),
    ...(violates.length === 0 ? {} : { violates }),
  };
}

function answersOf(row: ResultRow): Map<string, Prediction> {
  const answers = keptAnswers(row);
  if (answers !== undefined) return new Map(answers.map((a) => [a.queryId, a]));
  throw new UserError(`run ${row.run} (${labelOf(row)}, ${row.proposals} boxes) left no answers; run its study again`);
}

/** The evaluations of the runs with one kind of boxes. @throws UserError where they cannot be compared case by case */
function alike(rows: readonly ResultRow[]): readonly ResultRow[] {
  const [first, second] = rows;
  for (const key of ["data", "dataFingerprint"] as const)
    if (second !== undefined && second[key] !== first![key])
      throw new UserError(
        `runs ${first!.run} and ${second.run} cannot be compared case by case: ` +
          `${key} is ${first![key]} and ${second[key]}`,
      );
  return rows;
}

/** The pictures of a scene, with the boxes of every source; true boxes carry their classes. */
async function pictures(rows: readonly ResultRow[], id: string): Promise<PageScene> {
  const folder = await makeNamedRoom(dataFolderOf(rows[0]!), id);
  const { frames } = openScene(folder, id);
  const seen = uniformFrames(frames.length, rows[0]!.frames).map((i) => frames[i]!);
  const boxes = rows.map((row): [ResultRow["proposals"], LabelledBox[]] => {
    const scene = readBoxes(row, id);
    return [row.proposals, row.proposals === "gt" ? [...scene.objects] : [...scene.proposals]];
  });
  const plain = (list: LabelledBox[]): LabelledBox[] =>
    list.map(({ box, label }) => (label === undefined ? { box } : { box, label }));
  return pageScene(folder, id, seen, Object.fromEntries(boxes.map(([source, list]) => [source, plain(list)])));
}

/** All scenes: in turn one where the first run errs and one where the second does, then the others. */
function scenesInTurn(cases: readonly PageCase[]): string[] {
  const wrong = [0, 1].map((run) => {
    const errs = ({ answers }: PageCase): boolean => (answers[run]?.outcome ?? "right") !== "right";
    return [...new Set(cases.filter(errs).map(({ scene }) => scene))];
  });
  const turns = cases.flatMap((_, i) => wrong.flatMap((scenes) => scenes[i] ?? []));
  return [...new Set([...turns, ...cases.map(({ scene }) => scene)])];
}

/**
 * The page of one run's answers, or of two runs' side by side, wrong ones first.
 *
 * @param rows of one run or two, with one kind of boxes or both; a kind that only one run has is left out
 * @param options.scenes how many scenes have their pictures in the page, about 100 kB each
 * @throws UserError when they do not fit, or the data set is not on this machine
 */
export async function answersOfRuns(
  rows: readonly ResultRow[],
  { scenes: most = mostScenes, progress = silent }: { scenes?: number; progress?: ProgressSink } = {},
): Promise<string> {
  const runs = [...new Set(rows.map(({ run }) => run))].map((run) => rows.filter((row) => row.run === run));
  const [first] = runs;
  if (first === undefined || runs.length > 2) throw new UserError(`a page shows one run or two, got ${runs.length}`);
  const evaluations = first.flatMap(({ split, proposals }): (readonly ResultRow[])[] => {
    const alone = runs.flatMap((own) => own.find((row) => row.split === split && row.proposals === proposals) ?? []);
    return alone.length === runs.length ? [alike(alone)] : [];
  });
  if (evaluations.length === 0)
    throw new UserError("the two runs have no evaluation of the same sentences and kind of boxes");
  const cases: PageCase[] = [];
  for (const evaluation of evaluations) {
    const answers = evaluation.map(answersOf);
    const boxesOf = boxesOfAnswers(evaluation[0]!);
    for (const asked of answers[0]!.values()) {
      const { queryId, sceneId, description, kind, category, target, anchors } = asked;
      const given = answers.flatMap((of) => of.get(queryId) ?? []);
      if (given.length < evaluation.length) continue;
      cases.push({
        id: queryId,
        boxes: evaluation[0]!.proposals,
        scene: sceneId,
        sentence: description,
        relation: kind,
        category,
        target,
        landmarks: anchors,
        answers: given.map((answer) => pageAnswer(answer, boxesOf(answer))),
      });
    }
  }
  cases.sort((a, b) => Number(a.answers[0]!.outcome === "right") - Number(b.answers[0]!.outcome === "right"));
  const ids = scenesInTurn(cases).slice(0, most);
  const scenes: Record<string, PageScene> = {};
  const sources = evaluations.map(([row]) => row!);
  for (const [i, id] of ids.entries()) {
    scenes[id] = await pictures(sources, id);
    progress({ task: "pictures", done: i + 1, total: ids.length });
  }
  const names = runs.map(([row]) => `${labelOf(row!)}, seed ${row!.seed}`);
  return answersPage({
    title: `Answers of ${names.join(" and ")}`,
    source: dataLabel(evaluations.flat()),
    synthetic: sources[0]!.synthetic,
    runs: names,
    cases,
    scenes,
    missing: `a page holds the pictures of ${most} scenes`,
  });
}
