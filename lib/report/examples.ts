import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../core/errors";
import { inProject } from "../core/root";
import { readProposals } from "../datasets/proposals";
import { openScene } from "../datasets/scannet";
import type { Scene } from "../datasets/scene";
import type { SceneBoxes } from "../eval/errors";
import { transformPoints } from "../geometry/rigid";
import { readPly } from "../io/ply";
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

function roomPoints(folder: string, id: string, alignment: Float64Array): Points {
  const file = join(folder, `${id}_vh_clean_2.ply`);
  const { points, colours } = readPly(readFileSync(file), file);
  const aligned = transformPoints(alignment, points);
  const count = points.length / 3;
  const stride = Math.max(1, Math.ceil(count / mostPoints));
  const kept = Array.from({ length: Math.ceil(count / stride) }, (_, i) => 3 * i * stride);
  return {
    positions: kept.flatMap((at) => [aligned[at]!, aligned[at + 1]!, aligned[at + 2]!]),
    colours: kept.flatMap((at) => [colours[at]!, colours[at + 1]!, colours[at + 2]!]),
  };
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

function openExample(row: Evaluated, sceneId: string): [Scene, SceneBoxes] {
  const folder = dataFolderOf(row);
  if (!existsSync(folder))
    throw new UserError(
      `${folder} is not there: the run's data set is needed to draw its scenes; make S2-Rooms with s2mllm data make`,
    );
  const scene = openScene(folder, sceneId);
  const proposals = row.proposals === "gt" ? scene.objects.map(({ box }) => ({ box })) : readProposals(folder, sceneId);
  return [scene, { sceneId, objects: scene.objects, proposals }];
}

/**
 * The boxes of a scene that a run was evaluated on.
 *
 * @throws UserError when the data set is not on this machine
 */
export function readBoxes(row: Evaluated, sceneId: string): SceneBoxes {
  return openExample(row, sceneId)[1];
}

/**
 * A scene that a run was evaluated on: its boxes, and its room as points.
 *
 * @throws UserError when the data set is not on this machine
 */
export function readExample(row: Evaluated, sceneId: string): ExampleScene {
  const [{ folder, alignment }, boxes] = openExample(row, sceneId);
  return { ...boxes, points: roomPoints(folder, sceneId, alignment) };
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
