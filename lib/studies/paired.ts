import { jStat } from "jstat";
import { mean } from "../core/averages";
import { UserError } from "../core/errors";

/**
 * How two arms of a study are compared: the same sentences, one training a seed.
 *
 * The mean difference over sentences and seeds has two sources of error that a bootstrap over three seeds cannot show:
 * trainings differ, and rooms differ. Its squared standard error is
 *
 *     s²_seeds / n  +  Var_rooms(seed mean)
 *
 * with s²_seeds the variance of the per-seed differences (n of them) and the second term the variance of the seed mean
 * with rooms as clusters (the linearised ratio estimator). Degrees of freedom by Satterthwaite (1946).
 */

/** One answered sentence. */
export interface Scored {
  readonly queryId: string;
  /** Sentences of one room are not independent: rooms are the clusters. */
  readonly sceneId: string;
  /** 0 or 1 for a right answer, or any score whose mean is of interest. */
  readonly score: number;
}

/** Answers scored 1 where the picked box overlaps the right one by at least `threshold`. */
export function scoredAt(
  answers: readonly { readonly queryId: string; readonly sceneId: string; readonly iou: number }[],
  threshold: number,
): Scored[] {
  return answers.map(({ queryId, sceneId, iou }) => ({ queryId, sceneId, score: Number(iou >= threshold) }));
}

/** The answers of one arm, one list a seed. */
export type Arm = ReadonlyMap<number, readonly Scored[]>;

/** A mean over sentences and seeds, percentage points: an arm's score, or a difference (first minus second arm). */
export interface Difference {
  readonly value: number;
  /** The mean of each seed, in the order of the seeds, percentage points. */
  readonly perSeed: readonly number[];
  readonly seeds: readonly number[];
  /** Standard error, percentage points; undefined with one seed, whose spread between trainings is unknown. */
  readonly standardError?: number;
  /** Its two parts, squared percentage points: of seeds (already divided by n) and of rooms. */
  readonly seedVariance?: number;
  readonly roomVariance: number;
  readonly degreesOfFreedom?: number;
  readonly rooms: number;
  /** Sentences a seed. */
  readonly n: number;
}

/** Variance with n − 1. */
function variance(values: readonly number[]): number {
  const m = mean(values);
  return values.reduce((sum, v) => sum + (v - m) ** 2, 0) / (values.length - 1);
}

/** Pairs of seeds to compare: those that both arms have, else (an A/A control) first with first, second with second. */
function pairSeeds(first: Arm, second: Arm): (readonly [number, number])[] {
  const [a, b] = [[...first.keys()], [...second.keys()]].map((seeds) => seeds.sort((x, y) => x - y)) as [
    number[],
    number[],
  ];
  const shared = a.filter((seed) => second.has(seed));
  if (shared.length > 0) return shared.map((seed) => [seed, seed]);
  if (a.length !== b.length) {
    throw new UserError(
      `two arms without a common seed are compared pair by pair, but there are ${a.length} and ${b.length} seeds ` +
        `(${a.join(", ")} against ${b.join(", ")}); run as many of both`,
    );
  }
  return a.map((seed, i) => [seed, b[i]!]);
}

/**
 * Mean of the seeds' means with its error; each seed scored the same sentences. Scores times 100: percentage points.
 */
function estimate(seeds: readonly number[], scored: readonly (readonly Scored[])[]): Difference {
  const rooms = new Map<string, { sum: number; count: number }>();
  const perSeed = scored.map((answers) => {
    let total = 0;
    for (const { sceneId, score } of answers) {
      total += 100 * score;
      const room = rooms.get(sceneId) ?? { sum: 0, count: 0 };
      room.sum += (100 * score) / scored.length;
      room.count += 1 / scored.length;
      rooms.set(sceneId, room);
    }
    return total / answers.length;
  });
  const value = mean(perSeed);
  const cells = [...rooms.values()];
  const n = cells.reduce((sum, room) => sum + room.count, 0);
  const R = cells.length;
  const residuals = cells.reduce((sum, room) => sum + (room.sum - room.count * value) ** 2, 0);
  // one room says nothing of the spread between rooms
  const roomVariance = R < 2 ? Number.NaN : ((R / (R - 1)) * residuals) / n ** 2;
  const common = { value, perSeed, seeds, roomVariance, rooms: R, n: Math.round(n) };
  if (seeds.length < 2 || R < 2) return common;
  const seedVariance = variance(perSeed) / seeds.length;
  const degreesOfFreedom = satterthwaite([
    [seedVariance, seeds.length - 1],
    [roomVariance, R - 1],
  ]);
  return { ...common, seedVariance, standardError: Math.sqrt(seedVariance + roomVariance), degreesOfFreedom };
}

/** Scores of one arm, percent, with the same two sources of error. @throws UserError when a run has no answer */
export function estimateOf(arm: Arm): Difference {
  const seeds = [...arm.keys()].sort((a, b) => a - b);
  if (seeds.length === 0) throw new UserError("an estimate needs a run; there is none");
  return estimate(
    seeds,
    seeds.map((seed) => someAnswers(arm, seed)),
  );
}

function someAnswers(arm: Arm, seed: number): readonly Scored[] {
  const answers = arm.get(seed)!;
  if (answers.length === 0) throw new UserError(`seed ${seed}: a comparison needs answers; the run has none`);
  return answers;
}

/**
 * The mean difference of two arms on the same sentences.
 *
 * @throws UserError when an arm has no answer, or the arms answered different sentences
 */
export function pairedDifferenceOf(first: Arm, second: Arm): Difference {
  const pairs = pairSeeds(first, second);
  const differences = pairs.map(([mineSeed, otherSeed]) => {
    const mine = someAnswers(first, mineSeed);
    const others = new Map(second.get(otherSeed)!.map((answer) => [answer.queryId, answer.score]));
    if (mine.length !== others.size || mine.some((answer) => !others.has(answer.queryId))) {
      throw new UserError(
        `seed ${mineSeed}: the two arms answered different sentences (${mine.length} and ${others.size}); ` +
          "run both on the same data",
      );
    }
    return mine.map((answer) => ({ ...answer, score: answer.score - others.get(answer.queryId)! }));
  });
  return estimate(
    pairs.map(([seed]) => seed),
    differences,
  );
}

/** Degrees of freedom of a sum of variance estimates, each with its own. Infinite where all are 0. */
export function satterthwaite(parts: readonly (readonly [variance: number, degreesOfFreedom: number])[]): number {
  const total = parts.reduce((sum, [v]) => sum + v, 0);
  const below = parts.reduce((sum, [v, dof]) => sum + v ** 2 / dof, 0);
  return below === 0 ? Number.POSITIVE_INFINITY : total ** 2 / below;
}

/** The t value below which Student's distribution has the share `p`; the normal's beyond 1e6 degrees of freedom. */
export function studentQuantile(p: number, degreesOfFreedom: number): number {
  return jStat.studentt.inv(p, Math.min(degreesOfFreedom, 1e6));
}

/**
 * Half width of the two-sided 95 % interval of a mean over seeds from their values alone, where single answers were not
 * kept: rooms are not in it.
 *
 * @returns undefined for fewer than two values
 */
export function halfWidthOverSeeds(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined;
  return studentQuantile(0.975, values.length - 1) * Math.sqrt(variance(values) / values.length);
}

/** A two-sided interval of a difference, percentage points; undefined with one seed. */
export function intervalOf(
  difference: Difference,
  confidence: number,
): readonly [low: number, high: number] | undefined {
  const { value, standardError, degreesOfFreedom } = difference;
  if (standardError === undefined || degreesOfFreedom === undefined) return undefined;
  const half = standardError === 0 ? 0 : studentQuantile((1 + confidence) / 2, degreesOfFreedom) * standardError;
  return [value - half, value + half];
}

/** Two-sided p value of "the arms do not differ"; undefined with one seed. */
export function pValue({ value, standardError, degreesOfFreedom }: Difference): number | undefined {
  if (standardError === undefined || degreesOfFreedom === undefined) return undefined;
  if (standardError === 0) return value === 0 ? 1 : 0;
  return 2 * jStat.studentt.cdf(-Math.abs(value / standardError), Math.min(degreesOfFreedom, 1e6));
}

/**
 * Holm's step-down correction (1979) over the arms of a table: the family-wise error stays at the level that the
 * corrected values are compared with.
 */
export function holm(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const corrected: number[] = [];
  let highest = 0;
  order.forEach((at, rank) => {
    highest = Math.max(highest, Math.min(1, (values.length - rank) * values[at]!));
    corrected[at] = highest;
  });
  return corrected;
}

/** What a comparison says. `undecided` is a result: it names what would decide it. */
export interface Verdict {
  /** Whether the arms differ (Holm-corrected), and which way. */
  readonly direction?: "lower" | "higher";
  /** Whether the 90 % interval lies within ±smallest effect: the arms are equivalent. */
  readonly equivalent: boolean;
  /** Two-sided p value, corrected over the arms of the table. */
  readonly p?: number;
  /** Of the difference, percentage points. */
  readonly interval95?: readonly [low: number, high: number];
  readonly interval90?: readonly [low: number, high: number];
  /** Seeds with which the present estimates would decide it; undefined where no number of seeds up to 64 would. */
  readonly seedsToDecide?: number;
}

/**
 * Level of the two-sided test of a table after `looks` looks at growing numbers of seeds (Bonferroni over the looks).
 */
export function levelOf(looks: number, alpha = 0.05): number {
  return alpha / looks;
}

/**
 * Judges the arms of one table together.
 *
 * @param smallestEffect of interest, percentage points
 * @param looks how often the protocol looks at the growing number of seeds
 */
export function judge(differences: readonly Difference[], smallestEffect: number, looks = 1): Verdict[] {
  const level = levelOf(looks);
  const tested = differences.map(pValue);
  const known = tested.flatMap((p, i) => (p === undefined ? [] : [{ p, i }]));
  const corrected = new Map(holm(known.map(({ p }) => p)).map((p, rank) => [known[rank]!.i, p]));
  return differences.map((difference, i): Verdict => {
    const p = corrected.get(i);
    if (p === undefined) return { equivalent: false };
    const interval90 = intervalOf(difference, 1 - 2 * level)!;
    const equivalent = interval90[0] > -smallestEffect && interval90[1] < smallestEffect;
    const direction = p >= level ? undefined : difference.value < 0 ? "lower" : "higher";
    const decided = equivalent || direction !== undefined;
    return {
      ...(direction === undefined ? {} : { direction }),
      equivalent,
      p,
      interval95: intervalOf(difference, 1 - level)!,
      interval90,
      ...(decided ? {} : { seedsToDecide: seedsToDecide(difference, smallestEffect, level, differences.length) }),
    };
  });
}

/** The verdict in words, both findings where both hold. */
export function verdictText(verdict: Verdict, smallestEffect: number): string {
  const equivalent = `within ±${smallestEffect} points`;
  if (verdict.direction !== undefined)
    return verdict.equivalent ? `${verdict.direction}, ${equivalent}` : verdict.direction;
  if (verdict.equivalent) return equivalent;
  if (verdict.p === undefined) return "undecided (one seed)";
  return verdict.seedsToDecide === undefined
    ? "undecided (more rooms are needed, not more seeds)"
    : `undecided (about ${verdict.seedsToDecide} seeds would decide)`;
}

/**
 * The smallest number of seeds with which the same mean and the same variances would give a verdict, with the strictest
 * of Holm's steps (all arms of the table). Rooms stay as they are: their part of the error does not shrink.
 */
function seedsToDecide(
  difference: Difference,
  smallestEffect: number,
  level: number,
  arms: number,
): number | undefined {
  const { value, seedVariance = 0, roomVariance, rooms, seeds } = difference;
  for (let n = seeds.length + 1; n <= 64; n++) {
    const part = (seedVariance * seeds.length) / n;
    const error = Math.sqrt(part + roomVariance);
    const dof = satterthwaite([
      [part, n - 1],
      [roomVariance, rooms - 1],
    ]);
    const differs = Math.abs(value) > studentQuantile(1 - level / (2 * arms), dof) * error;
    const equivalent = Math.abs(value) + studentQuantile(1 - level, dof) * error < smallestEffect;
    if (differs || equivalent) return n;
  }
  return undefined;
}
