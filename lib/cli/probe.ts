import { stderrProgress } from "../core/progress";
import { chooseEngine } from "../engine/choose";
import { correspondences, pointmapProbes } from "../report/probes";
import { toText } from "../report/table";
import { findRun } from "../runs/folder";
import { parseOptions, wholeNumber, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "probe",
  positionals: "pointmap | correspondence RUN …",
  about:
    "Asks trained runs what they know of geometry. pointmap: a linear map from the frozen projected tokens to where " +
    "their patches lie, R² and error on rooms that it was not fitted on (runs with and without SG). correspondence: " +
    "the weight of inter-view attention on views in which depth puts the same place at the same patch, per head. " +
    "RUN is an id of one of this machine's runs, or a unique beginning of one.",
  options: {
    fit: { type: wholeNumber(1), value: "N", help: "pointmap: training rooms to fit on; 200 unless given" },
    scenes: { type: wholeNumber(1), value: "N", help: "test rooms to measure on; 50 unless given" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const;

/** `s2mllm probe pointmap RUN` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [kind, ...names] = positionals;
  if (kind !== "pointmap" && kind !== "correspondence")
    throw wrongUsage(spec, `takes pointmap or correspondence, got "${kind ?? ""}"`);
  if (names.length === 0) throw wrongUsage(spec, "takes one run or more");
  if (kind === "correspondence" && values.fit !== undefined) throw wrongUsage(spec, "--fit belongs to pointmap");
  const runs = names.map(findRun);
  await chooseEngine();
  const progress = stderrProgress();
  const { fit, scenes } = values;
  const table =
    kind === "pointmap"
      ? await pointmapProbes(runs, { fit, test: scenes, progress })
      : await correspondences(runs, { scenes, progress });
  if (values.json === true) printJson({ kind, runs: table.runs });
  else printLines([toText(table)]);
  return 0;
}
