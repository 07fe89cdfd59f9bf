import { join } from "node:path";
import { z } from "zod";
import { DepthConfig, type S2Config, SceneChecks } from "../config/schema";
import { keptFile, parseJson } from "./json-file";

/** What a data set says of itself, in dataset.json beside its scans. */
const DatasetFile = z.strictObject({ depth: DepthConfig.optional(), checks: SceneChecks.optional() });

/** How a data folder's scans are read, and what a sound one looks like. */
export interface DataRules {
  readonly depth: z.infer<typeof DepthConfig>;
  readonly checks: Required<z.infer<typeof SceneChecks>>;
}

/**
 * The lab's own thresholds. Over 100 rooms of S2-Rooms right scenes have at least 1.00 of their points on the mesh,
 * 0.26 in boxes and 0.67 of neighbouring frames' points coincide; with poses, depth or cameras that are wrong in one of
 * 14 ways at most 0.70, 0.48 and 0.75, and in each way one of the three is far below its threshold.
 */
export const labChecks: DataRules["checks"] = {
  rotation: 0.01,
  farthest: 20,
  beyond: 0.02,
  aspect: 0.05,
  measured: 0.01,
  tolerance: 0.1,
  onMesh: 0.6,
  inBoxes: 0.01,
  neighbours: 0.5,
};

export const datasetFile = (folder: string): string => join(folder, "dataset.json");

/**
 * The rules of a data folder: a configuration's, else those of its dataset.json, else the lab's.
 *
 * @throws UserError when dataset.json is not as expected
 */
export function rulesOf(folder: string, own: Pick<S2Config["data"], "depth" | "checks"> = {}): DataRules {
  const stated = keptFile(datasetFile(folder), (file) =>
    parseJson(
      file,
      DatasetFile,
      "depth (scale, invalid, far) and checks (thresholds)",
      "see data/README.md, Real data",
    ),
  );
  return {
    depth: { ...stated?.depth, ...own.depth },
    checks: { ...labChecks, ...stated?.checks, ...own.checks },
  };
}
