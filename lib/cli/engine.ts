import { installEngine } from "../engine/install/install";
import { INSTALLABLE, type Installable } from "../engine/install/installed";
import { describeGpus, listEngines } from "../engine/install/list";
import { type CommandSpec, parseOptions, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "engine",
  positionals: `list | install ${INSTALLABLE.join("|")}`,
  about:
    "Lists what can run the tensors here and what is missing, or installs TensorFlow's library or ONNX Runtime's " +
    "CUDA provider into data/cache/engines and lets it train beside ort-cpu.",
  options: {
    cpu: { type: Boolean, help: "tensorflow for the processor alone (274 MB, not 3.4 GB)" },
    from: { type: [String], value: "WHEEL", help: "a wheel, or a folder of them, in place of pip's download" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const satisfies CommandSpec;

async function list(json: boolean): Promise<number> {
  const [gpus, engines] = [describeGpus(), await listEngines()];
  if (json) printJson({ gpus, engines });
  else
    printLines([
      `GPU: ${gpus}`,
      ...engines.flatMap(({ engine, ready, needs, detail, mend }) => [
        `${ready ? "ok " : "-- "} ${engine.padEnd(12)}${detail}`,
        ...(ready ? [] : [`${" ".repeat(16)}needs ${needs}`]),
        ...(mend === undefined ? [] : [`${" ".repeat(16)}do: ${mend}`]),
      ]),
    ]);
  return 0;
}

/** `s2mllm engine list` and `s2mllm engine install NAME` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [what, name, ...more] = positionals;
  const given = values.cpu === true || values.from.length > 0;
  if (what === "list" && name === undefined) {
    if (given) throw wrongUsage(spec, "list takes neither --cpu nor --from");
    return list(values.json === true);
  }
  if (what !== "install" || !INSTALLABLE.includes(name as Installable) || more.length > 0)
    throw wrongUsage(spec, `needs "list" or "install" with ${INSTALLABLE.join(" or ")}`);
  if (name === "cuda" && values.cpu === true)
    throw wrongUsage(spec, "--cpu goes with tensorflow; ort-cpu is always there");
  const report = await installEngine(name as Installable, {
    cpu: values.cpu === true,
    ...(values.from.length === 0 ? {} : { from: values.from }),
    say: (line) => process.stderr.write(`${line}\n`),
  });
  if (values.json === true) printJson(report);
  else
    printLines([
      `engine ${name} is ready in ${report.folder} (${(report.bytes / 1e9).toFixed(1)} GB)`,
      `a small training differs from ort-cpu's losses by ${report.difference.toExponential(1)} at most`,
      `licence: ${report.licence}`,
    ]);
  return 0;
}
