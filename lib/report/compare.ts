import { type ColumnTable, table } from "arquero";
import type { Prediction, ResultRow } from "../runs/row";
import { effectOf } from "../studies/effects";
import { type AnswersOf, groupRows } from "../studies/groups";
import {
  accuracyInterval,
  halfWidth,
  type Interval,
  pairedDifference,
  type Runs,
  seedHalfWidth,
} from "../studies/intervals";
import { boxNames } from "./figures/theme";
import { type PaperRow, type PaperTable, paperName } from "./paper";
import { type Column, decimal, signed, type Table } from "./table";

/** One line of a comparison, unrounded; undefined where nothing was measured or the paper's figure is unknown. */
export interface ComparisonRow {
  readonly preset: string;
  readonly data: string;
  readonly synthetic: boolean;
  readonly proposals: ResultRow["proposals"];
  readonly setting: string;
  readonly variant: string;
  readonly metric: string;
  readonly ours?: number;
  /** Half of the 95 % interval. */
  readonly plusMinus?: number;
  readonly paper?: number;
  /** ours - paper */
  readonly difference?: number;
  /** Difference to the reference variant, ours and the paper's. */
  readonly delta?: number;
  readonly deltaLow?: number;
  readonly deltaHigh?: number;
  readonly paperDelta?: number;
  /**
   * "lower", "higher", marked when it rests on one seed, or "no measurable effect" where the interval of the difference
   * contains 0.
   */
  readonly effect?: string;
  readonly n: number;
  readonly seeds: number;
}

const thresholds: Readonly<Record<string, number>> = { acc25: 0.25, acc50: 0.5 };

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function metricOf(row: ResultRow, metric: string): number | undefined {
  const value = (row.metrics as Record<string, unknown>)[metric];
  return typeof value === "number" ? value : undefined;
}

/** What a line is called: as in the paper, and where our runs of it saw another number of views, with both numbers. */
function settingOf(variant: string, mine: readonly ResultRow[], theirs: PaperRow | undefined): string {
  const views = [...new Set(mine.map((row) => row.frames))].join(" or ");
  if (theirs === undefined) return variant.startsWith("frames-") ? `full, ${views} views` : variant;
  const asThere = mine.every((row) => row.frames === theirs.frames);
  return theirs.frames === undefined || asThere
    ? paperName(theirs)
    : `${theirs.label} (ours: ${views} views, paper: ${theirs.frames} frames)`;
}

/** The setting, with the variant's name where it is another. */
function named({ setting, variant }: ComparisonRow): string {
  return setting === variant || setting.startsWith(`${variant} (`) ? setting : `${setting} (${variant})`;
}

function runsOf(rows: readonly ResultRow[], answersOf: AnswersOf): Runs | undefined {
  const runs = new Map<number, readonly Prediction[]>();
  for (const row of rows) {
    const answers = answersOf(row);
    if (answers === undefined || answers.length === 0) return undefined;
    runs.set(row.seed, answers);
  }
  return runs.size === 0 ? undefined : runs;
}

/** Differences over the seeds that both have, from rows alone. */
function rowDelta(
  mine: readonly ResultRow[],
  reference: readonly ResultRow[],
  metric: string,
): Pick<Interval, "value" | "low" | "high"> | undefined {
  const differences = mine.flatMap((row) => {
    const other = reference.find((r) => r.seed === row.seed);
    const a = metricOf(row, metric);
    const b = other === undefined ? undefined : metricOf(other, metric);
    return a === undefined || b === undefined ? [] : [a - b];
  });
  if (differences.length === 0) return undefined;
  const value = mean(differences);
  const half = seedHalfWidth(differences);
  return half === undefined ? { value, low: NaN, high: NaN } : { value, low: value - half, high: value + half };
}

/** A variant's line for one metric. */
function compareOne(
  mine: readonly ResultRow[],
  reference: readonly ResultRow[] | undefined,
  metric: string,
  answersOf: AnswersOf,
): Partial<ComparisonRow> {
  const values = mine.flatMap((r) => metricOf(r, metric) ?? []);
  if (values.length === 0) return {};
  const threshold = thresholds[metric];
  const runs = threshold === undefined ? undefined : runsOf(mine, answersOf);
  const plusMinus = runs === undefined ? seedHalfWidth(values) : halfWidth(accuracyInterval(runs, threshold!));
  const line = { ours: mean(values), ...(plusMinus === undefined ? {} : { plusMinus }) };
  if (reference === undefined) return line;
  const others = threshold === undefined ? undefined : runsOf(reference, answersOf);
  const delta =
    runs === undefined || others === undefined
      ? rowDelta(mine, reference, metric)
      : pairedDifference(runs, others, threshold!);
  if (delta === undefined) return line;
  const bounds = Number.isFinite(delta.low) ? { deltaLow: delta.low, deltaHigh: delta.high } : {};
  const effect = effectOf(delta, values.length);
  return { ...line, delta: delta.value, ...bounds, ...(effect === undefined ? {} : { effect }) };
}

/**
 * Sets finished runs beside one of the paper's tables. Variants that the paper lacks follow after its own.
 *
 * @param answersOf gives single answers for intervals over scenes and seeds; without them intervals are over seeds
 * @param only these variants; all of the paper's and all that were run when absent
 */
export function compareRows(
  rows: readonly ResultRow[],
  paper: PaperTable,
  answersOf: AnswersOf = () => undefined,
  only?: readonly string[],
): ComparisonRow[] {
  const known = paper.rows.flatMap((r) => (r.variant === undefined ? [] : [r.variant]));
  return groupRows(rows).flatMap((group) => {
    const extra =
      paper.reference === undefined ? [] : [...new Set(group.map((r) => r.variant))].filter((v) => !known.includes(v));
    const variants = [...known, ...extra].filter((v) => only?.includes(v) ?? true);
    const reference = group.filter((r) => r.variant === paper.reference);
    return Object.keys(paper.columns).flatMap((metric) =>
      variants.flatMap((variant): ComparisonRow[] => {
        const mine = group.filter((r) => r.variant === variant);
        const theirs = paper.rows.find((r) => r.variant === variant);
        const paperValue = theirs?.values[metric];
        const base = paper.rows.find((r) => r.variant === paper.reference)?.values[metric];
        const isReference = variant === paper.reference;
        const line = compareOne(mine, isReference || reference.length === 0 ? undefined : reference, metric, answersOf);
        if (line.ours === undefined && paperValue === undefined) return [];
        const some = mine[0] ?? group[0]!;
        return [
          {
            preset: some.preset,
            data: some.data,
            synthetic: some.synthetic,
            proposals: some.proposals,
            setting: settingOf(variant, mine, theirs),
            variant,
            metric,
            ...line,
            ...(paperValue === undefined ? {} : { paper: paperValue }),
            ...(paperValue === undefined || line.ours === undefined ? {} : { difference: line.ours - paperValue }),
            ...(paperValue === undefined || base === undefined || isReference ? {} : { paperDelta: paperValue - base }),
            n: mine[0]?.n ?? 0,
            seeds: new Set(mine.map((r) => r.seed)).size,
          },
        ];
      }),
    );
  });
}

/** A comparison as numbers (an arquero table, for further work) and as a table to be read. */
export interface Comparison extends Table {
  readonly numbers: ColumnTable;
  readonly lines: readonly ComparisonRow[];
}

function notesOf(lines: readonly ComparisonRow[], rows: readonly ResultRow[], paper: PaperTable): string[] {
  const notes: string[] = [];
  const measured = lines.filter((l) => l.ours !== undefined);
  if (measured.length === 0) notes.push("Nothing has been run yet: run the study first.");
  if (measured.some((l) => l.synthetic)) {
    notes.push(
      `Rows marked "synthetic" were measured on S2-Rooms, the paper's on ${paper.data}: their accuracies are not ` +
        "comparable (differences in brackets); differences between variants are.",
    );
  }
  const seeds = new Set(measured.map((l) => l.seeds));
  if (seeds.has(1))
    notes.push("One seed: ± and intervals are over scenes only and leave out the spread between trainings.");
  if ([...seeds].some((s) => s > 1))
    notes.push(
      "± is half a 95 % interval, bootstrapped over scenes and seeds; Δ is paired on the same sentences and seeds.",
    );
  const bounds = new Map(rows.map((r) => [`${r.preset}, ${r.data}, ${boxNames[r.proposals]}`, r.upperBound.acc25]));
  for (const [what, bound] of bounds)
    notes.push(`The boxes offered allow at most ${decimal(bound)} % Acc@0.25 (${what}).`);
  return [...notes, ...paper.notes];
}

const numberColumns = [
  "preset",
  "data",
  "synthetic",
  "proposals",
  "setting",
  "variant",
  "metric",
  "ours",
  "plusMinus",
  "paper",
  "difference",
  "delta",
  "deltaLow",
  "deltaHigh",
  "paperDelta",
  "effect",
  "n",
  "seeds",
] as const satisfies readonly (keyof ComparisonRow)[];

/** Every column is there, also where no line has a value for it. */
function numbersOf(lines: readonly ComparisonRow[]): ColumnTable {
  return table(Object.fromEntries(numberColumns.map((key) => [key, lines.map((l) => l[key])])));
}

/**
 * The comparison table ours | ± | paper | difference | Δ | n, with preset, data and "synthetic" on every line.
 */
export function compare(
  rows: readonly ResultRow[],
  paper: PaperTable,
  answersOf?: AnswersOf,
  only?: readonly string[],
): Comparison {
  const lines = compareRows(rows, paper, answersOf, only);
  const withDelta = paper.reference !== undefined;
  const columns: Column[] = [
    { key: "setting", label: "setting" },
    { key: "metric", label: "metric" },
    { key: "data", label: "our data" },
    { key: "ours", label: "ours", numeric: true },
    { key: "plusMinus", label: "±", numeric: true },
    { key: "paper", label: "paper", numeric: true },
    { key: "difference", label: "difference", numeric: true },
    ...(withDelta
      ? [
          { key: "delta", label: `Δ to ${paper.reference}`, numeric: true },
          { key: "range", label: "95 % interval", numeric: true },
          { key: "paperDelta", label: "paper's Δ", numeric: true },
          { key: "effect", label: "effect" },
        ]
      : []),
    { key: "n", label: "n", numeric: true },
    { key: "seeds", label: "seeds", numeric: true },
    { key: "preset", label: "preset" },
  ];
  const shown = lines.map((l) => {
    const measured = l.ours !== undefined;
    const difference = signed(l.difference);
    return {
      setting: named(l),
      metric: paper.columns[l.metric] ?? l.metric,
      ours: measured ? decimal(l.ours) : "not run",
      plusMinus: decimal(l.plusMinus),
      paper: decimal(l.paper, 2),
      difference: l.synthetic && difference !== "" ? `(${difference})` : difference,
      delta: signed(l.delta),
      range: l.deltaLow === undefined ? "" : `${signed(l.deltaLow)} … ${signed(l.deltaHigh)}`,
      paperDelta: signed(l.paperDelta, 2),
      effect: l.effect ?? "",
      n: measured ? String(l.n) : "",
      seeds: measured ? String(l.seeds) : "",
      preset: measured ? l.preset : "",
      data: measured ? `${l.data}, ${boxNames[l.proposals]}${l.synthetic ? ", synthetic" : ""}` : "",
    };
  });
  return {
    title: `${paper.title} — ours and the paper's`,
    columns,
    rows: shown,
    notes: notesOf(lines, rows, paper),
    numbers: numbersOf(lines),
    lines,
  };
}

/** The paper's table alone, blanks left blank. */
export function paperTable(paper: PaperTable): Table {
  const columns: Column[] = [
    { key: "label", label: "setting" },
    ...Object.entries(paper.columns).map(([key, label]) => ({ key, label, numeric: true })),
    { key: "note", label: "note" },
  ];
  const rows = paper.rows.map((r) => ({
    label: paperName(r),
    ...Object.fromEntries(Object.keys(paper.columns).map((k) => [k, decimal(r.values[k], 2)])),
    note: r.note ?? "",
  }));
  return { title: `${paper.title} (${paper.data}), the paper's figures`, columns, rows, notes: paper.notes };
}
