import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../core/errors";
import { inProject } from "../core/root";
import { readProposals } from "../datasets/proposals";
import { unmadeContents } from "../datasets/rooms/make";
import { openScene } from "../datasets/scannet";
import type { Scene } from "../datasets/scene";
import type { SceneBoxes } from "../eval/errors";
import { iou } from "../geometry/box";
import { transformPoints } from "../geometry/rigid";
import { type Mesh, readPly } from "../io/ply";
import type { Prediction } from "../runs/answers";
import { readRecord, recordConfig, runsFolder, storedRuns } from "../runs/folder";
import type { ResultRow } from "../runs/row";
import { changesText } from "../runs/settings";
import { evaluationFolder } from "../studies/evaluations";
import { readMetrics, type TrainingRun } from "../train/metrics-log";
import type { Points } from "./figures/scene";
import { sourceOf } from "./figures/theme";

/** Points of a scene's mesh that a figure shows; more would make it slow to turn. */
const mostPoints = 6000;

/** A scene of a run's data set: its objects, the boxes that the run chose from, and its room as points. */
export interface ExampleScene extends SceneBoxes {
  readonly points: Points;
}

/** Evenly chosen points of a mesh in the axis-aligned world. */
function somePoints({ points, colours }: Pick<Mesh, "colours"> & { readonly points: ArrayLike<number> }): Points {
  const count = points.length / 3;
  const stride = Math.max(1, Math.ceil(count / mostPoints));
  const kept = Array.from({ length: Math.ceil(count / stride) }, (_, i) => 3 * i * stride);
  return {
    positions: kept.flatMap((at) => [points[at]!, points[at + 1]!, points[at + 2]!]),
    colours: kept.flatMap((at) => [colours[at]!, colours[at + 1]!, colours[at + 2]!]),
  };
}

function scannedPoints({ folder, id, alignment }: Scene): Points {
  const file = join(folder, `${id}_vh_clean_2.ply`);
  const { points, colours } = readPly(readFileSync(file), file);
  return somePoints({ points: transformPoints(alignment, points), colours });
}

type Evaluated = Pick<ResultRow, "run" | "data" | "split" | "proposals">;

/**
 * The rooms of a row's evaluation: by where its run found its data, or, for a run of another machine, by their name
 * below data/.
 */
export function dataFolderOf({ run, data, split }: Evaluated): string {
  const own = join(runsFolder(), run);
  const folder = existsSync(join(own, "run.json"))
    ? recordConfig(readRecord(own), own).data.folder
    : resolve(inProject("data"), data);
  return inProject(evaluationFolder(folder, split));
}

interface OpenExample extends SceneBoxes {
  points(): Points;
}

/** Rooms of a known set that are not made yet are drawn in memory, without their pictures. */
function openExample(row: Evaluated, sceneId: string): OpenExample {
  const folder = dataFolderOf(row);
  const boxes = (objects: SceneBoxes["objects"], offered: () => SceneBoxes["proposals"]): SceneBoxes => ({
    sceneId,
    objects,
    proposals: row.proposals === "gt" ? objects.map(({ box }) => ({ box })) : offered(),
  });
  const unmade = unmadeContents(folder, sceneId);
  if (unmade !== undefined)
    return { ...boxes(unmade.objects, () => unmade.proposals), points: () => somePoints(unmade.mesh()) };
  if (!existsSync(folder))
    throw new UserError(
      `${folder} is not there: the run's data set is needed to draw its scenes; put it there, or make S2-Rooms ` +
        "with s2mllm data make",
    );
  const scene = openScene(folder, sceneId);
  return { ...boxes(scene.objects, () => readProposals(folder, sceneId)), points: () => scannedPoints(scene) };
}

/**
 * The boxes of a scene that a run was evaluated on.
 *
 * @throws UserError when the data set is not on this machine
 */
export function readBoxes(row: Evaluated, sceneId: string): SceneBoxes {
  return openExample(row, sceneId);
}

/**
 * A scene that a run was evaluated on: its boxes, and its room as points.
 *
 * @throws UserError when the data set is not on this machine
 */
export function readExample(row: Evaluated, sceneId: string): ExampleScene {
  const { points, ...boxes } = openExample(row, sceneId);
  return { ...boxes, points: points() };
}

/** Scenes of a row that were opened: a notebook counts its errors and then explores them. */
const opened = new WeakMap<Evaluated, Map<string, SceneBoxes>>();

/**
 * The boxes that one answer after another was given on. Rooms are found by their name alone: that they are the run's
 * own shows in the overlap of the chosen box and the right one, which the answer states.
 *
 * @throws UserError when the data set is not on this machine, or is another one of that name
 */
export function boxesOfAnswers(row: Evaluated): (answer: Prediction) => SceneBoxes {
  const scenes = opened.get(row) ?? new Map<string, SceneBoxes>();
  opened.set(row, scenes);
  return ({ sceneId, queryId, predicted, target, iou: stated }) => {
    const scene = scenes.get(sceneId) ?? readBoxes(row, sceneId);
    scenes.set(sceneId, scene);
    const [chosen, right] = [scene.proposals[predicted], scene.objects.find(({ id }) => id === target)];
    if (chosen !== undefined && right !== undefined && Math.abs(iou(chosen.box, right.box) - stated) > 0.02)
      throw new UserError(
        `${dataFolderOf(row)} holds other rooms than run ${row.run} answered on: by its answer to ${queryId} box ` +
          `${predicted} has IoU ${stated.toFixed(2)} with the right one, here it has ` +
          `${iou(chosen.box, right.box).toFixed(2)}; make the data set anew, or run the study again`,
      );
    return scene;
  };
}

/** The training logs of this machine's runs; of those alone that were written to `since` a time in milliseconds. */
export function readTrainingRuns(since = 0): TrainingRun[] {
  return storedRuns().flatMap(({ record, folder }) => {
    const file = join(folder, "metrics.jsonl");
    if ((statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -1) < since) return [];
    const { variant, changes, preset, identity } = record;
    const label = [variant, changesText(changes), preset].filter((part) => part !== "").join(", ");
    return [{ label, seed: identity.seed, source: sourceOf(record), metrics: readMetrics(file) }];
  });
}
