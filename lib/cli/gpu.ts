import { join, resolve } from "node:path";
import { checkGpu, MOST_MINUTES } from "../bench/gpu/check";
import { checkPage } from "../bench/gpu/page";
import { saveBench } from "../bench/save";
import { unknownName } from "../core/errors";
import { writeFileAtomic } from "../core/files";
import { inProject } from "../core/root";
import { ENGINES, type EngineName } from "../engine/choose";
import { packForGpu } from "../engine/pack/pack";
import { type CommandSpec, listOf, type OptionValues, parseOptions, wholeNumber, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

/** The lab's engines that compute on a GPU. */
const ON_GPU: readonly EngineName[] = ENGINES.filter((name) => /cuda|webgpu|tensorflow/.test(name));

const spec = {
  name: "gpu",
  positionals: "check | pack",
  about:
    "check: doctor, parity, bytes moved a step, bench beside PyTorch, a slice of the 7B model and a training on this " +
    `machine's GPU, in ${MOST_MINUTES.full} minutes at most; a part that fails does not stop the others. pack: all ` +
    "that check needs on a machine without a network, in parts of at most 40 MB, with a script that lays them out.",
  options: {
    engines: {
      type: listOf(String),
      value: "A,B",
      help: `of ${ON_GPU.join(", ")}; those that this machine has unless given`,
    },
    minutes: { type: wholeNumber(1), value: "N", help: `time for all parts together (${MOST_MINUTES.full})` },
    tiny: { type: Boolean, help: "tiny sizes: shows that everything works and measures nothing" },
    save: { type: Boolean, help: "keep the rows in data/results/bench and the page in figures; else data/local/gpu" },
    out: { type: String, value: "FOLDER", help: "pack: where the parts go (data/local/gpu-pack)" },
    arch: { type: wholeNumber(50), value: "N", help: "pack: compute capability of the GPU, 90 for an H100 (90)" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const satisfies CommandSpec;

type Values = OptionValues<typeof spec.options>;

/** `s2mllm gpu check`: 1 when a part failed. */
async function check(values: Values, args: string[]): Promise<number> {
  const size = values.tiny === true ? "tiny" : "full";
  if (size === "tiny" && values.save === true) throw wrongUsage(spec, "--tiny measures nothing that --save could keep");
  for (const name of values.engines ?? [])
    if (!(ON_GPU as readonly string[]).includes(name)) throw unknownName("engine", name, ON_GPU);
  const result = await checkGpu({
    ...(values.engines === undefined ? {} : { engines: values.engines as EngineName[] }),
    ...(values.minutes === undefined ? {} : { minutes: values.minutes }),
    size,
    say: (line) => process.stderr.write(`${line}\n`),
  });
  const command = `s2mllm gpu ${args.join(" ")}`;
  const local = inProject("data", "local", "gpu");
  const page = values.save === true ? inProject("figures", "gpu.md") : join(local, "gpu.md");
  writeFileAtomic(page, checkPage(result, command));
  const files =
    result.bench === undefined
      ? []
      : saveBench(
          result.bench,
          command,
          ...(values.save === true ? [] : [join(local, "bench"), join(local, "bench.md")]),
        );
  if (values.json === true) printJson({ ...result, files: [page, ...files] });
  else
    printLines([
      ...result.parts.map(({ part, state, seconds, text }) => `${state.padEnd(12)}  ${part} (${seconds} s): ${text}`),
      ...[page, ...files].map((file) => `wrote ${file}`),
    ]);
  return result.parts.every(({ state }) => state === "ok") ? 0 : 1;
}

async function pack(values: Values): Promise<number> {
  const out = resolve(values.out ?? inProject("data", "local", "gpu-pack"));
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const parts = await packForGpu({ out, arch: values.arch ?? 90, say });
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  if (values.json === true) printJson({ folder: out, bytes: total, parts });
  else
    printLines([
      ...parts.map(({ file, bytes }) => `${file}  ${(bytes / 1e6).toFixed(1)} MB`),
      `${parts.length} parts, ${(total / 1e6).toFixed(0)} MB in ${out}; there: sh unpack.sh FOLDER`,
    ]);
  return 0;
}

/** `s2mllm gpu check` and `s2mllm gpu pack` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [what, ...more] = positionals;
  if ((what !== "check" && what !== "pack") || more.length > 0) throw wrongUsage(spec, 'needs "check" or "pack"');
  return what === "check" ? check(values, args) : pack(values);
}
