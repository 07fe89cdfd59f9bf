import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../core/errors";
import { inProject } from "../core/root";
import { readProposals } from "../datasets/proposals";
import { openScene } from "../datasets/scannet";
import type { SceneBoxes } from "../eval/errors";
import { transformPoints } from "../geometry/rigid";
import { readPly } from "../io/ply";
import { describeRun, readRecord, recordConfig, runsFolder, storedRuns } from "../runs/folder";
import type { ResultRow } from "../runs/row";
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

/** The data set of a row: where its run found it, or, for a run of another machine, by its name below data/. */
export function dataFolderOf({ run, data }: Pick<ResultRow, "run" | "data">): string {
  const own = join(runsFolder(), run);
  return existsSync(join(own, "run.json"))
    ? inProject(recordConfig(readRecord(own), own).data.folder)
    : resolve(inProject("data"), data);
}

/**
 * Opens a scene that a run was evaluated on.
 *
 * @throws UserError when the data set is not on this machine
 */
export function readExample(row: Pick<ResultRow, "run" | "data" | "proposals">, sceneId: string): ExampleScene {
  const folder = dataFolderOf(row);
  if (!existsSync(folder))
    throw new UserError(
      `${folder} is not there: the run's data set is needed to draw its scenes; make S2-Rooms with s2mllm data make`,
    );
  const scene = openScene(folder, sceneId);
  const proposals = row.proposals === "gt" ? scene.objects.map(({ box }) => ({ box })) : readProposals(folder, sceneId);
  return { sceneId, objects: scene.objects, proposals, points: roomPoints(scene.folder, sceneId, scene.alignment) };
}

/** The training logs of this machine's runs; of those alone that were written to `since` a time in milliseconds. */
export function readTrainingRuns(since = 0): TrainingRun[] {
  return storedRuns().flatMap(({ record, folder }) => {
    const file = join(folder, "metrics.jsonl");
    if ((statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -1) < since) return [];
    return [{ label: describeRun(record), source: sourceOf(record), metrics: readMetrics(file) }];
  });
}
