import { type Box, iou } from "../geometry/box";
import type { Prediction } from "../runs/answers";

/** Why an answer is wrong. */
export const errorKinds = ["spatial", "semantic", "detection", "annotation"] as const;
export type ErrorKind = (typeof errorKinds)[number];

/** The boxes of a scene: annotated objects, and the proposals that the model chose from. */
export interface SceneBoxes {
  readonly sceneId: string;
  readonly objects: readonly { readonly id: number; readonly label: string; readonly box: Box }[];
  readonly proposals: readonly { readonly box: Box }[];
}

export interface ErrorCase {
  readonly prediction: Prediction;
  readonly kind: ErrorKind;
  /** Class of the annotated object under the picked box; undefined where there is none. */
  readonly pickedLabel?: string;
}

const threshold = 0.25;

export function isRight(prediction: Prediction): boolean {
  return prediction.iou >= threshold;
}

/** The annotated object that a box overlaps most, at IoU 0.25 or better. */
export function objectUnder(box: Box, scene: SceneBoxes): SceneBoxes["objects"][number] | undefined {
  let best: SceneBoxes["objects"][number] | undefined;
  let overlap = threshold;
  for (const object of scene.objects) {
    const value = iou(box, object.box);
    if (value >= overlap) {
      overlap = value;
      best = object;
    }
  }
  return best;
}

/**
 * Why an answer is wrong: it is what the sentence means and the annotation is not (annotation, where that is known), no
 * proposal fits the target (detection), the pick is of another class or of nothing (semantic), or of the right class in
 * the wrong place (spatial).
 *
 * @returns undefined when the answer is right at IoU 0.25
 */
export function classifyError(prediction: Prediction, scene: SceneBoxes): ErrorCase | undefined {
  if (isRight(prediction)) return undefined;
  const target = scene.objects.find((o) => o.id === prediction.target);
  const picked = scene.proposals[prediction.predicted];
  const under = picked === undefined ? undefined : objectUnder(picked.box, scene);
  const pickedLabel = under === undefined ? {} : { pickedLabel: under.label };
  if (prediction.truth !== undefined && under?.id === prediction.truth)
    return { prediction, kind: "annotation", ...pickedLabel };
  if (target !== undefined && !scene.proposals.some((p) => iou(p.box, target.box) >= threshold)) {
    return { prediction, kind: "detection", ...pickedLabel };
  }
  return { prediction, kind: under?.label === prediction.category ? "spatial" : "semantic", ...pickedLabel };
}

/** How many errors there are of each kind. */
export function countErrors(cases: readonly ErrorCase[]): Record<ErrorKind, number> {
  return Object.fromEntries(errorKinds.map((k) => [k, cases.filter((c) => c.kind === k).length])) as Record<
    ErrorKind,
    number
  >;
}

/** Errors of each kind by the relation that the sentence states. */
export function errorsByRelation(cases: readonly ErrorCase[]): Record<string, Record<ErrorKind, number>> {
  const relations = [...new Set(cases.map(({ prediction }) => prediction.kind))].sort();
  return Object.fromEntries(
    relations.map((relation) => [
      relation,
      countErrors(cases.filter(({ prediction }) => prediction.kind === relation)),
    ]),
  );
}

/** What a model that makes no error would score on annotations of which some are known to be wrong, percent. */
export function perfectScore(predictions: readonly Prediction[]): number {
  const right = predictions.filter(({ truth, target }) => truth === undefined || truth === target).length;
  return (100 * right) / predictions.length;
}
