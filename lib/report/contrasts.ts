import { readAnswers } from "../runs/answers";
import type { ResultRow } from "../runs/row";
import { levelOf } from "../studies/paired";
import type { Study } from "../studies/types";
import { contrastResults, contrastText } from "../studies/verdicts";
import { signed, type Table } from "./table";

/** A study's contrasts as its protocol states them, with their verdicts. */
export function contrastTable(study: Study, rows: readonly ResultRow[]): Table {
  const { protocol } = study;
  const results = contrastResults(study, rows, readAnswers);
  const level = 100 * levelOf(protocol.looks.length);
  return {
    title: `${study.name}, protocol ${protocol.version}: ${study.question}`,
    columns: [
      { key: "arm", label: "arm" },
      { key: "against", label: "against" },
      { key: "expected", label: "expected" },
      { key: "difference", label: "difference", numeric: true },
      { key: "interval", label: `${(100 - level).toFixed(1)} % interval`, numeric: true },
      { key: "verdict", label: "verdict" },
      { key: "seeds", label: "seeds", numeric: true },
    ],
    rows: results.map(({ contrast, difference, verdict, text, seeds }) => ({
      ...contrastText(contrast, protocol.primary),
      expected: contrast.expected,
      difference: signed(difference?.value),
      interval: verdict?.interval95 === undefined ? "" : verdict.interval95.map((v) => signed(v)).join(" … "),
      verdict: text,
      seeds: String(seeds),
    })),
    notes: [
      `Primary metric: Acc@0.25, ${protocol.primary.sentences} sentences, evaluation ${protocol.primary.evaluation}, ` +
        `${protocol.primary.proposals} boxes; percentage points.`,
      `Looks at ${protocol.looks.join(", ")} seeds, each at ${level.toFixed(2)} %, Holm over the contrasts.`,
    ],
  };
}
