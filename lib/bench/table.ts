import type { Table } from "../report/table";
import { decimal } from "../report/table";
import type { BenchResult } from "./run";
import type { BenchRow } from "./rows";

const percent = (share: number | null): string => (share === null ? "" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`);
const number = (x: number | null): string => (x === null ? "" : x.toFixed(x < 10 ? 2 : x < 100 ? 1 : 0));

function ratio({ ratioToTorch, ratioSpread }: BenchRow): string {
  return ratioToTorch === null ? "" : `${decimal(ratioToTorch, 2)} (${decimal(ratioSpread![0], 2)}–${decimal(ratioSpread![1], 2)})`;
}

/** Rows as a table for people. */
export function benchTable({ machine, rows, refused, notes }: Pick<BenchResult, "machine" | "rows" | "refused" | "notes">): Table {
  const { cpu, cores, memoryGB, vectors, node, onnxruntime, tfjs, torch } = machine;
  return {
    title: `${cpu}, ${cores} cores${vectors === null ? "" : ` (${vectors})`}, ${memoryGB} GB; Node ${node}, onnxruntime-node ${onnxruntime}, tfjs ${tfjs}, PyTorch ${torch ?? "none"}`,
    columns: [
      { key: "task", label: "task" },
      { key: "kind", label: "kind" },
      { key: "threads", label: "threads", numeric: true },
      { key: "engine", label: "engine" },
      { key: "ms", label: "ms", numeric: true },
      { key: "ratio", label: "time / PyTorch", numeric: true },
      { key: "memory", label: "peak MB", numeric: true },
      { key: "js", label: "JavaScript", numeric: true },
      { key: "matmul", label: "matmul", numeric: true },
      { key: "gflops", label: "GFLOP/s of SGEMM", numeric: true },
    ],
    rows: rows.map((row) => ({
      task: row.task, kind: row.kind, threads: String(row.threads), engine: row.engine,
      ms: number(row.medianMs), ratio: ratio(row), memory: String(row.peakMB) + (row.deviceMB === null ? "" : ` + ${row.deviceMB} on the device`),
      js: percent(row.jsShare), matmul: percent(row.matmulShare),
      gflops: row.matmulGflops === null || row.sgemmGflops === null ? number(row.sgemmGflops) : `${number(row.matmulGflops)} of ${number(row.sgemmGflops)} (${percent(row.matmulGflops / row.sgemmGflops)})`,
    })),
    notes: [
      "ms: median of all steps. time / PyTorch: median (least–most) of the ratios of rounds in which both took turns; below 1 is faster than PyTorch on the same kind of device.",
      "JavaScript: share of a step outside ONNX Runtime. matmul: share of ONNX Runtime's kernel time in matrix products, and their speed against the best plain product measured in the same run.",
      ...new Set(rows.map(({ about }) => about)),
      ...refused.map(({ task, kind, engine, threads, why }) => `no row: ${task} ${kind}, ${engine}, ${threads} threads: ${why}`),
      ...notes,
    ],
  };
}
