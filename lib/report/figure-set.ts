import { classifyError, countErrors, type ErrorCase, isRight } from "../eval/errors";
import { type Prediction, readAnswers } from "../runs/answers";
import type { AttentionMap } from "../runs/attention";
import type { ResultRow } from "../runs/row";
import { mainGroup } from "../studies/groups";
import { type Comparison, compare, compareRows } from "./compare";
import { boxesOfAnswers, readExample } from "./examples";
import { ablationFigure } from "./figures/ablation";
import { attentionFramesFigure, attentionMatrixFigure } from "./figures/attention";
import { errorFigure } from "./figures/errors";
import { frameCountFigure } from "./figures/frames";
import { relationFigure } from "./figures/relations";
import { roomFigure } from "./figures/room";
import { type BoxRole, type DrawnBox, pointmapFigure, sceneFigure } from "./figures/scene";
import { dataLabel, type Figure, sourceOf } from "./figures/theme";
import { trainingFigure } from "./figures/training";
import { type PaperTable, table5 } from "./paper";

/** A run's wrong answers and why they are wrong. @throws UserError when the run's data set is not on this machine */
export function errorCases(row: ResultRow, predictions: readonly Prediction[]): ErrorCase[] {
  const boxesOf = boxesOfAnswers(row);
  return predictions.flatMap((p) => (isRight(p) ? [] : (classifyError(p, boxesOf(p)) ?? [])));
}

/** One wrong answer in its room: green the right answer, red the pick, blue the landmarks. */
export function errorScene(row: ResultRow, { prediction, pickedLabel }: ErrorCase): Figure {
  const scene = readExample(row, prediction.sceneId);
  const object = (id: number, role: BoxRole): DrawnBox[] =>
    scene.objects.filter((o) => o.id === id).map((o) => ({ box: o.box, label: o.label, role }));
  const named = new Set([prediction.target, ...prediction.anchors]);
  const picked = scene.proposals[prediction.predicted];
  return sceneFigure({
    sceneId: scene.sceneId,
    source: sourceOf(row),
    sentence: prediction.description,
    boxes: [
      ...scene.objects.filter((o) => !named.has(o.id)).flatMap((o) => object(o.id, "other")),
      ...prediction.anchors.flatMap((id) => object(id, "anchor")),
      ...object(prediction.target, "target"),
      ...(picked === undefined
        ? []
        : [{ box: picked.box, label: `picked ${pickedLabel ?? "box"}`, role: "predicted" as const }]),
    ],
    points: scene.points,
  });
}

/** Answers that were read: every interval and every table asks for those of the same rows again. */
const read = new WeakMap<ResultRow, Prediction[]>();

/** A run's own answers, where they were kept. */
export function keptAnswers(row: ResultRow): Prediction[] | undefined {
  const answers = read.get(row) ?? readAnswers(row);
  if (answers !== undefined) read.set(row, answers);
  return answers;
}

/** Comparison with intervals from the kept answers. */
export function compareWithAnswers(
  rows: readonly ResultRow[],
  paper: PaperTable,
  only?: readonly string[],
): Comparison {
  return compare(rows, paper, keptAnswers, only);
}

/**
 * The lab's figures, from finished rows and what they left behind. A figure shows one group of runs (preset, data,
 * boxes), never an average over several; its title says which.
 */
export const figures = {
  ablation: (rows: readonly ResultRow[], paper: PaperTable = table5): Figure => {
    const group = mainGroup(rows);
    return ablationFigure(compareRows(group, paper, keptAnswers), dataLabel(group));
  },
  frames: (rows: readonly ResultRow[]): Figure => frameCountFigure(mainGroup(rows)),
  relations: (rows: readonly ResultRow[], variants?: readonly string[]): Figure =>
    relationFigure(mainGroup(rows), variants),
  training: trainingFigure,
  attentionFrames: (data: AttentionMap, asking = 0): Figure => attentionFramesFigure(data, asking),
  attentionMatrix: attentionMatrixFigure,
  errors: (row: ResultRow, cases: readonly ErrorCase[]): Figure => errorFigure(countErrors(cases), dataLabel([row])),
  errorScene,
  room: roomFigure,
  pointmap: pointmapFigure,
} as const;
