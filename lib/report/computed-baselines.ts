import { basename } from "node:path";
import { resolveConfig } from "../config/resolve";
import { inProject } from "../core/root";
import type { KindBaseline } from "../datasets/rooms/baselines";
import { isSynthetic } from "../datasets/rooms/config";
import { computedBaselines } from "../datasets/rooms/measure";
import { evaluationConfig } from "../studies/evaluations";
import type { Study } from "../studies/types";
import { decimal, type Table } from "./table";

/** Guesses in words, and what they reach on one kind of sentence. */
const guesses: readonly (readonly [name: string, reached: (kind: KindBaseline) => number])[] = [
  ["any box at random", ({ randomObject }) => randomObject],
  ["the right class at random", ({ classOracle }) => classOracle],
  // a sentence without an anchor has none to ignore: class and colour decide it
  ["anchor-blind bound", ({ anchorBlindBound, ruleOracle }) => anchorBlindBound ?? ruleOracle],
  ["rule oracle", ({ ruleOracle }) => ruleOracle],
];

/**
 * What needs no training, on the rooms that a study's primary metric is of: a row a guess, a column a kind of sentence.
 * Computed from the rooms; where they are not here, the table says how to make them.
 */
export function computedBaselineTable(
  { protocol: { preset, primary } }: Study,
  { folder }: { readonly folder: string } = evaluationConfig(resolveConfig({ preset }), primary.evaluation).data,
): Table {
  const kinds = isSynthetic(inProject(folder)) ? computedBaselines(inProject(folder)) : [];
  const sentences = (some: readonly KindBaseline[]): number => some.reduce((sum, { n }) => sum + n, 0);
  const over = (some: readonly KindBaseline[], reached: (kind: KindBaseline) => number): string => {
    const right = some.reduce((sum, kind) => sum + kind.n * reached(kind), 0);
    return some.length === 0 ? "" : decimal((100 * right) / sentences(some));
  };
  const relations = kinds.filter(({ kind }) => kind !== "attribute");
  return {
    title: `Computed, not trained: ${folder} (synthetic), true boxes, ${sentences(kinds)} sentences`,
    columns: [
      { key: "guess", label: "guess" },
      { key: "all", label: "Acc@0.25 (%)", numeric: true },
      { key: "relations", label: "relations", numeric: true },
      ...kinds.map(({ kind }) => ({ key: kind, label: kind, numeric: true })),
    ],
    rows: guesses.map(([guess, reached]) => ({
      guess,
      all: over(kinds, reached),
      relations: over(relations, reached),
      ...Object.fromEntries(kinds.map((kind) => [kind.kind, over([kind], reached)])),
    })),
    notes: [
      kinds.length === 0
        ? `${folder} is not here: npm run -s s2mllm -- data make --size ${basename(folder)}.`
        : "Anchor-blind bound: one of the objects that a sentence of this class and kind could mean, whichever " +
          "landmark it names. Rule oracle: the sentence read by its template, with true classes, colours and boxes.",
    ],
  };
}
