import { type ProgressSink, silent } from "../core/progress";
import { type Correspondence, measureCorrespondence } from "../eval/correspondence";
import { type PointmapProbe, probePointmaps } from "../eval/pointmap-probe";
import { openSession, type Session } from "../eval/session";
import { describeRun, type StoredRun } from "../runs/folder";
import { storedParameters } from "../train/fine-tune";
import { sourceOf } from "./figures/theme";
import { decimal, type Table } from "./table";

/** A measurement of each of some runs, by the run's id. */
export interface Probed<T> extends Table {
  readonly runs: readonly {
    readonly run: string;
    readonly variant: string;
    readonly seed: number;
    readonly found: T;
  }[];
}

type Parameters = ReturnType<typeof storedParameters>["parameters"];

/** Opens each run with its data, one after the other. */
async function ofEach<T>(
  runs: readonly StoredRun[],
  progress: ProgressSink,
  measure: (parameters: Parameters, session: Session) => T,
): Promise<Probed<T>["runs"]> {
  const all: Probed<T>["runs"][number][] = [];
  for (const run of runs) {
    const { config, parameters } = storedParameters(run);
    try {
      const found = measure(parameters, await openSession(config, progress));
      all.push({ run: run.record.id, variant: run.record.variant, seed: run.record.identity.seed, found });
    } finally {
      for (const variable of parameters.values()) variable.dispose();
    }
  }
  return all;
}

const titleOf = (what: string, runs: readonly StoredRun[]): string =>
  `${what}, ${[...new Set(runs.map(({ record }) => sourceOf(record)))].join("; ")}`;
const nameOf = ({ record }: StoredRun): string => `${describeRun(record)}, seed ${record.identity.seed}`;

/**
 * The linear probe of each run: how well its frozen projected tokens tell where their patch lies. Runs with and without
 * SG beside each other say whether SG put geometry into the features.
 */
export async function pointmapProbes(
  runs: readonly StoredRun[],
  { fit = 200, test = 50, progress = silent }: { fit?: number; test?: number; progress?: ProgressSink } = {},
): Promise<Probed<PointmapProbe>> {
  const found = await ofEach(runs, progress, (parameters, { config, cache }) =>
    probePointmaps(parameters, config, cache, { fit, test, progress }),
  );
  return {
    runs: found,
    title: titleOf("Linear probe: projected tokens to the local pointmap", runs),
    columns: [
      { key: "run", label: "run" },
      { key: "r2", label: "R²", numeric: true },
      { key: "error", label: "mean error (m)", numeric: true },
      { key: "guess", label: "without looking (m)", numeric: true },
      { key: "fit", label: "rooms fitted", numeric: true },
      { key: "test", label: "rooms tested", numeric: true },
      { key: "patches", label: "patches", numeric: true },
    ],
    rows: found.map(({ found: { r2, meanError, guessError, fitRooms, testRooms, patches } }, i) => ({
      run: nameOf(runs[i]!),
      r2: decimal(r2, 3),
      error: decimal(meanError, 3),
      guess: decimal(guessError, 3),
      fit: String(fitRooms),
      test: String(testRooms),
      patches: String(patches),
    })),
    notes: [
      "Ridge regression, in closed form, from the tokens before any position encoding to the mean point of their " +
        "patch in the camera's frame, on rooms that it was not fitted on. Without looking: the mean point of the " +
        "patches with the same place in their views; R² is of what that guess leaves.",
    ],
  };
}

/** Whether each run's inter-view attention looks where the same place is seen, head by head. */
export async function correspondences(
  runs: readonly StoredRun[],
  { scenes = 50, progress = silent }: { scenes?: number; progress?: ProgressSink } = {},
): Promise<Probed<Correspondence>> {
  const found = await ofEach(runs, progress, (parameters, { config, cache }) =>
    measureCorrespondence(parameters, config, cache, scenes, progress),
  );
  return {
    runs: found,
    title: titleOf("Correspondence: weight of a view that shows the same place", runs),
    columns: [
      { key: "run", label: "run" },
      { key: "head", label: "head", numeric: true },
      { key: "counterpart", label: "counterpart", numeric: true },
      { key: "others", label: "other views", numeric: true },
      { key: "shuffled", label: "shuffled", numeric: true },
      { key: "range", label: "95 % of shuffles", numeric: true },
      { key: "says", label: "" },
    ],
    rows: found.flatMap(({ found: { heads } }, i) =>
      heads.map(({ counterpart, others, shuffled }, head) => ({
        run: head === 0 ? nameOf(runs[i]!) : "",
        head: String(head),
        counterpart: decimal(counterpart, 4),
        others: decimal(others, 4),
        shuffled: decimal(shuffled.mean, 4),
        range: `${decimal(shuffled.low, 4)} … ${decimal(shuffled.high, 4)}`,
        says: counterpart > shuffled.high ? "looks there" : counterpart < shuffled.low ? "looks away" : "no difference",
      })),
    ),
    notes: [
      ...found.map(
        ({ found: { coverage, patches, scenes: count } }, i) =>
          `${nameOf(runs[i]!)}: depth puts the counterpart at the same patch index in ` +
          `${decimal(100 * coverage, 2)} % of the pairs of views and patches (${count} scenes); compared on ` +
          `${patches} patches that have it in some views and not in others.`,
      ),
      "Mean weight of one view, the asking view left out. Shuffled: as many views drawn at random.",
    ],
  };
}
