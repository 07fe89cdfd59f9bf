import { type ComparisonRow, placeOf } from "./compare";
import { sourceOf } from "./figures/theme";
import { type PaperTable, paperName, paperText } from "./paper";
import { type Column, decimal, type Table } from "./table";

/** Ours and the paper's of one cell. */
const ownKey = (metric: string): string => `${metric} ours`;
const paperKey = (metric: string): string => `${metric} paper`;

/** What lines of one group of runs have in common. */
const groupOf = ({ preset, data, dataFingerprint, proposals, split, protocol, numerics }: ComparisonRow): string =>
  JSON.stringify([preset, data, dataFingerprint, proposals, split, protocol, numerics]);

/** What stands where an arm has no row. */
export const notRun = "not run";

/**
 * A comparison in the paper's own layout, a table for each group of runs: settings as rows, also other people's
 * methods, and metrics as columns, each ours (± half a 95 % interval) beside the paper's, where the paper prints one.
 *
 * @param arms variants that a study runs: without a row they are "not run"; of no group at all one table says so
 */
export function paperLayout(lines: readonly ComparisonRow[], paper: PaperTable, arms: readonly string[] = []): Table[] {
  const groups = [...new Set(lines.filter((l) => l.ours !== undefined).map(groupOf))].map((group) =>
    lines.filter((l) => groupOf(l) === group),
  );
  return (groups.length === 0 && arms.length > 0 ? [[]] : groups).map((own) => tableOf(own, lines, paper, arms));
}

function titleOf(own: readonly ComparisonRow[], all: readonly ComparisonRow[], paper: PaperTable): string {
  const [some] = own;
  if (some === undefined) return `${paper.title}. Ours: ${notRun}; the paper's on ${paper.data}`;
  const seeds = Math.max(...own.map((l) => l.seeds));
  return (
    `${paper.title}. Ours on ${sourceOf(some)}${placeOf(some, paper, all)}, preset ${some.preset}, ` +
    `${seeds} seed${seeds === 1 ? "" : "s"}; the paper's on ${paper.data}`
  );
}

function tableOf(
  own: readonly ComparisonRow[],
  all: readonly ComparisonRow[],
  paper: PaperTable,
  arms: readonly string[],
): Table {
  const known = paper.rows.map(({ variant }) => variant);
  const extra = [...new Set([...arms, ...own.map(({ variant }) => variant)])].filter((arm) => !known.includes(arm));
  const metrics = Object.keys(paper.columns);
  const printed = metrics.filter((metric) => paper.rows.some((row) => paperText(row, metric) !== ""));
  const lineOf = (variant: string | undefined, metric?: string): ComparisonRow | undefined =>
    own.find((l) => l.variant === variant && l.ours !== undefined && (metric === undefined || l.metric === metric));
  const cell = (variant: string | undefined, metric: string): string => {
    const line = lineOf(variant, metric);
    if (line === undefined) return variant !== undefined && arms.includes(variant) && !lineOf(variant) ? notRun : "";
    return `${decimal(line.ours)}${line.plusMinus === undefined ? "" : ` ± ${decimal(line.plusMinus)}`}`;
  };
  const ours = (variant: string | undefined): Record<string, string> =>
    Object.fromEntries(metrics.map((metric) => [ownKey(metric), cell(variant, metric)]));
  return {
    title: titleOf(own, all, paper),
    columns: [
      { key: "setting", label: "setting" },
      ...metrics.flatMap((metric): Column[] => [
        { key: ownKey(metric), label: `${paper.columns[metric]!} ours`, numeric: true },
        ...(printed.includes(metric) ? [{ key: paperKey(metric), label: "paper", numeric: true }] : []),
      ]),
    ],
    rows: [
      ...paper.rows.map((row) => ({
        setting: lineOf(row.variant)?.setting ?? paperName(row),
        ...ours(row.variant),
        ...Object.fromEntries(printed.map((metric) => [paperKey(metric), paperText(row, metric)])),
      })),
      ...extra.map((variant) => ({ setting: lineOf(variant)?.setting ?? variant, ...ours(variant) })),
    ],
    notes: paper.notes,
  };
}
