import { departures, switchOf } from "../config/departures";
import { labelOf, type ResultRow } from "../runs/row";
import { studyNamed } from "../studies/definitions";
import { type AnswersOf, groupRows, mainGroups } from "../studies/groups";
import type { TrainingRun } from "../train/metrics-log";
import { compare, compareRows, originNotes } from "./compare";
import { effectTable } from "./effects";
import { ablationFigure } from "./figures/ablation";
import { frameCountFigure } from "./figures/frames";
import { relationFigure } from "./figures/relations";
import { boxNames, dataLabel, type Figure } from "./figures/theme";
import { trainingFigure } from "./figures/training";
import { kindTable } from "./kinds";
import { type PaperTable, type PaperTableName, paperTables } from "./paper";
import { paperLayout } from "./paper-layout";
import { studyTables } from "./study-tables";
import { decimal, type Table } from "./table";

/** A part of the report page. */
export interface Section {
  readonly id: string;
  readonly heading: string;
  readonly text?: string;
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
  /** Tables that stay folded until they are asked for, under one line that names them. */
  readonly details?: { readonly summary: string; readonly tables: readonly Table[] };
  /** Pages that lie beside the report. */
  readonly links?: readonly PageLink[];
}

/** An explorer page, by its file name beside the report's. */
export interface PageLink {
  readonly name: string;
  readonly file: string;
}

export interface ReportInput {
  readonly rows: readonly ResultRow[];
  readonly answersOf: AnswersOf;
  readonly training: readonly TrainingRun[];
  /** Failure signatures that training reported, one sentence each. */
  readonly warnings: readonly string[];
  /** Figures that need more than rows (attention, error cases), where their data is present. */
  readonly extra: readonly Figure[];
  /** Explorers that were made beside the report. */
  readonly explorers: readonly PageLink[];
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
      number("wrongWords", "wrong words (%)"),
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
      wrongWords: decimal(r.metrics.wrongWords),
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
function ablationFigures(rows: readonly ResultRow[], paper: PaperTable, answersOf: AnswersOf): Figure[] {
  return groupRows(rows).map((group, i) => {
    const figure = ablationFigure(compareRows(group, paper, answersOf), dataLabel(group));
    return numbered(paper.id === "table5" ? figure : { ...figure, name: `${figure.name}-${paper.id}` }, i);
  });
}

const tableIds = Object.keys(paperTables) as PaperTableName[];

/** Rows that stand beside one of the paper's tables: those of its study. */
function rowsBeside(id: PaperTableName, rows: readonly ResultRow[]): ResultRow[] {
  // the full model's row also stands in Table 1
  if (id === "table1" && rows.every((r) => r.study !== id))
    return rows.filter((r) => r.study === "table5" && labelOf(r) === "full");
  return rows.filter((r) => r.study === id);
}

/** One of the paper's tables in its own layout, with the comparison in full folded beneath it. */
function tableSection(id: PaperTableName, { rows, answersOf }: ReportInput): Section[] {
  const beside = rowsBeside(id, rows);
  if (beside.length === 0) return [];
  const paper = paperTables[id];
  const comparison = compare(beside, paper, answersOf);
  const compares = "acc25" in paper.columns && beside.some((row) => labelOf(row) !== paper.reference);
  return [
    {
      id,
      heading: paper.title,
      tables: paperLayout(comparison.lines, paper),
      figures: compares ? ablationFigures(beside, paper, answersOf) : [],
      details: { summary: "Every difference with its interval, verdict and number of sentences", tables: [comparison] },
    },
  ];
}

function notRun(rows: readonly ResultRow[]): Section[] {
  const missing = tableIds.filter((id) => rowsBeside(id, rows).length === 0);
  if (missing.length === 0) return [];
  const tables = missing.flatMap((id) => studyTables(studyNamed(id), []));
  return [{ id: "not-run", heading: "The paper's tables without a run", tables, figures: [] }];
}

/** Everything that the report shows below its first screen, in order; the first of them says what is run. */
export function reportSections(input: ReportInput): Section[] {
  const { rows, answersOf, training, warnings, extra, explorers } = input;
  const components = rows.filter((r) => r.study === "table5");
  return [
    {
      id: "explore",
      heading: "Look into it yourself",
      text:
        explorers.length > 0
          ? "Pages of their own, to filter, turn and compare:"
          : "Explorers of single answers and of attention: s2mllm explore answers RUN [RUN], " +
            "s2mllm explore attention RUN [RUN].",
      tables: [],
      figures: [],
      links: explorers,
    },
    ...(["table5", ...tableIds.filter((id) => id !== "table5")] as const).flatMap((id) => tableSection(id, input)),
    ...notRun(rows),
    {
      id: "frames",
      heading: "Number of views",
      tables: [],
      figures: mainGroups(components).map((group, i) => numbered(frameCountFigure(group), i)),
    },
    {
      id: "relations",
      heading: "Kinds of sentence",
      tables: components.length === 0 ? [] : [kindTable(components)],
      figures: mainGroups(components).map((group, i) => numbered(relationFigure(group), i)),
      ...(components.length === 0
        ? {}
        : {
            details: {
              summary: "The effect on each kind of sentence, with verdicts",
              tables: [effectTable(components, answersOf)],
            },
          }),
    },
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
    {
      id: "departures",
      heading: "Departures from the paper",
      tables: [],
      figures: [],
      details: { summary: `${departures.length} parts that are not as in the paper`, tables: [departureTable()] },
    },
    {
      id: "runs",
      heading: "Runs",
      tables: [],
      figures: [],
      details: {
        summary:
          rows.length === 0 ? "No run has finished yet: npm start, or s2mllm study table5." : `${rows.length} rows`,
        tables: [runTable(rows)],
      },
    },
  ].filter((s: Section) => s.tables.length + s.figures.length > 0 || s.text !== undefined || s.details !== undefined);
}
