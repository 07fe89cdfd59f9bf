import { resolveConfig } from "../config/resolve";
import { type ProgressSink, stderrProgress } from "../core/progress";
import { inProject } from "../core/root";
import { RoomsConfig, roomSets } from "../datasets/rooms/config";
import { makeRooms } from "../datasets/rooms/make";
import { notebookNames, notebookPath } from "../notebook/folder";
import { effectTable } from "../report/effects";
import { compareWithAnswers, keptAnswers } from "../report/figure-set";
import { kindTable } from "../report/kinds";
import { paperTables } from "../report/paper";
import { toText } from "../report/table";
import { localRows, publishedRows, readRows } from "../runs/results";
import { labelOf, type ResultRow } from "../runs/row";
import { studyNamed } from "../studies/definitions";
import { finishedRows } from "../studies/finished";
import { jobsOf, seedsOf } from "../studies/job";
import { runStudy } from "../studies/run";
import { describeNotebooks, runNotebooks, statusOf } from "./notebooks";
import { parseOptions } from "./options";
import { printJson, printLines } from "./output";
import { describeReport, writeReport } from "./report";

const spec = {
  name: "start",
  about:
    "The whole road at nano size: makes S2-Rooms, fine-tunes the full model and the model without position " +
    "encoding on this machine, " +
    "reads the other finished runs, runs the notebooks, writes a report page and prints the paper's Table " +
    "5 beside ours. Run again, it does only what is missing.",
  options: { json: { type: Boolean, help: "print the rows as one JSON document" } },
} as const;

/** What `npm start` trains itself; the other rows were made by the same code and are read. */
const retrained = ["full", "no-mpe"];

function say(lines: readonly string[]): void {
  process.stderr.write(`${lines.join("\n")}\n`);
}

function note(text: string): void {
  say(["", `== ${text}`]);
}

/** How this machine's runs compare with the committed ones of the same variant and seed. */
function reproduction(rows: readonly ResultRow[]): string[] {
  const committed = publishedRows().filter((r) => r.study === "table5");
  return rows.flatMap((row) => {
    if (row.proposals !== "gt") return [];
    const other = committed.find(
      (r) =>
        r.variant === row.variant &&
        r.seed === row.seed &&
        r.proposals === "gt" &&
        r.config === row.config &&
        r.dataFingerprint === row.dataFingerprint,
    );
    const there =
      other === undefined ? "no committed run to compare with" : `committed run ${other.metrics.acc25.toFixed(1)}`;
    return [
      `${labelOf(row)} seed ${row.seed} trained here: Acc@0.25 ${row.metrics.acc25.toFixed(1)} (${there}), ` +
        `${Math.round(row.seconds)} s`,
    ];
  });
}

/** `s2mllm start`, which is `npm start` */
export async function run(args: string[]): Promise<number> {
  const { values } = parseOptions(spec, args);
  const progress: ProgressSink = stderrProgress(5);
  const config = resolveConfig({ preset: "nano" });
  note("S2-Rooms: a synthetic data set in ScanNet's layout");
  await makeRooms(inProject(config.data.folder), RoomsConfig.parse(roomSets.nano), { progress });
  note(`Study table5: ${retrained.join(" and ")} are trained here, finished runs are read`);
  const study = studyNamed("table5");
  await runStudy("table5", {
    preset: "nano",
    seeds: [0],
    variants: retrained,
    retrain: retrained,
    onProgress: progress,
  });
  // every seed and variant that is finished, committed or made here
  const committed = readRows().filter((r) => r.study === "table5" && r.preset === "nano");
  const seeds = seedsOf(committed);
  const jobs = jobsOf({ study: "table5", preset: "nano", variants: study.variants, seeds });
  const rows = [...finishedRows("table5", jobs).values()].flat();
  note("Notebooks");
  const ran = await runNotebooks(
    notebookNames().map((name) => notebookPath(name)),
    { onProgress: progress },
  );
  say(describeNotebooks(ran));
  note("Figures and report page");
  const report = await writeReport();
  say([describeReport(report)]);
  if (values.json === true) printJson({ rows });
  else {
    printLines([
      toText(compareWithAnswers(rows, paperTables.table5)),
      "",
      toText(kindTable(rows)),
      "",
      toText(effectTable(rows, keptAnswers)),
      "",
      ...reproduction(localRows().filter((r) => r.study === "table5")),
      "",
      `Open ${report.page} for the figures, or notebooks/00-tour.ipynb in Jupyter.`,
    ]);
  }
  return statusOf(ran);
}
