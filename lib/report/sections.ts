import { departures, switchOf } from "../config/departures";
import { labelOf, type ResultRow } from "../runs/row";
import { type AnswersOf, groupRows, mainGroups } from "../studies/groups";
import type { TrainingRun } from "../train/metrics-log";
import { type Comparison, compare, compareRows, originNotes } from "./compare";
import { effectTable } from "./effects";
import { ablationFigure } from "./figures/ablation";
import { frameCountFigure } from "./figures/frames";
import { relationFigure } from "./figures/relations";
import { boxNames, dataLabel, type Figure } from "./figures/theme";
import { trainingFigure } from "./figures/training";
import { kindTable } from "./kinds";
import { paperTables, table5 } from "./paper";
import { decimal, type Table } from "./table";

/** A part of the report page. */
export interface Section {
  readonly id: string;
  readonly heading: string;
  readonly text?: string;
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
}

export interface ReportInput {
  readonly rows: readonly ResultRow[];
  readonly answersOf: AnswersOf;
  readonly training: readonly TrainingRun[];
  /** Failure signatures that training reported, one sentence each. */
  readonly warnings: readonly string[];
  /** Figures that need more than rows (attention, error cases), where their data is present. */
  readonly extra: readonly Figure[];
}

/** Every finished run, one line each. */
export function runTable(rows: readonly ResultRow[]): Table {
  const text = (key: string, label: string): Table["columns"][number] => ({ key, label });
  const number = (key: string, label: string): Table["columns"][number] => ({ key, label, numeric: true });
  return {
    title: "Every finished run",
    columns: [
      text("run", "run"),
      text("study", "study"),
      text("variant", "variant"),
      number("seed", "seed"),
      text("preset", "preset"),
      number("frames", "views"),
      text("proposals", "boxes"),
      text("data", "data"),
      number("n", "n"),
      number("acc25", "Acc@0.25 (%)"),
      number("acc50", "Acc@0.5 (%)"),
      number("random", "random (%)"),
      number("bound", "upper bound (%)"),
      text("engine", "engine"),
      text("precision", "precision"),
      number("numerics", "numerics"),
      number("seconds", "seconds"),
      text("commit", "commit"),
    ],
    rows: rows.map((r) => ({
      run: r.run,
      study: r.study,
      variant: labelOf(r),
      seed: String(r.seed),
      preset: r.preset,
      frames: String(r.frames),
      proposals: boxNames[r.proposals],
      data: `${r.data}${r.synthetic ? ", synthetic" : ""} (${r.dataFingerprint.slice(0, 8)})`,
      n: String(r.n),
      acc25: decimal(r.metrics.acc25),
      acc50: decimal(r.metrics.acc50),
      random: decimal(r.baselines.random),
      bound: decimal(r.upperBound.acc25),
      engine: r.engine,
      precision: r.precision,
      numerics: String(r.numerics),
      seconds: r.seconds.toFixed(0),
      commit: r.commit.slice(0, 8),
    })),
    notes: rows.length === 0 ? ["No run has finished yet: npm start, or s2mllm study table5."] : originNotes(rows),
  };
}

export function departureTable(): Table {
  const columns = [
    { key: "what", label: "part" },
    { key: "paper", label: "paper" },
    { key: "release", label: "released code" },
    { key: "here", label: "here" },
    { key: "why", label: "why" },
    { key: "config", label: "config" },
  ];
  const rows = departures.map((d) => {
    const { what, paper, release = "as the paper", here, why } = d;
    return { what, paper, release, here, why, config: switchOf(d) };
  });
  return { title: "Departures from the paper", columns, rows, notes: [] };
}

/** A figure under a file name of its own: further data sets and boxes have figures of the same kind. */
function numbered(figure: Figure, i: number): Figure {
  return i === 0 ? figure : { ...figure, name: `${figure.name}-${i + 1}` };
}

/** Rows of one study, split into what may be averaged. */
function ablationFigures(rows: readonly ResultRow[], answersOf: AnswersOf): Figure[] {
  return groupRows(rows).map((group, i) =>
    numbered(ablationFigure(compareRows(group, table5, answersOf), dataLabel(group)), i),
  );
}

/** Everything that the report shows, in order. */
export function reportSections({ rows, answersOf, training, warnings, extra }: ReportInput): Section[] {
  const ofTable = (id: string): ResultRow[] => rows.filter((r) => r.study === id);
  const components = ofTable("table5");
  const comparisons = (Object.keys(paperTables) as (keyof typeof paperTables)[]).flatMap((id): Comparison[] => {
    // the full model's row also stands in Table 1
    const used = id === "table1" ? components.filter((r) => labelOf(r) === "full") : ofTable(id);
    return id !== "table5" && used.length > 0 ? [compare(used, paperTables[id], answersOf)] : [];
  });
  return [
    {
      id: "components",
      heading: "What each component contributes",
      tables: [compare(components, table5, answersOf)],
      figures: components.length === 0 ? [] : ablationFigures(components, answersOf),
    },
    {
      id: "frames",
      heading: "Number of views",
      tables: [],
      figures: mainGroups(components).map((group, i) => numbered(frameCountFigure(group), i)),
    },
    {
      id: "relations",
      heading: "Kinds of sentence",
      tables: components.length === 0 ? [] : [kindTable(components), effectTable(components, answersOf)],
      figures: mainGroups(components).map((group, i) => numbered(relationFigure(group), i)),
    },
    { id: "tables", heading: "The paper's other tables", tables: comparisons, figures: [] },
    { id: "examples", heading: "Attention and error cases", tables: [], figures: extra },
    {
      id: "training",
      heading: "Training",
      tables: [],
      figures: training.length === 0 ? [] : [trainingFigure(training)],
    },
    {
      id: "signatures",
      heading: "Failure signatures",
      text:
        warnings.length === 0
          ? "Training watches for the paper's failure signatures (reconstruction that does not converge early, wrong " +
            "categories from the language head, weak accuracy among several of a kind, collapse on transfer, a " +
            "collapsed grounding head). No log at hand reports one."
          : warnings.join("\n"),
      tables: [],
      figures: [],
    },
    { id: "departures", heading: "Departures from the paper", tables: [departureTable()], figures: [] },
    { id: "runs", heading: "Runs", tables: [runTable(rows)], figures: [] },
  ].filter((s: Section) => s.tables.length + s.figures.length > 0 || s.text !== undefined);
}
