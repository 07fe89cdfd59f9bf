import { resolveConfig } from "../config/resolve";
import { median } from "../core/averages";
import { published } from "../datasets/published";
import { readCost } from "../runs/cost";
import { labelOf, type ResultRow } from "../runs/row";
import type { Study } from "../studies/types";
import { estimate } from "../train/estimate";
import { gpuEstimate } from "../train/gpu-estimate";
import { parameterTable } from "../weights/describe";
import { paperName, paperText, sourcesNote, table3 } from "./paper";
import { notRun } from "./paper-layout";
import { type Column, decimal, type Table } from "./table";

/** Dense bf16 products of one A100 by its data sheet, and the share of them that a step is reckoned to reach. */
const a100 = { flops: 312e12, reached: 0.4 } as const;
/** One pass over ScanRefer's training file is counted. */
const sentences = published["ScanRefer_filtered_train.json"].count;

/** The presets at the paper's size, and what an arm changes of one; an arm that is not here has no such size. */
const paperSize: Readonly<Record<string, { readonly preset: string; readonly ablation?: string }>> = {
  full: { preset: "llava-video-7b" },
  "no-sg": { preset: "llava-video-7b", ablation: "no-sg" },
  "video-3d-llm": { preset: "video-3d-llm" },
};

const columns = {
  trainableOwn: "trains, M: ours, counted",
  trainable7b: "7B, counted",
  trainable: "paper",
  trainOwn: "training, core-hours: ours, measured",
  train7b: "A100-hours: 7B, counted",
  gpuHours: "paper",
  stepOwn: "step, s: ours, measured",
  answerOwn: "answer, s: ours, measured",
  answer7b: "7B, counted",
  latency: "paper",
  memoryOwn: "memory, GB: ours, measured",
  memory7b: "training, 7B, counted",
} as const;
type Cells = Partial<Record<keyof typeof columns, string>>;

const millions = (n: number): string => decimal(n / 1e6, 2);

/** What is counted from shapes, at a preset of the paper's size; allocates nothing. */
function counted(arm: string): Cells {
  const size = paperSize[arm];
  if (size === undefined) return {};
  const config = resolveConfig(size);
  const rate = a100.flops * a100.reached;
  const { flops } = estimate(config, "train");
  return {
    trainable7b: millions(parameterTable(config).trainable),
    train7b: decimal((flops * sentences) / config.training.scenes / config.training.sentences / rate / 3600),
    answer7b: decimal(estimate(config, "answer").flops / rate, 2),
    memory7b: decimal(gpuEstimate(config).bytes / 1e9),
  };
}

/** What runs of an arm took, medians; `preset` says whose parameters are counted. */
function measured(arm: string, rows: readonly ResultRow[], preset: string): Cells {
  const runs = [...new Map(rows.filter((row) => labelOf(row) === arm).map((row) => [row.run, row])).values()];
  const trainableOwn = millions(parameterTable(resolveConfig({ preset, ablation: arm })).trainable);
  if (runs.length === 0)
    return { trainableOwn, trainOwn: notRun, stepOwn: notRun, answerOwn: notRun, memoryOwn: notRun };
  const costs = runs.flatMap(({ run }) => readCost(run) ?? []);
  const of = (values: readonly number[], digits: number): string => decimal(median(values), digits);
  return {
    trainableOwn,
    trainOwn: of(
      runs.map(({ seconds }) => seconds / 3600),
      2,
    ),
    stepOwn: of(
      costs.map(({ stepSeconds }) => stepSeconds),
      3,
    ),
    answerOwn: of(
      costs.map(({ answerSeconds }) => answerSeconds),
      4,
    ),
    memoryOwn: of(
      costs.map(({ peakMB }) => peakMB / 1000),
      2,
    ),
  };
}

/** The paper's Table 3: what runs took, what the paper's size comes to by count, and the paper's figures. */
export function costTable(
  { variants, protocol }: Pick<Study, "variants" | "protocol">,
  rows: readonly ResultRow[],
): Table {
  const preset = rows[0]?.preset ?? protocol.preset;
  const own = (arm: string): Cells => ({ ...counted(arm), ...measured(arm, rows, preset) });
  const known = table3.rows.map(({ variant }) => variant);
  const engines = [...new Set(rows.map(({ engine }) => engine))].join(", ");
  return {
    title: `${table3.title}. Ours: preset ${preset}${engines === "" ? "" : `, ${engines}`}`,
    columns: [
      { key: "setting", label: "setting" },
      ...Object.entries(columns).map(([key, label]): Column => ({ key, label, numeric: true })),
    ],
    rows: [
      ...table3.rows.map((row) => ({
        setting: paperName(row),
        ...(row.variant === undefined ? {} : own(row.variant)),
        ...Object.fromEntries(Object.keys(table3.columns).map((key) => [key, paperText(row, key)])),
      })),
      ...variants.filter((arm) => !known.includes(arm)).map((arm) => ({ setting: arm, ...own(arm) })),
    ],
    notes: [
      "Measured: medians over runs, each on one thread beside other work, of a machine without a GPU; an answer is a " +
        "sentence's share of a scene whose sentences are answered together; memory is the most that the run's " +
        "process had. A cell is empty where a run's cost was not kept.",
      `Counted: from shapes. A100-hours and seconds are operations over ${100 * a100.reached} % of ` +
        `${a100.flops / 1e12} TFLOP/s, one pass over ScanRefer's ${sentences.toLocaleString("en")} training ` +
        "sentences (the paper trains on joint sets, how many sentences is not known), one pass of the model for an " +
        "answer without its writing.",
      "Video-3D-LLM's figure in the paper has the output layer too, which no loss reaches where grounding has no " +
        "language loss.",
      sourcesNote,
      ...table3.notes,
    ],
  };
}
