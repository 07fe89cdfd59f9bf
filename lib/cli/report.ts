import { join } from "node:path";
import { writeFileAtomic } from "../core/files";
import { stderrProgress } from "../core/progress";
import { readTrainingRuns } from "../report/examples";
import { linkedExplorers } from "../report/explorer/linked";
import { type SavedFigures, saveFigures } from "../report/export";
import { errorCases, errorScene, figures, keptAnswers } from "../report/figure-set";
import { attentionFramesFigure, attentionMatrixFigure } from "../report/figures/attention";
import type { Figure } from "../report/figures/theme";
import { reportPage } from "../report/page";
import { reportSections } from "../report/sections";
import { reportSummary } from "../report/summary";
import { toMarkdown } from "../report/table";
import { attentionScenes, readAttention } from "../runs/attention";
import { outputFolder, readRows } from "../runs/results";
import { labelOf, latestRows, type ResultRow } from "../runs/row";
import { failureSignatures } from "../train/signatures";
import { parseOptions, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "report",
  about: "Writes report.html, table5.md and the figures (JSON, HTML, PNG with a Chromium) from all finished rows.",
  options: {
    out: { type: String, value: "FOLDER", help: "where to write; data/local/report unless given" },
    publish: { type: Boolean, help: "write to figures/, whose files are committed" },
    json: { type: Boolean, help: "print what was written as JSON" },
  },
} as const;

/** Attention of one scene, and how the full model errs, where the data for them is on file. */
function examples(rows: readonly ResultRow[]): Figure[] {
  const found: Figure[] = [];
  const scene = attentionScenes()[0];
  if (scene !== undefined) {
    const data = readAttention(scene);
    found.push(attentionFramesFigure(data), attentionMatrixFigure(data));
  }
  const full = rows.find((r) => labelOf(r) === "full" && keptAnswers(r) !== undefined);
  if (full === undefined) return found;
  try {
    const cases = errorCases(full, keptAnswers(full) ?? []);
    found.push(figures.errors(full, cases));
    const shown = cases.find((c) => c.kind === "spatial") ?? cases[0];
    if (shown !== undefined) found.push({ ...errorScene(full, shown), name: "error-case" });
  } catch (error) {
    process.stderr.write(`error cases are left out: ${(error as Error).message}\n`);
  }
  return found;
}

export interface WrittenReport {
  readonly page: string;
  /** Finished runs that it shows. */
  readonly rows: number;
  readonly figures: SavedFigures;
  readonly files: readonly string[];
}

/** Writes the page, the figures and Table 5 from the finished rows. */
export async function writeReport(folder = outputFolder("report", false)): Promise<WrittenReport> {
  const rows = latestRows(readRows());
  const training = readTrainingRuns();
  const input = {
    rows,
    answersOf: keptAnswers,
    training,
    warnings: failureSignatures(rows, training),
    extra: examples(rows),
    explorers: await linkedExplorers(rows, folder, stderrProgress()),
  };
  const sections = reportSections(input);
  const summary = reportSummary(input);
  const page = join(folder, "report.html");
  const saved = await saveFigures([summary.figure, ...sections.flatMap((s) => s.figures)], folder);
  writeFileAtomic(page, reportPage(input, sections, summary));
  if (saved.skipped !== undefined) process.stderr.write(`${saved.skipped}\n`);
  const table = join(folder, "table5.md");
  const components = sections
    .filter((s) => s.id === "table5" || s.id === "relations")
    .flatMap((s) => [...s.tables, ...(s.details?.tables ?? [])]);
  writeFileAtomic(table, `${components.map(toMarkdown).join("\n\n")}\n`);
  return { page, rows: rows.length, figures: saved, files: [page, table, ...saved.files] };
}

export function describeReport({ page, rows, figures: saved }: WrittenReport): string {
  return `${page}: ${rows} finished runs, ${saved.files.length} figure files`;
}

/** `s2mllm report` */
export async function run(args: string[]): Promise<number> {
  const { values } = parseOptions(spec, args);
  if (values.publish === true && values.out !== undefined) throw wrongUsage(spec, "takes --publish or --out, not both");
  const written = await writeReport(values.out ?? outputFolder("report", values.publish === true));
  if (values.json === true)
    printJson({ rows: written.rows, files: written.files, skipped: written.figures.skipped ?? null });
  else printLines([describeReport(written)]);
  return 0;
}
