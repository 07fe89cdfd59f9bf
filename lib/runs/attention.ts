import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors";
import { namesIn } from "../core/files";
import { readJsonObject } from "../io/json";
import { runsFolder, storedRuns } from "./folder";
import { runIdPattern } from "./identity";
import { problemsOf, resultsFolder } from "./results";

/** Inter-view attention of one patch of a scene, as a run left it. */
export const AttentionMap = z.strictObject({
  run: z.string().regex(runIdPattern),
  /** What the run stands under in tables, such as "full, training.steps=10". */
  label: z.string(),
  preset: z.string(),
  seed: z.int().min(0),
  /** Name of the data set, such as "rooms/nano". */
  data: z.string(),
  synthetic: z.boolean(),
  sceneId: z.string(),
  /** Index of the patch in its view's grid, row-major, and the grid's side. */
  patch: z.int().min(0),
  grid: z.int().min(1),
  heads: z.int().min(1),
  /** Frames in the model's order; pictures as data URLs, left out where they may not be passed on. */
  views: z.array(z.strictObject({ frame: z.string(), image: z.string().startsWith("data:image/").optional() })),
  /** [heads, V, V] flattened; each asking view's row sums to 1. */
  weights: z.array(z.number()),
});
export type AttentionMap = z.output<typeof AttentionMap>;

/** Folder of a run's maps, below its own folder or, published, below the results. */
export const mapsName = "attention";

export const publishedMaps = (run: string, results = resultsFolder()): string => join(results, mapsName, run);

/** Which map: of a run, by its id, and of a scene. */
export interface AttentionRequest {
  readonly run: string;
  readonly scene: string;
}

const foldersOf = (run: string): string[] => [join(runsFolder(), run, mapsName), publishedMaps(run)];

/** The scenes of which maps are on file, this machine's latest runs first. */
export function attentionScenes(): AttentionRequest[] {
  const own = storedRuns().map(({ record }) => record.id);
  const published = namesIn(join(resultsFolder(), mapsName)).filter((name) => runIdPattern.test(name));
  const runs = [...new Set([...own.reverse(), ...published.sort()])];
  return runs.flatMap((run) =>
    [...new Set(foldersOf(run).flatMap((folder) => namesIn(folder)))]
      .filter((name) => name.endsWith(".json"))
      .sort()
      .map((name) => ({ run, scene: name.slice(0, -".json".length) })),
  );
}

/** @throws UserError when there is no such map, or its file is damaged */
export function readAttention({ run, scene }: AttentionRequest): AttentionMap {
  const files = foldersOf(run).map((folder) => join(folder, `${scene}.json`));
  const file = files.find((path) => existsSync(path));
  if (file === undefined)
    throw new UserError(
      `${files[0]} is not there: run ${run} left no attention map of ${scene}; ` +
        'a study keeps one scene\'s of "full", seed 0',
    );
  const parsed = AttentionMap.safeParse(readJsonObject(file));
  if (parsed.success) return parsed.data;
  throw new UserError(`${file}: ${problemsOf(parsed.error)}; delete it and make it again`);
}
