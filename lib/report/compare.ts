import { type ColumnTable, table } from "arquero";
import { mean } from "../core/averages";
import { numerics } from "../runs/identity";
import { labelOf, type ResultRow, unknownWordsWarning } from "../runs/row";
import { type AnswersOf, groupRows } from "../studies/groups";
import {
  type Arm,
  type Difference,
  estimateOf,
  halfWidthOverSeeds,
  intervalOf,
  judge,
  pairedDifferenceOf,
  scoredAt,
  verdictText,
} from "../studies/paired";
import { boxNames } from "./figures/theme";
import { type PaperRow, type PaperTable, paperCell, paperName, paperValue, sourcesNote } from "./paper";
import { rowsByColumn } from "./paper-columns";
import { type Column, decimal, signed, type Table } from "./table";

/** One line of a comparison, unrounded; undefined where nothing was measured or the paper's figure is unknown. */
export interface ComparisonRow {
  readonly preset: string;
  readonly data: string;
  readonly synthetic: boolean;
  readonly proposals: ResultRow["proposals"];
  /** The evaluation; of a table whose columns are of several, one of them. */
  readonly split: string;
  /** What else tells rows apart that are never averaged: version of the protocol and of the code, and of the data. */
  readonly protocol: number;
  readonly numerics: number;
  readonly dataFingerprint: string;
  readonly setting: string;
  readonly variant: string;
  readonly metric: string;
  readonly ours?: number;
  /** Half of the 95 % interval. */
  readonly plusMinus?: number;
  /** The paper's figure that differences are taken to, and all that its sources say, each with its letter. */
  readonly paper?: number;
  readonly paperText?: string;
  /** ours - paper */
  readonly difference?: number;
  /** Difference to the reference variant, ours and the paper's. */
  readonly delta?: number;
  /** The difference of each seed that both have. */
  readonly perSeed?: readonly number[];
  /** 95 % interval of the difference. */
  readonly deltaLow?: number;
  readonly deltaHigh?: number;
  readonly paperDelta?: number;
  /** "lower", "higher", "within ±2 points" or "undecided", tested over all variants of the table together (Holm). */
  readonly verdict?: string;
  readonly n: number;
  readonly seeds: number;
}

const thresholds: Readonly<Record<string, number>> = { acc25: 0.25, acc50: 0.5 };

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

function armOf(rows: readonly ResultRow[], answersOf: AnswersOf, threshold: number): Arm | undefined {
  const arm = new Map<number, ReturnType<typeof scoredAt>>();
  for (const row of rows) {
    const answers = answersOf(row);
    if (answers === undefined || answers.length === 0) return undefined;
    arm.set(row.seed, scoredAt(answers, threshold));
  }
  return arm.size === 0 ? undefined : arm;
}

/** Differences over the seeds that both have, from rows alone: the part of the error that rooms make is unknown. */
function rowDifference(mine: readonly ResultRow[], reference: readonly ResultRow[], metric: string): number[] {
  return mine.flatMap((row) => {
    const other = reference.find((r) => r.seed === row.seed);
    const a = metricOf(row, metric);
    const b = other === undefined ? undefined : metricOf(other, metric);
    return a === undefined || b === undefined ? [] : [a - b];
  });
}

/** A variant's numbers for one metric; `paired` is what the table's verdicts are made of. */
interface Measured {
  readonly line: Partial<ComparisonRow>;
  readonly paired?: Difference;
}

function measure(
  mine: readonly ResultRow[],
  reference: readonly ResultRow[] | undefined,
  metric: string,
  answersOf: AnswersOf,
): Measured {
  const values = mine.flatMap((r) => metricOf(r, metric) ?? []);
  if (values.length === 0) return { line: {} };
  const threshold = thresholds[metric];
  const arm = threshold === undefined ? undefined : armOf(mine, answersOf, threshold);
  const interval = arm === undefined ? undefined : intervalOf(estimateOf(arm), 0.95);
  const plusMinus = interval === undefined ? halfWidthOverSeeds(values) : (interval[1] - interval[0]) / 2;
  const line = { ours: mean(values), ...(plusMinus === undefined ? {} : { plusMinus }) };
  if (reference === undefined) return { line };
  const other = threshold === undefined ? undefined : armOf(reference, answersOf, threshold);
  if (arm !== undefined && other !== undefined && [...arm.keys()].some((seed) => other.has(seed))) {
    const paired = pairedDifferenceOf(arm, other);
    return { line: { ...line, delta: paired.value, perSeed: paired.perSeed }, paired };
  }
  const perSeed = rowDifference(mine, reference, metric);
  if (perSeed.length === 0) return { line };
  const half = halfWidthOverSeeds(perSeed);
  const delta = mean(perSeed);
  const bounds = half === undefined ? {} : { deltaLow: delta - half, deltaHigh: delta + half };
  return { line: { ...line, delta, perSeed, ...bounds } };
}

/** Differences below this many percentage points are of no interest, unless a study's protocol says otherwise. */
export const smallestEffect = 2;

/** Verdicts of all variants of one table and metric together, by variant. */
function verdicts(measured: ReadonlyMap<string, Measured>): Map<string, Partial<ComparisonRow>> {
  const known = [...measured].flatMap(([variant, { paired }]) => (paired === undefined ? [] : [{ variant, paired }]));
  const judged = judge(
    known.map(({ paired }) => paired),
    smallestEffect,
  );
  return new Map(
    judged.map((verdict, i) => [
      known[i]!.variant,
      {
        ...(verdict.interval95 === undefined
          ? {}
          : { deltaLow: verdict.interval95[0], deltaHigh: verdict.interval95[1] }),
        verdict: verdictText(verdict, smallestEffect),
      },
    ]),
  );
}

/**
 * Sets finished runs beside one of the paper's tables. Variants that the paper lacks follow after its own.
 *
 * @param answersOf gives single answers; without them intervals are over seeds alone and there is no verdict
 * @param only these variants; all of the paper's and all that were run when absent
 */
export function compareRows(
  rows: readonly ResultRow[],
  paper: PaperTable,
  answersOf: AnswersOf = () => undefined,
  only?: readonly string[],
): ComparisonRow[] {
  const known = paper.rows.flatMap((r) => (r.variant === undefined ? [] : [r.variant]));
  return groupRows(rowsByColumn(rows, paper)).flatMap((group) => {
    const extra =
      paper.reference === undefined ? [] : [...new Set(group.map(labelOf))].filter((v) => !known.includes(v));
    const variants = [...known, ...extra].filter((v) => only?.includes(v) ?? true);
    const reference = group.filter((r) => labelOf(r) === paper.reference);
    return Object.keys(paper.columns).flatMap((metric) => {
      const rowsOf = (variant: string): ResultRow[] => group.filter((r) => labelOf(r) === variant);
      const against = (variant: string): ResultRow[] | undefined =>
        variant === paper.reference || reference.length === 0 ? undefined : reference;
      const measured = new Map(variants.map((v) => [v, measure(rowsOf(v), against(v), metric, answersOf)] as const));
      const judged = verdicts(measured);
      return variants.flatMap((variant): ComparisonRow[] => {
        const mine = rowsOf(variant);
        const theirs = paper.rows.find((r) => r.variant === variant);
        const printed = paperValue(theirs, metric);
        const base = paperValue(
          paper.rows.find((r) => r.variant === paper.reference),
          metric,
        );
        const isReference = variant === paper.reference;
        const line = { ...measured.get(variant)!.line, ...judged.get(variant) };
        if (line.ours === undefined && printed === undefined) return [];
        const some = mine[0] ?? group[0]!;
        return [
          {
            preset: some.preset,
            data: some.data,
            synthetic: some.synthetic,
            proposals: some.proposals,
            split: some.split,
            protocol: some.protocol,
            numerics: some.numerics,
            dataFingerprint: some.dataFingerprint,
            setting: settingOf(variant, mine, theirs),
            variant,
            metric,
            ...line,
            ...(printed === undefined ? {} : { paper: printed, paperText: paperCell(theirs, metric) }),
            ...(printed === undefined || line.ours === undefined ? {} : { difference: line.ours - printed }),
            ...(printed === undefined || base === undefined || isReference ? {} : { paperDelta: printed - base }),
            n: mine[0]?.n ?? 0,
            seeds: new Set(mine.map((r) => r.seed)).size,
          },
        ];
      });
    });
  });
}

/** A comparison as numbers (an arquero table, for further work) and as a table to be read. */
export interface Comparison extends Table {
  /** The variant that differences are taken to. */
  readonly reference?: string;
  readonly numbers: ColumnTable;
  readonly lines: readonly ComparisonRow[];
}

/** Which rows older code, another precision or another engine made than the rest. */
export function originNotes(rows: readonly ResultRow[]): string[] {
  const names = (some: readonly ResultRow[]): string => [...new Set(some.map(labelOf))].join(", ");
  const old = rows.filter((row) => row.numerics !== numerics);
  const engines = new Map(rows.map((row) => [row.engine, rows.filter(({ engine }) => engine === row.engine)]));
  return [
    ...[...new Set(old.map((row) => row.numerics))].map(
      (version) =>
        `Made by code of numerics version ${version} (today's is ${numerics}), and not done again since: ` +
        `${names(old.filter((row) => row.numerics === version))}.`,
    ),
    ...(engines.size < 2
      ? []
      : [`Engines: ${[...engines].map(([engine, own]) => `${engine} for ${names(own)}`).join("; ")}.`]),
  ];
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
    notes.push(
      "One seed: the spread between trainings is unknown, so that there is neither an interval nor a verdict.",
    );
  if ([...seeds].some((s) => s > 1))
    notes.push(
      "± is half a 95 % interval; its error has two parts, seeds and rooms (Satterthwaite's degrees of freedom). " +
        "Δ is the mean of per-seed differences on the same sentences. Verdicts are two-sided tests at 5 %, corrected " +
        `over the table's variants (Holm); "within ±${smallestEffect} points": the 90 % interval lies inside.`,
    );
  notes.push(...originNotes(rows));
  const bounds = new Map(rows.map((r) => [`${r.preset}, ${r.data}, ${boxNames[r.proposals]}`, r.upperBound.acc25]));
  for (const [what, bound] of bounds)
    notes.push(`The boxes offered allow at most ${decimal(bound)} % Acc@0.25 (${what}).`);
  return [...notes, sourcesNote, ...paper.notes];
}

const numberColumns = [
  "preset",
  "data",
  "synthetic",
  "proposals",
  "split",
  "protocol",
  "numerics",
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
  "verdict",
  "n",
  "seeds",
] as const satisfies readonly (keyof ComparisonRow)[];

/** Every column is there, also where no line has a value for it. */
function numbersOf(lines: readonly ComparisonRow[]): ColumnTable {
  return table(Object.fromEntries(numberColumns.map((key) => [key, lines.map((l) => l[key])])));
}

/**
 * What a line was measured on beside its data's name: the evaluation ("val" goes without saying) and the boxes, where
 * they are not the columns', and what tells it from the others: protocol, older code, another version of the data.
 */
export function placeOf(
  line: ComparisonRow,
  { cells }: Pick<PaperTable, "cells">,
  all: readonly ComparisonRow[],
): string {
  const { split, proposals, protocol, numerics: version, dataFingerprint } = line;
  const several = all.some((other) => other.data === line.data && other.dataFingerprint !== dataFingerprint);
  return [
    ...(cells !== undefined || split === "val" ? [] : [` (${split})`]),
    ...(cells !== undefined ? [] : [`, ${boxNames[proposals]}`]),
    ...(protocol === 0 ? [] : [`, protocol ${protocol}`]),
    ...(version === numerics ? [] : [`, numerics ${version}`]),
    ...(several ? [`, version ${dataFingerprint.slice(0, 8)} of the data`] : []),
  ].join("");
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
          { key: "verdict", label: "verdict" },
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
      paper: l.paperText ?? "",
      difference: l.synthetic && difference !== "" ? `(${difference})` : difference,
      delta: signed(l.delta),
      range: l.deltaLow === undefined ? "" : `${signed(l.deltaLow)} … ${signed(l.deltaHigh)}`,
      paperDelta: signed(l.paperDelta, 2),
      verdict: l.verdict ?? "",
      n: measured ? String(l.n) : "",
      seeds: measured ? String(l.seeds) : "",
      preset: measured ? l.preset : "",
      data: measured ? `${l.data}${placeOf(l, paper, lines)}${l.synthetic ? ", synthetic" : ""}` : "",
    };
  });
  return {
    ...(paper.reference === undefined ? {} : { reference: paper.reference }),
    title: `${paper.title} — ours and the paper's`,
    warning: unknownWordsWarning(rows),
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
    ...Object.fromEntries(Object.keys(paper.columns).map((k) => [k, paperCell(r, k)])),
    note: r.note ?? "",
  }));
  return {
    title: `${paper.title} (${paper.data}), the paper's figures`,
    columns,
    rows,
    notes: [sourcesNote, ...paper.notes],
  };
}
