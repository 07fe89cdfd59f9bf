import { BENCH_ENGINES } from "../bench/engines";
import { defaultThreads, runBench } from "../bench/run";
import { saveBench } from "../bench/save";
import { benchTable } from "../bench/table";
import { TASK_NAMES, USUAL_TASKS } from "../bench/tasks";
import { UserError } from "../core/errors";
import { stderrProgress } from "../core/progress";
import { toText } from "../report/table";
import { type CommandSpec, listOf, parseOptions, wholeNumber, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

function secondsAbove0(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UserError(`takes a number above 0, got "${text}"`, 2);
  return value;
}

const spec = {
  name: "bench",
  about:
    "Measures the engines and PyTorch side by side, taking turns: training step and inference, ratios, memory, " +
    "matrix products. Leave the machine alone meanwhile.",
  options: {
    tasks: {
      type: listOf(String),
      value: "A,B",
      help: `of ${TASK_NAMES.join(", ")}; all but slice-7b unless given`,
    },
    engines: {
      type: listOf(String),
      value: "A,B",
      help: `of ${BENCH_ENGINES.join(", ")}; those that this machine has unless given`,
    },
    threads: { type: listOf(wholeNumber(1)), value: "1,2", help: "numbers of threads; 1 and all cores unless given" },
    rounds: { type: wholeNumber(1), value: "N", help: "rounds; in each one every worker has a turn (9)" },
    seconds: { type: secondsAbove0, value: "S", help: "seconds that a turn aims at; one step at least (1.5)" },
    tiny: { type: Boolean, help: "tiny sizes: shows that everything works and measures nothing" },
    save: { type: Boolean, help: "keep the rows in data/results/bench and their table in figures" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const satisfies CommandSpec;

/** `bench [--json] [--save]`: 1 when a worker has no row, 2 for wrong usage. */
export async function run(args: string[]): Promise<number> {
  const { values } = parseOptions(spec, args);
  if (values.tiny === true && values.save === true)
    throw wrongUsage(spec, "--tiny measures nothing that --save could keep");
  const result = await runBench({
    tasks: values.tasks ?? USUAL_TASKS,
    ...(values.engines === undefined ? {} : { engines: values.engines }),
    threads: [...new Set(values.threads ?? defaultThreads())],
    rounds: values.rounds ?? 9,
    seconds: values.seconds ?? 1.5,
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
