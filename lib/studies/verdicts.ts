import type { ResultRow } from "../runs/row";
import type { EvaluationName } from "./evaluations";
import type { AnswersOf } from "./groups";
import {
  type Arm,
  type Difference,
  judge,
  pairedDifferenceOf,
  type Scored,
  scoredAt,
  type Verdict,
  verdictText,
} from "./paired";
import type { Contrast, PrimaryMetric, Study } from "./types";

/** What a study's runs say about one contrast, on the primary metric alone. */
export interface ContrastResult {
  readonly contrast: Contrast;
  /** Seeds that both arms have. */
  readonly seeds: number;
  /** Arm minus reference, at the look that decided it or, undecided, at the last one that was reached. */
  readonly difference?: Difference;
  readonly verdict?: Verdict;
  /** In words; before the first look how many seeds are there. */
  readonly text: string;
  readonly decided: boolean;
}

/** An arm and what it is asked. */
interface Side {
  readonly variant: string;
  readonly evaluation: EvaluationName;
}

/** The two sides of a contrast, the arm first. */
function sidesOf({ arm, against, on, againstOn }: Contrast, { evaluation }: PrimaryMetric): [Side, Side] {
  const asked = on ?? evaluation;
  return [
    { variant: arm, evaluation: asked },
    { variant: against, evaluation: againstOn ?? asked },
  ];
}

/** Both sides in words; what they are asked where it is not the primary metric's evaluation. */
export function contrastText(contrast: Contrast, primary: PrimaryMetric): { arm: string; against: string } {
  const [arm, against] = sidesOf(contrast, primary).map(({ variant, evaluation }) =>
    evaluation === primary.evaluation && contrast.againstOn === undefined ? variant : `${variant} on ${evaluation}`,
  ) as [string, string];
  return { arm, against };
}

/** Answers of one side to the sentences of the primary metric, by seed, ascending. */
function answersOfSide(
  rows: readonly ResultRow[],
  { variant, evaluation }: Side,
  { proposals, sentences }: PrimaryMetric,
  answersOf: AnswersOf,
): (readonly [seed: number, answers: readonly Scored[]])[] {
  const mine = rows.filter((row) => row.variant === variant && row.split === evaluation && row.proposals === proposals);
  // the last row of a seed counts
  const bySeed = new Map(mine.map((row) => [row.seed, row]));
  return [...bySeed.values()]
    .sort((a, b) => a.seed - b.seed)
    .flatMap((row) => {
      const answers = answersOf(row)?.filter(
        ({ kind }) => sentences === "all" || (sentences === "relations" ? kind !== "attribute" : kind === sentences),
      );
      return answers === undefined || answers.length === 0 ? [] : [[row.seed, scoredAt(answers, 0.25)] as const];
    });
}

/**
 * The contrasts of a study's protocol. At each look the contrasts with that many seeds are tested together (Holm), at a
 * level divided by the number of looks; one that is decided stays so, whatever is run later.
 *
 * @param rows of the study; those of another protocol version count as not there
 * @throws UserError when two arms answered different sentences
 */
export function contrastResults(study: Study, rows: readonly ResultRow[], answersOf: AnswersOf): ContrastResult[] {
  const { contrasts, primary, looks, smallestEffect, version } = study.protocol;
  const own = rows.filter((row) => row.study === study.name && row.protocol === version);
  const known = new Map<string, ReturnType<typeof answersOfSide>>();
  const answered = (side: Side): ReturnType<typeof answersOfSide> => {
    const key = `${side.variant} ${side.evaluation}`;
    if (!known.has(key)) known.set(key, answersOfSide(own, side, primary, answersOf));
    return known.get(key)!;
  };
  const sides = contrasts.map((contrast) => sidesOf(contrast, primary));
  const seeds = sides.map((both) => Math.min(...both.map((side) => answered(side).length)));
  const found: { difference?: Difference; verdict?: Verdict; decided: boolean }[] = contrasts.map(() => ({
    decided: false,
  }));
  for (const look of looks) {
    const tested = sides.flatMap(([arm, against], i) => {
      if (found[i]!.decided || seeds[i]! < look) return found[i]!.difference === undefined ? [] : [i];
      const first = (side: Side): Arm => new Map(answered(side).slice(0, look));
      found[i]!.difference = pairedDifferenceOf(first(arm), first(against));
      return [i];
    });
    const verdicts = judge(
      tested.map((i) => found[i]!.difference!),
      smallestEffect,
      looks.length,
    );
    tested.forEach((i, rank) => {
      if (found[i]!.decided) return;
      const verdict = verdicts[rank]!;
      found[i] = { ...found[i]!, verdict, decided: verdict.equivalent || verdict.direction !== undefined };
    });
  }
  return contrasts.map((contrast, i) => {
    const { verdict } = found[i]!;
    const text =
      verdict === undefined
        ? `${seeds[i]} of the ${looks[0]} seeds of the first look`
        : verdictText(verdict, smallestEffect);
    return { contrast, seeds: seeds[i]!, ...found[i]!, text };
  });
}

/** The arms that contrasts without a decision speak of: what goes on to the next look. */
export function undecidedArms(results: readonly ContrastResult[]): string[] {
  return [
    ...new Set(results.filter(({ decided }) => !decided).flatMap(({ contrast: { arm, against } }) => [arm, against])),
  ];
}
