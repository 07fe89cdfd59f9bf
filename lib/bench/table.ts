import { decimal, type Table } from "../report/table";
import { BENCH_ENGINES } from "./engines";
import type { BenchResult, BenchRow } from "./rows";
import { KINDS } from "./task";
import { TASK_NAMES, type TaskName } from "./tasks";

const percent = (share: number | null): string =>
  share === null ? "" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const number = (x: number | null): string => (x === null ? "" : x.toFixed(x < 10 ? 2 : x < 100 ? 1 : 0));

function ratio({ ratioToTorch, ratioSpread }: BenchRow): string {
  return ratioToTorch === null
    ? ""
    : `${decimal(ratioToTorch, 2)} (${decimal(ratioSpread![0], 2)}–${decimal(ratioSpread![1], 2)})`;
}

function inOrder(rows: readonly BenchRow[]): BenchRow[] {
  const place = ({ task, kind, threads, engine }: BenchRow): number[] => [
    TASK_NAMES.indexOf(task as TaskName),
    KINDS.indexOf(kind),
    threads,
    BENCH_ENGINES.indexOf(engine),
  ];
  return [...rows].sort((a, b) => {
    const [x, y] = [place(a), place(b)];
    return x.map((v, i) => v - y[i]!).find((d) => d !== 0) ?? 0;
  });
}

/** How much longer tfjs' own wasm backend takes than ONNX Runtime on one thread. */
function wasmNotes(rows: readonly BenchRow[]): string[] {
  return rows
    .filter(({ engine }) => engine === "wasm")
    .flatMap((wasm) => {
      const ort = rows.find(
        (r) => r.engine === "ort-cpu" && r.task === wasm.task && r.kind === wasm.kind && r.threads === wasm.threads,
      );
      return ort === undefined
        ? []
        : [`${wasm.task} ${wasm.kind}: wasm takes ${Math.round(wasm.medianMs / ort.medianMs)} times ort-cpu's time.`];
    });
}

/** Rows as a table for people. */
export function benchTable({ machine, tasks, rows, refused, notes }: BenchResult): Table {
  const { cpu, cores, memoryGB, vectors, gpu, node, onnxruntime, tfjs, torch } = machine;
  return {
    title:
      `${cpu}, ${cores} cores${vectors === null ? "" : ` (${vectors})`}, ${memoryGB} GB` +
      `${gpu === null ? "" : `, ${gpu}`}; Node ${node}, onnxruntime-node ${onnxruntime}, tfjs ${tfjs}, ` +
      `PyTorch ${torch ?? "none"}`,
    columns: [
      { key: "task", label: "task" },
      { key: "kind", label: "kind" },
      { key: "threads", label: "threads", numeric: true },
      { key: "engine", label: "engine" },
      { key: "mode", label: "mode" },
      { key: "ms", label: "ms", numeric: true },
      { key: "ratio", label: "time / PyTorch", numeric: true },
      { key: "memory", label: "peak MB", numeric: true },
      { key: "bytes", label: "kB moved a step", numeric: true },
      { key: "js", label: "JavaScript", numeric: true },
      { key: "matmul", label: "matmul", numeric: true },
      { key: "gflops", label: "GFLOP/s of SGEMM", numeric: true },
    ],
    rows: inOrder(rows).map((row) => ({
      task: row.task,
      kind: row.kind,
      threads: String(row.threads),
      engine: row.engine,
      mode: row.mode ?? "",
      ms: number(row.medianMs),
      ratio: ratio(row),
      memory: String(row.peakMB) + (row.deviceMB === null ? "" : ` + ${row.deviceMB} on the device`),
      bytes: row.bytesPerStep === null ? "" : number(row.bytesPerStep / 1000),
      js: percent(row.jsShare),
      matmul: percent(row.matmulShare),
      gflops:
        row.matmulGflops === null || row.sgemmGflops === null
          ? number(row.sgemmGflops)
          : `${number(row.matmulGflops)} of ${number(row.sgemmGflops)} ` +
            `(${percent(row.matmulGflops / row.sgemmGflops)})`,
    })),
    notes: [
      "ms: median of all steps. time / PyTorch: median (least–most) of the ratios of rounds in which both ran; " +
        "below 1 is faster than PyTorch on the same kind of device.",
      "JavaScript: share of a step outside ONNX Runtime. matmul: share of ONNX Runtime's kernel time in matrix " +
        "products, and their speed against the best plain product measured in the same run.",
      ...wasmNotes(rows),
      ...Object.entries(tasks).map(([name, about]) => `${name}: ${about}.`),
      ...new Set(
        inOrder(rows).map(({ about, kernels }) => (kernels === null ? about : `${about}; products by ${kernels}`)),
      ),
      ...refused.map(
        ({ task, kind, engine, threads, why }) => `no row: ${task} ${kind}, ${engine}, ${threads} threads: ${why}`,
      ),
      ...notes,
    ],
  };
}
