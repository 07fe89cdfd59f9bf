import type { ComparisonRow } from "./compare";
import { boxNames, sourceOf } from "./figures/theme";
import { type PaperTable, paperName, paperText } from "./paper";
import { type Column, decimal, type Table } from "./table";

/** Ours and the paper's of one cell. */
const ownKey = (metric: string): string => `${metric} ours`;
const paperKey = (metric: string): string => `${metric} paper`;

/** What lines of one group of runs have in common. */
const groupOf = ({ preset, data, proposals }: ComparisonRow): string => JSON.stringify([preset, data, proposals]);

/**
 * A comparison in the paper's own layout, a table for each group of runs: settings as rows, also other people's
 * methods, and metrics as columns, each ours (± half a 95 % interval) beside the paper's.
 */
export function paperLayout(lines: readonly ComparisonRow[], paper: PaperTable): Table[] {
  const groups = [...new Set(lines.filter((l) => l.ours !== undefined).map(groupOf))];
  return groups.map((group) => {
    const own = lines.filter((l) => groupOf(l) === group);
    const [some] = own;
    const known = paper.rows.map(({ variant }) => variant);
    const extra = [...new Set(own.map(({ variant }) => variant))].filter((variant) => !known.includes(variant));
    const metrics = Object.keys(paper.columns);
    const cells = (variant: string | undefined, metric: string): string => {
      const line = own.find((l) => l.variant === variant && l.metric === metric);
      if (line?.ours === undefined) return "";
      return `${decimal(line.ours)}${line.plusMinus === undefined ? "" : ` ± ${decimal(line.plusMinus)}`}`;
    };
    const nameOf = (variant: string | undefined): string | undefined =>
      own.find((l) => l.variant === variant && l.ours !== undefined)?.setting;
    const columns = metrics.flatMap((metric): Column[] => [
      { key: ownKey(metric), label: `${paper.columns[metric]!} ours`, numeric: true },
      { key: paperKey(metric), label: "paper", numeric: true },
    ]);
    const seeds = Math.max(...own.map((l) => l.seeds));
    return {
      title:
        `${paper.title}. Ours on ${sourceOf(some!)}, preset ${some!.preset}, ${boxNames[some!.proposals]}, ` +
        `${seeds} seed${seeds === 1 ? "" : "s"}; the paper's on ${paper.data}`,
      columns: [{ key: "setting", label: "setting" }, ...columns],
      rows: [
        ...paper.rows.map((row) => ({
          setting: nameOf(row.variant) ?? paperName(row),
          ...Object.fromEntries(
            metrics.flatMap((metric) => [
              [ownKey(metric), cells(row.variant, metric)],
              [paperKey(metric), paperText(row, metric)],
            ]),
          ),
        })),
        ...extra.map((variant) => ({
          setting: nameOf(variant) ?? variant,
          ...Object.fromEntries(metrics.map((metric) => [ownKey(metric), cells(variant, metric)])),
        })),
      ],
      notes: paper.notes,
    };
  });
}
