import { BENCH_ENGINES } from "../bench/engines";
import { defaultThreads, runBench } from "../bench/run";
import { saveBench } from "../bench/save";
import { benchTable } from "../bench/table";
import { TASK_NAMES } from "../bench/tasks";
import { UserError } from "../core/errors";
import { stderrProgress } from "../core/progress";
import { toText } from "../report/table";
import { type CommandSpec, parseOptions, wholeNumber, wholeNumbers, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "bench",
  about:
    "Measures the engines and PyTorch side by side, taking turns: training step and inference, ratios, memory, matrix products. Leave the machine alone meanwhile.",
  options: {
    tasks: { type: "string", value: "A,B", help: `of ${TASK_NAMES.join(", ")}; all unless given` },
    engines: {
      type: "string",
      value: "A,B",
      help: `of ${BENCH_ENGINES.join(", ")}; those that this machine has unless given`,
    },
    threads: { type: "string", value: "1,2", help: "numbers of threads; 1 and all cores unless given" },
    rounds: { type: "string", value: "N", help: "rounds; in each one every worker has a turn (9)" },
    seconds: { type: "string", value: "S", help: "seconds that a turn aims at; one step at least (1.5)" },
    tiny: { type: "boolean", help: "tiny sizes: shows that everything works and measures nothing" },
    save: { type: "boolean", help: "keep the rows in data/results/bench and their table in figures" },
    json: { type: "boolean", help: "print one JSON document" },
  },
} as const satisfies CommandSpec;

const names = (text: string): string[] => text.split(",").map((name) => name.trim());

/** `bench [--json] [--save]`: 1 when a worker has no row, 2 for wrong usage. */
export async function run(args: string[]): Promise<number> {
  const { values } = parseOptions(spec, args);
  const seconds = Number(values.seconds ?? "1.5");
  if (!(seconds > 0)) throw new UserError(`--seconds takes a number above 0, got "${values.seconds}"`, 2);
  if (values.tiny === true && values.save === true)
    throw wrongUsage(spec, "--tiny measures nothing that --save could keep");
  const result = await runBench({
    tasks: values.tasks === undefined ? TASK_NAMES : names(values.tasks),
    ...(values.engines === undefined ? {} : { engines: names(values.engines) }),
    threads:
      values.threads === undefined ? defaultThreads() : [...new Set(wholeNumbers("--threads", values.threads, 1))],
    rounds: values.rounds === undefined ? 9 : wholeNumber("--rounds", values.rounds, 1),
    seconds,
    size: values.tiny === true ? "tiny" : "full",
    progress: stderrProgress(),
  });
  if (values.json === true) printJson(result);
  else printLines([toText(benchTable(result))]);
  if (values.save === true) {
    for (const file of saveBench(result, `s2mllm bench ${args.join(" ")}`)) process.stderr.write(`wrote ${file}\n`);
  }
  return result.refused.length === 0 && result.rows.length > 0 ? 0 : 1;
}
