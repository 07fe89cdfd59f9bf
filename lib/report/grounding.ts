import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { resolveConfig } from "../config/resolve";
import { UserError } from "../core/errors";
import { type Answerer, findsNothing, type Grounding } from "../eval/ask";
import { findRun, type StoredRun, storedRuns, trainedOf } from "../runs/folder";
import { unknownWordsWarning } from "../runs/row";
import { storedParameters } from "../train/fine-tune";
import { readMaxNewTokens } from "../weights/hf-config";
import { startingParameters } from "../weights/parameters";
import { answersPage } from "./explorer/answers";
import { pageScene } from "./explorer/scene";
import type { Table } from "./table";

function answererOf(run: StoredRun): Answerer {
  return { name: run.record.id, ...storedParameters(run), maxNewTokens: readMaxNewTokens(run.folder) };
}

/** This machine's last finished run. @throws UserError saying what makes one */
export function lastTrained(): StoredRun {
  const last = storedRuns().findLast(({ folder }) => trainedOf(folder) !== undefined);
  if (last !== undefined) return last;
  throw new UserError(
    "no run is finished on this machine; make one with npm start or s2mllm train, or name a checkpoint: --run",
  );
}

/**
 * Opens what is to answer: a run by its id, a unique beginning of it or its folder; a folder of published weights
 * (preset llava-video-7b); or, unnamed, this machine's last finished run.
 *
 * @param model what a folder of published weights holds: its preset, and values that differ from it
 * @throws UserError when there is none, or a run is to answer by another model than it trained
 */
export function openAnswerer(
  name?: string | StoredRun,
  model: { readonly preset?: string; readonly set?: readonly string[] } = {},
): Answerer {
  const isCheckpoint = typeof name === "string" && existsSync(name) && !existsSync(join(name, "run.json"));
  if (isCheckpoint) {
    const { preset = "llava-video-7b", set } = model;
    const config = { ...resolveConfig({ preset, set }), checkpoints: [resolve(name)] };
    return { name, config, parameters: startingParameters(config, "answers"), maxNewTokens: readMaxNewTokens(name) };
  }
  if (model.preset !== undefined || (model.set ?? []).length > 0)
    throw new UserError("a run answers by the model that it trained: --preset and --set are for published weights", 2);

  if (typeof name === "object") return answererOf(name);
  if (name === undefined) {
    return answererOf(lastTrained());
  }
  return answererOf(findRun(name));
}

const numbers = (values: readonly number[]): string => values.map((x) => x.toFixed(2)).join(" ");

/** An answer and its best boxes; shows itself in a notebook. */
export interface GroundingTable extends Table {
  readonly grounding: Grounding;
}

/** The best boxes with their scores, and what the model wrote. @param most boxes that are listed */
export function groundingTable(grounding: Grounding, most = 5): GroundingTable {
  const { boxes, noObject, written, sentence, sceneId, withoutGround } = grounding;
  const nothing = findsNothing(grounding);
  const rows = boxes.slice(0, most).map(({ index, score, box, label }) => ({
    box: String(index),
    label: label ?? "",
    score: score.toFixed(3),
    centre: numbers(box.slice(0, 3)),
    size: numbers(box.slice(3)),
  }));
  return {
    title: `${sceneId}: ${sentence}`,
    warning: unknownWordsWarning([grounding]),
    columns: [
      { key: "box", label: "box" },
      { key: "label", label: "class" },
      { key: "score", label: "score" },
      { key: "centre", label: "centre, m" },
      { key: "size", label: "size, m" },
    ],
    rows,
    notes: [
      ...(nothing ? [`no such object: "no object" scores ${noObject!.toFixed(3)}, above every box`] : []),
      ...(withoutGround === undefined
        ? [`the model wrote: ${written} <ground>`]
        : [`the model wrote no <ground> ("${written}"); it was put behind its words`]),
      ...(grounding.unknownWords === undefined
        ? []
        : [`${grounding.unknownWords.toFixed(0)} % of the sentence's words are not in the tokenizer's vocabulary`]),
      `answered by ${grounding.answerer}, ${grounding.proposals} boxes${grounding.synthetic ? ", synthetic data" : ""}`,
    ],
    grounding,
  };
}

/** A page with the views (boxes drawn in), the scene in 3D, the scores and the words. */
export async function groundingPage(grounding: Grounding): Promise<string> {
  const { sceneId, folder, sentence, boxes, proposals, written, noObject, frames } = grounding;
  const inOrder = [...boxes].sort((a, b) => a.index - b.index);
  const nothing = findsNothing(grounding);
  const scores = [
    ...boxes.map(({ index, score }): [number, number] => [index, score]),
    ...(noObject === undefined ? [] : [[-1, noObject] as [number, number]]),
  ].sort((a, b) => b[1] - a[1]);
  const scene = await pageScene(folder, sceneId, frames, {
    [proposals]: inOrder.map(({ box, label }) => (label === undefined ? { box } : { box, label })),
  });
  return answersPage({
    title: sentence,
    source: `${sceneId}, answered by ${grounding.answerer}`,
    synthetic: grounding.synthetic,
    runs: [grounding.answerer],
    scenes: { [sceneId]: scene },
    cases: [
      {
        id: `${sceneId}|asked`,
        boxes: proposals,
        scene: sceneId,
        sentence,
        relation: "",
        category: "",
        target: -1,
        landmarks: [],
        answers: [{ chosen: nothing ? -1 : boxes[0]!.index, outcome: "unknown", written, scores }],
      },
    ],
  });
}
