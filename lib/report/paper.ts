/**
 * The paper's tables as far as they are known (arXiv 2512.01223, CVPR 2026), in percent. A figure that is not known is
 * left undefined. Sources: A and B two independent reading notes of the CVPR version, D a survey that quotes the
 * 24-frame row, S a structured summary of the paper, C the count of the authors' released layers.
 */
export type Source = "A" | "B" | "C" | "D" | "S";

export interface PaperRow {
  /** As the paper names it. */
  readonly label: string;
  /** Views a scene, in rows that the paper tells apart by them. */
  readonly frames?: number;
  /** The variant of this project that corresponds to it; absent for other people's methods. */
  readonly variant?: string;
  readonly values: Readonly<Record<string, number | undefined>>;
  readonly sources: readonly Source[];
  readonly note?: string;
}

/** A row's name with the paper's number of views. */
export function paperName({ label, frames }: PaperRow): string {
  return frames === undefined ? label : `${label}, ${frames} frames`;
}

export interface PaperTable {
  readonly id: string;
  readonly title: string;
  /** The real data the numbers were measured on. */
  readonly data: string;
  /** Key of a value → its heading and unit. */
  readonly columns: Readonly<Record<string, string>>;
  /** The variant that differences are taken to. */
  readonly reference?: string;
  readonly rows: readonly PaperRow[];
  readonly notes: readonly string[];
}

const overall = { acc25: "Acc@0.25 (%)", acc50: "Acc@0.5 (%)" } as const;

export const table1: PaperTable = {
  id: "table1",
  title: "Table 1: ScanRefer validation",
  data: "ScanRefer",
  columns: {
    ...overall,
    unique25: "unique Acc@0.25 (%)",
    unique50: "unique Acc@0.5 (%)",
    multiple25: "multiple Acc@0.25 (%)",
    multiple50: "multiple Acc@0.5 (%)",
  },
  rows: [
    {
      label: "S²-MLLM",
      frames: 16,
      variant: "full",
      values: { acc25: 59.2, acc50: 52.7, unique25: 87.4, multiple50: 46.6 },
      sources: ["A", "B", "S"],
    },
    {
      label: "Video-3D-LLM, fully fine-tuned",
      values: { acc25: 58.1, acc50: 51.7, unique25: 88.0, multiple50: 45.3 },
      sources: ["A"],
    },
    { label: "Video-3D-LLM, LoRA at the same budget", values: { acc50: 47.9, multiple50: 42.0 }, sources: ["B"] },
    { label: "MCLN", values: { acc25: 57.2 }, sources: ["B"] },
    { label: "TSP3D", values: { acc25: 56.5, acc50: 46.7, unique25: 87.3, multiple50: 42.4 }, sources: ["A"] },
    {
      label: "SeeGround, zero-shot",
      values: { acc25: 44.1, acc50: 39.4, unique25: 75.7, multiple50: 30.0 },
      sources: ["A"],
    },
  ],
  notes: [],
};

export const table2: PaperTable = {
  id: "table2",
  title: "Table 2: ReferIt3D",
  data: "Nr3D and Sr3D",
  columns: {
    sr3d: "Sr3D, predicted boxes, Acc@0.25 (%)",
    nr3d: "Nr3D, predicted boxes, Acc@0.25 (%)",
    sr3dGt: "Sr3D, true boxes, Acc@0.25 (%)",
    nr3dGt: "Nr3D, true boxes, Acc@0.25 (%)",
  },
  rows: [
    {
      label: "S²-MLLM",
      variant: "full",
      values: { sr3d: 53.9, nr3d: 50.6, nr3dGt: 59.8 },
      sources: ["A"],
      note: "source S says 44.3 on Sr3D and 54.2 on Nr3D",
    },
    { label: "MCLN", values: { sr3d: 53.9, nr3d: 46.1, nr3dGt: 59.8 }, sources: ["A"] },
    { label: "SeeGround", values: { nr3dGt: 46.1 }, sources: ["A"] },
  ],
  notes: ["The sources disagree on this table: a target here is uncertain."],
};

export const table3: PaperTable = {
  id: "table3",
  title: "Table 3: cost on one A100",
  data: "ScanRefer",
  columns: { gpuHours: "GPU hours", trainable: "trainable parameters (millions)", latency: "latency (s)" },
  rows: [
    {
      label: "S²-MLLM",
      variant: "full",
      values: { gpuHours: 72, trainable: 1767.5, latency: 1.16 },
      sources: ["A", "C"],
    },
    { label: "Video-3D-LLM", values: { gpuHours: 256, trainable: 8078.79, latency: 1.04 }, sources: ["A", "C"] },
    { label: "SeeGround", values: { latency: 3.97 }, sources: ["A"], note: "plus the time of a reconstruction" },
  ],
  notes: [],
};

export const table4: PaperTable = {
  id: "table4",
  title: "Table 4: transfer without fine-tuning",
  data: "MultiScan and ARKitScenes",
  columns: { multiscan: "MultiScan Acc@0.25 (%)", arkit: "ARKitScenes Acc@0.25 (%)" },
  rows: [{ label: "S²-MLLM", variant: "full", values: { multiscan: 59.13, arkit: 43.26 }, sources: ["A", "B"] }],
  notes: [],
};

export const table5: PaperTable = {
  id: "table5",
  title: "Table 5: ablations",
  data: "ScanRefer",
  columns: overall,
  reference: "full",
  rows: [
    { label: "full", frames: 16, variant: "full", values: { acc25: 59.18, acc50: 52.67 }, sources: ["A"] },
    { label: "without spatial guidance", variant: "no-sg", values: { acc25: 54.4, acc50: 48.45 }, sources: ["A"] },
    { label: "without position encoding", variant: "no-mpe", values: { acc25: 44.13, acc50: 38.49 }, sources: ["A"] },
    { label: "without structure attention", variant: "no-attn", values: { acc25: 59.13, acc50: 52.3 }, sources: ["A"] },
    { label: "without language guidance", variant: "no-lg", values: { acc25: 57.75, acc50: 50.85 }, sources: ["A"] },
    { label: "full", frames: 24, variant: "frames-24", values: { acc25: 60.59, acc50: 53.66 }, sources: ["A", "D"] },
    { label: "without spatial guidance", frames: 24, values: { acc25: 56.46 }, sources: ["D"], note: "derived" },
  ],
  notes: ["Source B says instead that 16 and 32 frames hardly differ."],
};

export const table8: PaperTable = {
  id: "table8",
  title: "Table 8: one component at a time on the base model",
  data: "ScanRefer",
  columns: { acc25: overall.acc25 },
  reference: "base",
  rows: [
    { label: "LLaVA-Video base", variant: "base", values: { acc25: 5.31 }, sources: ["S", "B"] },
    { label: "base with structure attention", variant: "only-attn", values: { acc25: 41.74 }, sources: ["S", "B"] },
  ],
  notes: [
    "What the paper's base model keeps is not known; ours lacks the four components of Table 5.",
    "5.31 is close to a head that picks among 50 proposals without looking: probably a collapsed head, " +
      "not an effect of attention.",
  ],
};

export const paperTables = { table1, table2, table3, table4, table5, table8 } as const;
export type PaperTableName = keyof typeof paperTables;
