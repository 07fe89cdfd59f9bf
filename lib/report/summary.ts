import { mainGroup } from "../studies/groups";
import { compareRows } from "./compare";
import { ablationFigure } from "./figures/ablation";
import { boxNames, dataTitle, type Figure } from "./figures/theme";
import { table5 } from "./paper";
import type { ReportInput } from "./sections";
import { type ComponentVerdict, componentVerdicts } from "./verdicts";

/** The first screen of the report. */
export interface Summary {
  readonly question: string;
  readonly verdicts: readonly ComponentVerdict[];
  readonly figure: Figure;
  /** Data, model and seeds behind the verdicts. */
  readonly basis: string;
  readonly synthetic: boolean;
}

/** The answer first: a verdict on each of the paper's components, from the largest group of finished runs. */
export function reportSummary({ rows, answersOf }: ReportInput): Summary {
  const group = mainGroup(rows.filter((r) => r.study === "table5"));
  const lines = compareRows(group, table5, answersOf);
  const components = new Set(table5.rows.flatMap((r) => (r.label.startsWith("without ") ? (r.variant ?? []) : [])));
  const seeds = [...new Set(group.map((r) => r.seed))].sort((a, b) => a - b);
  const [first] = group;
  const basis =
    first === undefined
      ? "no finished run yet: npm start makes the first ones"
      : [
          dataTitle(group),
          `preset ${first.preset}`,
          boxNames[first.proposals],
          `${first.n} test sentences`,
          `seed${seeds.length === 1 ? "" : "s"} ${seeds.join(", ")}`,
        ].join(" · ");
  const figure = ablationFigure(
    lines.filter(({ variant }) => components.has(variant)),
    basis,
  );
  return {
    question: "Which of S²-MLLM's components matter, and as much as the paper says?",
    verdicts: componentVerdicts(lines, table5),
    figure: { ...figure, name: "components" },
    basis,
    synthetic: first?.synthetic ?? false,
  };
}
