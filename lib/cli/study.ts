import { stderrProgress } from "../core/progress";
import { compareWithAnswers } from "../report/figure-set";
import { runTable } from "../report/sections";
import { paperTables } from "../report/paper";
import { toText } from "../report/table";
import { runStudy, studyNamed } from "../studies/run";
import { parseOptions, wholeNumber, wholeNumbers, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "study",
  positionals: "NAME",
  about: "Runs what is missing of a study, each run in a process of its own, and prints its table. Finished runs are read, not redone.",
  options: {
    preset: { type: "string", value: "NAME", help: "nano unless given" },
    seeds: { type: "string", value: "LIST", help: "such as 0,1,2; 0 unless given" },
    variants: { type: "string", value: "LIST", help: "such as full,no-mpe; all of the study unless given" },
    retrain: { type: "string", value: "LIST", help: "variants that this machine must have trained itself" },
    processes: { type: "string", value: "N", help: "runs side by side, one thread each; 2 unless given, 1 gives one run all cores" },
    set: { type: "string", value: "PATH=VALUE", multiple: true, help: "change one config value in every run" },
    json: { type: "boolean", help: "print the rows as one JSON document" },
  },
} as const;

/** `s2mllm study NAME` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [name] = positionals;
  if (name === undefined || positionals.length > 1) throw wrongUsage(spec, "takes the name of one study");
  const study = studyNamed(name);
  const list = (text: string | undefined): string[] | undefined => text?.split(",");
  const rows = await runStudy(name, {
    preset: values.preset ?? "nano",
    seeds: values.seeds === undefined ? [0] : wholeNumbers("--seeds", values.seeds),
    variants: list(values.variants),
    retrain: list(values.retrain),
    set: values.set,
    processes: values.processes === undefined ? 2 : wholeNumber("--processes", values.processes, 1),
    onProgress: stderrProgress(),
  });
  if (values.json === true) printJson({ study: name, rows });
  else {
    const paper = Object.entries(paperTables).find(([key]) => key === study.paperTable)?.[1];
    printLines([toText(paper === undefined ? runTable(rows) : compareWithAnswers(rows, paper))]);
  }
  return 0;
}
