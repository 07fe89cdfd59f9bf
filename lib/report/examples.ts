import { existsSync, readFileSync, readdirSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { inProject } from "../core/root";
import { readMetrics } from "../train/metrics-log";
import { resultsFolder } from "../studies/row";
import type { SceneBoxes } from "./errors";
import type { AttentionData } from "./figures/attention";
import type { TrainingRun } from "./figures/training";

const Box = z.tuple([z.number(), z.number(), z.number(), z.number(), z.number(), z.number()]);

const SceneFile = z.object({
  sceneId: z.string(),
  objects: z.array(z.object({ id: z.int(), label: z.string(), box: Box })),
  proposals: z.object({ gt: z.array(z.object({ box: Box })), detector: z.array(z.object({ box: Box })) }).partial(),
  points: z.object({ positions: z.array(z.number()), colours: z.array(z.number()) }).optional(),
});
/** A test scene as data/results/scenes/<scene>.json keeps it. */
export type SceneFile = z.output<typeof SceneFile>;

const AttentionFile = z.object({
  sceneId: z.string(), variant: z.string(), seed: z.int(), patch: z.int(), grid: z.int(), heads: z.int(),
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

/** A test scene's boxes and points. @throws UserError saying how to make them */
export function readScene(sceneId: string, folder = resultsFolder()): SceneFile {
  return load(join(folder, "scenes", `${sceneId}.json`), SceneFile, "run the study that evaluates this scene (npm start does)");
}

/** The boxes that a run with these proposals chose from. */
export function boxesOf(scene: SceneFile, proposals: "gt" | "detector"): SceneBoxes {
  const offered = scene.proposals[proposals];
  if (offered === undefined) throw new UserError(`scene ${scene.sceneId} has no ${proposals} proposals on file`);
  return { sceneId: scene.sceneId, objects: scene.objects, proposals: offered };
}

export interface AttentionRequest {
  readonly variant: string;
  readonly seed: number;
  readonly scene: string;
}

function attentionFile({ variant, seed, scene }: AttentionRequest, folder: string): string {
  return join(folder, "attention", `${scene}-${variant}-s${seed}.json`);
}

/** Inter-view attention of one patch of a test scene. @throws UserError saying how to make it */
export function readAttention(request: AttentionRequest, folder = resultsFolder()): AttentionData {
  return load(attentionFile(request, folder), AttentionFile, "train the variant with this seed first (npm start keeps one scene's maps)");
}

/** Scenes that have attention maps on file, as requests. */
export function attentionScenes(folder = resultsFolder()): AttentionRequest[] {
  const files = existsSync(join(folder, "attention")) ? readdirSync(join(folder, "attention")).sort() : [];
  return files.flatMap((f) => {
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
