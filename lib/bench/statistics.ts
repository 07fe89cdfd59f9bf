import { median } from "../core/averages";

/** Steps of one worker by round; an empty list where it did not take part. */
export type Rounds = readonly (readonly number[])[];

export interface Ratio {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** How the times of two workers compare: a ratio of medians a round in which both ran, so that drift cancels. */
export function ratioOf(own: Rounds, other: Rounds): Ratio | undefined {
  const ratios = own.flatMap((steps, round) => {
    const others = other[round] ?? [];
    return steps.length === 0 || others.length === 0 ? [] : [median(steps)! / median(others)!];
  });
  return ratios.length === 0
    ? undefined
    : { median: median(ratios)!, least: Math.min(...ratios), most: Math.max(...ratios) };
}
