import { existsSync } from "node:fs";
import { basename } from "node:path";
import { presets } from "../config/presets";
import { resolveConfig } from "../config/resolve";
import { UserError } from "../core/errors";
import { sizeOf } from "../core/parameters";
import { stderrProgress } from "../core/progress";
import { Rng } from "../core/rng";
import { chooseEngine } from "../engine/choose";
import { tf } from "../engine/tf";
import { randomInputs } from "../model/random-inputs";
import { writeRandomWeights } from "../model/random-weights";
import { forward } from "../model/s2mllm";
import { StreamedParameters } from "../model/streamed";
import { Weights } from "../model/weights";
import { estimate, gigabytes, requireMemory } from "../train/estimate";
import { parseOptions, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "stream",
  positionals: "FOLDER [MORE …]",
  about: "Answers one random scene with weights that are read, widened and freed part by part, and says what time and memory that took.",
  options: {
    preset: { type: "string", value: "NAME", help: `one of ${Object.keys(presets).join(", ")}; llava-video-7b unless given` },
    set: { type: "string", multiple: true, value: "PATH=VALUE", help: "another value in the config, such as data.frames=8" },
    make: { type: "boolean", help: "first write random weights in half precision to FOLDER, which must not exist (17 GB for llava-video-7b)" },
    json: { type: "boolean", help: "print one JSON document" },
  },
} as const;

/** Boxes and words of the scene: Mask3D's 50 proposals, a ChatML prompt. */
const sizes = { objects: 50, before: 14, after: 22, tokens: 50 } as const;

/** `s2mllm stream FOLDER` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  if (positionals.length === 0) throw wrongUsage(spec, "takes the folders of the weights");
  // an answer needs no reconstruction branch
  const config = resolveConfig({ preset: values.preset ?? "llava-video-7b", ablation: "no-sg", set: values.set });
  const progress = stderrProgress();
  if (values.make === true) {
    const [folder] = positionals as [string];
    if (positionals.length > 1) throw wrongUsage(spec, "--make takes one folder");
    if (existsSync(folder)) throw new UserError(`${folder}: is there already; --make takes a new folder`);
    process.stderr.write(`writing random weights to ${folder}\n`);
    writeRandomWeights(folder, config);
  }
  const { engine } = await chooseEngine();
  requireMemory(config, "stream", engine);
  const weights = Weights.open(positionals, config);
  const total = [...weights.specs.values()].reduce((n, { shape }) => n + sizeOf(shape), 0) * 4;
  const parameters = new StreamedParameters(weights, (bytes) => progress({ task: `stream ${basename(positionals[0]!)}`, done: Math.round(bytes / 1e6), total: Math.round(total / 1e6), note: "MB of weights" }));
  const inputs = randomInputs(config, new Rng(config.seed, "stream"), sizes);
  const started = performance.now();
  const scores = tf.tidy(() => forward(parameters, inputs, config).scores.dataSync());
  const seconds = (performance.now() - started) / 1000;
  weights.close();
  const needed = estimate(config, "stream");
  const outcome = {
    preset: config.preset, engine, frames: config.data.frames, visualTokens: needed.visualTokens, proposals: sizes.objects,
    seconds: Number(seconds.toFixed(1)), readingSeconds: Number((parameters.readingMs / 1000).toFixed(1)), bytesRead: parameters.bytesRead,
    peakBytes: process.resourceUsage().maxRSS * 1024, estimatedBytes: Math.round(needed.bytes),
    gigaflopsPerSecond: Number((needed.flops / seconds / 1e9).toFixed(1)), finite: scores.every(Number.isFinite),
  };
  if (values.json === true) printJson(outcome);
  else {
    printLines([
      `${config.preset}, ${outcome.frames} frames, ${outcome.visualTokens} visual tokens, on ${engine}: one answer in ${outcome.seconds} s (${outcome.gigaflopsPerSecond} GFLOP/s), ` +
      `${outcome.readingSeconds} s of them reading ${gigabytes(outcome.bytesRead)} of float32 weights`,
      `at most ${gigabytes(outcome.peakBytes)} of memory (estimated ${gigabytes(needed.bytes)}); scores ${outcome.finite ? "finite" : "NOT finite"}`,
    ]);
  }
  return outcome.finite ? 0 : 1;
}
