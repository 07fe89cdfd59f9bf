import { labelOf, type ResultRow } from "../runs/row";
import { type AnswersOf, groupRows } from "./groups";
import { type Arm, type Difference, judge, pairedDifferenceOf, scoredAt, type Verdict } from "./paired";

/** What leaving a component out does to one kind of sentence. */
export interface KindEffect {
  readonly variant: string;
  /** A relation kind, or "relations": every kind but plain attributes. */
  readonly kind: string;
  readonly data: string;
  readonly proposals: ResultRow["proposals"];
  /** Acc@0.25 of the reference and of the variant, percent, mean over shared seeds. */
  readonly reference: number;
  readonly ours: number;
  /** Variant minus reference, on the same sentences and seeds. */
  readonly difference: Difference;
  /** All kinds and variants of a group of runs are tested together. */
  readonly verdict: Verdict;
}

type Answer = NonNullable<ReturnType<AnswersOf>>[number];
type Runs = ReadonlyMap<number, readonly Answer[]>;

const isOf = (answer: Answer, kind: string): boolean =>
  kind === "relations" ? answer.kind !== "attribute" : answer.kind === kind;

/** The answers to one kind of sentence, of the given seeds. */
function armOf(runs: Runs, seeds: readonly number[], kind: string): Arm {
  return new Map(
    seeds.map((seed) => [
      seed,
      scoredAt(
        runs.get(seed)!.filter((answer) => isOf(answer, kind)),
        0.25,
      ),
    ]),
  );
}

function accuracy(arm: Arm): number {
  const all = [...arm.values()].flat();
  return (100 * all.reduce((sum, { score }) => sum + score, 0)) / all.length;
}

/**
 * Paired effect of each variant on each kind of sentence, against the reference variant of the same group of runs.
 * A variant or seed whose answers were not kept is left out.
 *
 * @param smallestEffect of interest, percentage points
 */
export function kindEffects(
  rows: readonly ResultRow[],
  answersOf: AnswersOf,
  smallestEffect: number,
  reference = "full",
): KindEffect[] {
  return groupRows(rows).flatMap((group) => {
    const runsOf = (variant: string): Runs =>
      new Map(
        group.flatMap((row) => {
          const answers = labelOf(row) === variant ? answersOf(row) : undefined;
          return answers === undefined ? [] : [[row.seed, answers] as const];
        }),
      );
    const base = runsOf(reference);
    const variants = [...new Set(group.map(labelOf))].filter((v) => v !== reference);
    const kinds = ["relations", ...new Set([...base.values()].flat().map((a) => a.kind))];
    const effects = variants.flatMap((variant) => {
      const runs = runsOf(variant);
      const seeds = [...runs.keys()].filter((seed) => base.has(seed));
      if (seeds.length === 0) return [];
      return kinds.map((kind) => {
        const [mine, theirs] = [armOf(runs, seeds, kind), armOf(base, seeds, kind)];
        return {
          variant,
          kind,
          data: group[0]!.data,
          proposals: group[0]!.proposals,
          reference: accuracy(theirs),
          ours: accuracy(mine),
          difference: pairedDifferenceOf(mine, theirs),
        };
      });
    });
    const verdicts = judge(
      effects.map((e) => e.difference),
      smallestEffect,
    );
    return effects.map((effect, i) => ({ ...effect, verdict: verdicts[i]! }));
  });
}
