import { UserError } from "../core/errors";
import { Rng } from "../core/rng";

/** One answered sentence, reduced to what an interval needs. */
export interface Answer {
  readonly queryId: string;
  /** Sentences of one scene are not independent: scenes are drawn, not sentences. */
  readonly sceneId: string;
  readonly iou: number;
}

export interface Interval {
  /** Percent, or percentage points for a difference. */
  readonly value: number;
  /** 95 % percentile bootstrap. */
  readonly low: number;
  readonly high: number;
  /** What was resampled; with one seed the spread between trainings is not in it. */
  readonly over: "scenes" | "scenes and seeds";
  readonly seeds: number;
  readonly n: number;
}

/** Half of an interval's width. */
export function halfWidth(interval: Interval): number {
  return (interval.high - interval.low) / 2;
}

/** Whether 0 lies inside: nothing was measured then. */
export function includesZero(interval: Interval): boolean {
  return interval.low <= 0 && interval.high >= 0;
}

const draws = 2000;

/** Sum and count of each (seed, scene). */
interface Cells {
  readonly sums: readonly Float64Array[];
  readonly counts: readonly Float64Array[];
  readonly n: number;
}

function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}

/**
 * Draws seeds and scenes with replacement; a draw of scenes is the same for all its seeds, since all answer the same
 * sentences.
 */
function bootstrap({ sums, counts, n }: Cells, label: string): Interval {
  const seeds = sums.length;
  const scenes = sums[0]!.length;
  const mean = (drawnSeeds: ArrayLike<number>, drawnScenes: ArrayLike<number>): number => {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < drawnSeeds.length; i++) {
      const s = sums[drawnSeeds[i]!]!;
      const c = counts[drawnSeeds[i]!]!;
      for (let k = 0; k < drawnScenes.length; k++) {
        sum += s[drawnScenes[k]!]!;
        count += c[drawnScenes[k]!]!;
      }
    }
    return (100 * sum) / count;
  };
  const rng = new Rng(0, `bootstrap/${label}`);
  const all = (k: number): number[] => Array.from({ length: k }, (_, i) => i);
  const drawnSeeds = new Int32Array(seeds);
  const drawnScenes = new Int32Array(scenes);
  const values = new Float64Array(draws);
  for (let d = 0; d < draws; d++) {
    for (let i = 0; i < seeds; i++) drawnSeeds[i] = rng.int(seeds);
    for (let i = 0; i < scenes; i++) drawnScenes[i] = rng.int(scenes);
    values[d] = mean(drawnSeeds, drawnScenes);
  }
  values.sort();
  return {
    value: mean(all(seeds), all(scenes)),
    low: quantile(values, 0.025),
    high: quantile(values, 0.975),
    over: seeds === 1 ? "scenes" : "scenes and seeds",
    seeds,
    n,
  };
}

/** Answers of one variant, one list a seed. */
export type Runs = ReadonlyMap<number, readonly Answer[]>;

function gather(perSeed: readonly (readonly { readonly sceneId: string; readonly score: number }[])[]): Cells {
  const scenes = [...new Set(perSeed.flat().map((a) => a.sceneId))].sort();
  const index = new Map(scenes.map((s, i) => [s, i]));
  const sums = perSeed.map(() => new Float64Array(scenes.length));
  const counts = perSeed.map(() => new Float64Array(scenes.length));
  perSeed.forEach((answers, s) => {
    for (const { sceneId, score } of answers) {
      const k = index.get(sceneId)!;
      sums[s]![k]! += score;
      counts[s]![k]! += 1;
    }
  });
  return { sums, counts, n: perSeed[0]?.length ?? 0 };
}

/**
 * Accuracy at an IoU threshold with its 95 % interval.
 *
 * @throws UserError when there is no answer
 */
export function accuracyInterval(runs: Runs, threshold: number): Interval {
  const perSeed = [...runs.values()].map((run) =>
    run.map((a) => ({ sceneId: a.sceneId, score: Number(a.iou >= threshold) })),
  );
  if (perSeed.length === 0 || perSeed.some((run) => run.length === 0))
    throw new UserError("an interval needs answers; a run has none");
  return bootstrap(gather(perSeed), `accuracy/${threshold}`);
}

/**
 * Difference in accuracy between two variants (first minus second) on the same sentences and seeds: pairing removes the
 * spread that both share.
 *
 * @throws UserError when they share no seed, or answered different sentences
 */
export function pairedDifference(first: Runs, second: Runs, threshold: number): Interval {
  const seeds = [...first.keys()].filter((s) => second.has(s)).sort((a, b) => a - b);
  if (seeds.length === 0) {
    throw new UserError(
      `the two variants share no seed (${[...first.keys()].join(", ")} against ${[...second.keys()].join(", ")}); ` +
        "run both with the same seeds",
    );
  }
  const perSeed = seeds.map((seed) => {
    const other = new Map(second.get(seed)!.map((a) => [a.queryId, a]));
    const mine = first.get(seed)!;
    if (mine.length !== other.size || mine.some((a) => !other.has(a.queryId))) {
      throw new UserError(
        `seed ${seed}: the two variants answered different sentences (${mine.length} and ${other.size}); ` +
          "run both on the same data",
      );
    }
    return mine.map((a) => ({
      sceneId: a.sceneId,
      score: Number(a.iou >= threshold) - Number(other.get(a.queryId)!.iou >= threshold),
    }));
  });
  if (perSeed.some((run) => run.length === 0)) throw new UserError("an interval needs answers; a run has none");
  return bootstrap(gather(perSeed), `difference/${threshold}`);
}

// two-sided 95 % quantile of Student's t for 1, 2, … degrees of freedom
const student = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

/**
 * Half width of the 95 % interval of a mean over seeds, from result rows alone (Student's t): used where a run's
 * single answers are not at hand.
 *
 * @returns undefined for fewer than two values
 */
export function seedHalfWidth(values: readonly number[]): number | undefined {
  const k = values.length;
  if (k < 2) return undefined;
  const mean = values.reduce((a, b) => a + b, 0) / k;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / (k - 1);
  return (student[k - 2] ?? 1.96) * Math.sqrt(variance / k);
}
