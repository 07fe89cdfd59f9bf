import { unknownName } from "../core/errors";
import { stderrProgress } from "../core/progress";
import { chooseEngine, ENGINES, type EngineName } from "../engine/choose";
import { runGoldens } from "../parity/run";
import { type CommandSpec, listOf, parseOptions, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "parity",
  about: "Compares the model, its losses and the evaluation with reference numbers, outputs and gradients.",
  options: {
    goldens: { type: String, value: "DIR", help: "folder of goldens with its index.json (required)" },
    engine: { type: String, value: "NAME", help: `engine to run on: ${ENGINES.join(", ")}` },
    cases: { type: listOf(String), value: "A,B", help: "these cases alone, such as qwen2_lora" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const satisfies CommandSpec;

const shown = (x: number): string => (x === 0 ? "0" : x.toExponential(1));

/** `parity --goldens DIR [--engine E] [--json]`: 1 when a case fails, 2 for wrong usage. */
export async function run(args: string[]): Promise<number> {
  const { values } = parseOptions(spec, args);
  const folder = values.goldens;
  if (folder === undefined) throw wrongUsage(spec, "--goldens DIR is required");
  if (values.engine !== undefined && !(ENGINES as readonly string[]).includes(values.engine))
    throw unknownName("engine", values.engine, ENGINES);
  const { engine } = await chooseEngine(values.engine === undefined ? {} : { engine: values.engine as EngineName });
  const progress = stderrProgress();
  const cases = runGoldens(
    folder,
    (result, done, total) => progress({ task: "parity", done, total, note: result.name }),
    values.cases,
  );
  if (values.json === true) printJson({ engine, cases });
  else {
    const width = Math.max(4, ...cases.map(({ name }) => name.length));
    printLines([
      `${"case".padEnd(width)}  pass  output   gradient  tolerance   (engine ${engine})`,
      ...cases.flatMap(({ name, pass, worstOutput, worstGradient, tolerance, failures }) => [
        `${name.padEnd(width)}  ${pass ? "yes " : "NO  "}  ${shown(worstOutput).padEnd(7)}  ` +
          `${shown(worstGradient).padEnd(8)}  ${tolerance}`,
        ...failures.map((failure) => `    ${failure}`),
      ]),
    ]);
  }
  return cases.every(({ pass }) => pass) ? 0 : 1;
}
