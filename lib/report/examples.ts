import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import { inProject } from "../core/root";
import { readProposals } from "../datasets/proposals";
import { openScene } from "../datasets/scannet";
import type { SceneBoxes } from "../eval/errors";
import { transformPoints } from "../geometry/rigid";
import { readPly } from "../io/ply";
import { localFolder, type ResultRow, resultsFolder } from "../runs/row";
import type { TrainingRun } from "../train/metrics-log";
import { readMetrics } from "../train/metrics-log";
import type { AttentionData } from "./figures/attention";
import type { Points } from "./figures/scene";

const AttentionFile = z.object({
  sceneId: z.string(),
  variant: z.string(),
  seed: z.int(),
  patch: z.int(),
  grid: z.int(),
  heads: z.int(),
  views: z.array(z.object({ frame: z.string(), image: z.string().startsWith("data:image/") })),
  weights: z.array(z.number()),
});

function load<T>(file: string, schema: z.ZodType<T>, missing: string): T {
  if (!existsSync(file)) throw new UserError(`${file} is not there yet; ${missing}`);
  const parsed = schema.safeParse(JSON.parse(readFileSync(file, "utf8")));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UserError(`${file}: ${issue.path.join(".")}: ${issue.message}; delete it and make it again`);
}

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

/**
 * Opens a scene that a run was evaluated on.
 *
 * @throws UserError when the data set is not on this machine
 */
export function readExample(row: Pick<ResultRow, "data" | "proposals">, sceneId: string): ExampleScene {
  const folder = resolve(inProject("data"), row.data);
  if (!existsSync(folder))
    throw new UserError(
      `${folder} is not there: the run's data set is needed to draw its scenes; make S2-Rooms with s2mllm data make`,
    );
  const scene = openScene(folder, sceneId);
  const proposals = row.proposals === "gt" ? scene.objects.map(({ box }) => ({ box })) : readProposals(folder, sceneId);
  return { sceneId, objects: scene.objects, proposals, points: roomPoints(scene.folder, sceneId, scene.alignment) };
}

export interface AttentionRequest {
  readonly variant: string;
  readonly seed: number;
  readonly scene: string;
}

/** Maps of this machine's runs come before the committed ones, as its rows do. */
function attentionFolders(results: string): string[] {
  return [localFolder(results), results].map((folder) => join(folder, "attention"));
}

/** Inter-view attention of one patch of a test scene. @throws UserError saying how to make it */
export function readAttention({ variant, seed, scene }: AttentionRequest, results = resultsFolder()): AttentionData {
  const files = attentionFolders(results).map((folder) => join(folder, `${scene}-${variant}-s${seed}.json`));
  return load(
    files.find((file) => existsSync(file)) ?? files[0]!,
    AttentionFile,
    "train the variant with this seed first (npm start keeps one scene's maps)",
  );
}

/** Scenes that have attention maps on file, as requests. */
export function attentionScenes(results = resultsFolder()): AttentionRequest[] {
  const files = attentionFolders(results).flatMap((folder) => namesIn(folder).sort());
  return [...new Set(files)].flatMap((f) => {
    const match = /^(.+?)-([a-z].*)-s(\d+)\.json$/.exec(f);
    return match === null ? [] : [{ scene: match[1]!, variant: match[2]!, seed: Number(match[3]) }];
  });
}

/** Training logs on this machine, by the name of their run's folder. */
export function readTrainingRuns(folder = inProject("data", "runs")): TrainingRun[] {
  if (!existsSync(folder)) return [];
  return (readdirSync(folder, { recursive: true }) as string[])
    .filter((f) => basename(f) === "metrics.jsonl")
    .sort()
    .map((f) => ({ label: relative(folder, dirname(join(folder, f))), metrics: readMetrics(join(folder, f)) }));
}
