import type { Scores } from "../eval/score";
import { paperCell, paperName, sourcesNote, table1 } from "./paper";
import { type Column, decimal, type Table } from "./table";

const columns = {
  unique25: "unique @0.25",
  unique50: "unique @0.5",
  multiple25: "multiple @0.25",
  multiple50: "multiple @0.5",
  acc25: "overall @0.25",
  acc50: "overall @0.5",
} as const satisfies Partial<Record<keyof Scores, string>>;

/** What a line of ours says of itself. */
export interface OwnLine {
  readonly label: string;
  readonly metrics: Scores;
  readonly n: number;
  readonly synthetic: boolean;
  readonly upperBound: { readonly acc25: number; readonly acc50: number };
}

/** An evaluation on ScanRefer in the layout of the paper's Table 1 (percent), above the paper's own lines. */
export function tableOne({ label, metrics, n, synthetic, upperBound }: OwnLine): Table {
  const keys = Object.keys(columns) as (keyof typeof columns)[];
  const line = (method: string, cell: (key: keyof typeof columns) => string): Record<string, string> => ({
    method,
    ...Object.fromEntries(keys.map((key) => [key, cell(key)])),
  });
  return {
    title: table1.title,
    columns: [
      { key: "method", label: "method" },
      ...Object.entries(columns).map(([key, heading]): Column => ({ key, label: heading, numeric: true })),
    ],
    rows: [
      line(`${label} (ours${synthetic ? ", synthetic data" : ""})`, (key) => decimal(metrics[key])),
      ...table1.rows.map((row) => line(paperName(row), (key) => paperCell(row, key))),
    ],
    notes: [
      `Ours on ${n} sentences; the boxes offered allow at most ${decimal(upperBound.acc25)} at 0.25 and ` +
        `${decimal(upperBound.acc50)} at 0.5.`,
      `An empty cell of the paper's is not known. ${sourcesNote}`,
      ...(synthetic ? [`Ours was measured on S2-Rooms, the paper's on ${table1.data}: not comparable.`] : []),
      ...table1.notes,
    ],
  };
}
