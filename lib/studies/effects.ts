import type { ResultRow } from "../runs/row";
import { type AnswersOf, groupRows } from "./groups";
import { type Answer, type Interval, includesZero, pairedDifference } from "./intervals";

export const noEffect = "no measurable effect";

/** What an interval says of a difference; one training cannot tell a variant from its luck. */
export function effectOf(delta: Pick<Interval, "value" | "low" | "high">, seeds: number): string | undefined {
  if (!Number.isFinite(delta.low)) return undefined;
  if (includesZero(delta as Interval)) return noEffect;
  return `${delta.value < 0 ? "lower" : "higher"}${seeds === 1 ? " (one seed)" : ""}`;
}

/** What leaving a component out does to one kind of sentence. */
export interface KindEffect {
  readonly variant: string;
  /** A relation kind, or "relations": every kind but plain attributes. */
  readonly kind: string;
  readonly proposals: ResultRow["proposals"];
  /** Acc@0.25 of the reference and of the variant, percent, mean over shared seeds. */
  readonly reference: number;
  readonly ours: number;
  /** Variant minus reference, on the same sentences and seeds. */
  readonly difference: Interval;
  /** Sentences of this kind. */
  readonly n: number;
}

type KindAnswer = Answer & { readonly kind: string };

function accuracy(runs: ReadonlyMap<number, readonly KindAnswer[]>, seeds: readonly number[]): number {
  const all = seeds.flatMap((s) => runs.get(s)!);
  return (100 * all.filter((a) => a.iou >= 0.25).length) / all.length;
}

/**
 * Paired effect of each variant on each kind of sentence, against the reference variant of the same group of runs.
 * A variant or seed whose answers were not kept is left out.
 */
export function kindEffects(rows: readonly ResultRow[], answersOf: AnswersOf, reference = "full"): KindEffect[] {
  return groupRows(rows).flatMap((group) => {
    const runsOf = (variant: string): Map<number, readonly KindAnswer[]> =>
      new Map(
        group
          .filter((r) => r.variant === variant)
          .flatMap((r) => {
            const answers = answersOf(r);
            return answers === undefined ? [] : [[r.seed, answers] as const];
          }),
      );
    const base = runsOf(reference);
    const variants = [...new Set(group.map((r) => r.variant))].filter((v) => v !== reference);
    const kinds = ["relations", ...new Set([...base.values()].flat().map((a) => a.kind))];
    return variants.flatMap((variant): KindEffect[] => {
      const mine = runsOf(variant);
      const seeds = [...mine.keys()].filter((s) => base.has(s));
      if (seeds.length === 0) return [];
      return kinds.map((kind): KindEffect => {
        const only = (runs: ReadonlyMap<number, readonly KindAnswer[]>): Map<number, readonly KindAnswer[]> =>
          new Map(
            seeds.map((s) => [
              s,
              runs.get(s)!.filter((a) => (kind === "relations" ? a.kind !== "attribute" : a.kind === kind)),
            ]),
          );
        const [a, b] = [only(mine), only(base)];
        return {
          variant,
          kind,
          proposals: group[0]!.proposals,
          reference: accuracy(b, seeds),
          ours: accuracy(a, seeds),
          difference: pairedDifference(a, b, 0.25),
          n: a.get(seeds[0]!)!.length,
        };
      });
    });
  });
}
