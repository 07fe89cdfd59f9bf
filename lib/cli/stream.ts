import { existsSync } from "node:fs";
import { basename } from "node:path";
import { type MachineCard, machineCard } from "../bench/machine";
import { presets } from "../config/presets";
import { resolveConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { sizeOf } from "../core/parameters";
import { stderrProgress } from "../core/progress";
import { Rng } from "../core/rng";
import { chooseEngine } from "../engine/choose";
import { runNamed } from "../engine/named-step";
import { tf } from "../engine/tf";
import { Generation, type NextTokens } from "../model/generate";
import type { ModelInputs } from "../model/inputs";
import { randomInputs, randomTargets } from "../model/random-inputs";
import { estimate, gigabytes, memoryOf, requireMemory } from "../train/estimate";
import { firstUpdate, streamedGradients } from "../train/streamed-step";
import { writeRandomWeights } from "../weights/random-weights";
import { StreamedParameters } from "../weights/streamed";
import { writeUpdate } from "../weights/tensor-file";
import { Weights } from "../weights/weights";
import { parseOptions, wholeNumber, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "stream",
  positionals: "FOLDER [MORE …]",
  about:
    "Answers one random scene, or trains on it, with weights that are read, widened and freed part by part, and " +
    "says what time and memory that took.",
  options: {
    preset: {
      type: String,
      value: "NAME",
      help: `one of ${Object.keys(presets).join(", ")}; llava-video-7b unless given`,
    },
    set: {
      type: [String],

      value: "PATH=VALUE",
      help: "another value in the config, such as data.frames=8",
    },
    make: {
      type: Boolean,
      help: "first write random weights in half precision to FOLDER, which must not exist (17 GB for llava-video-7b)",
    },
    ablation: {
      type: String,
      value: "NAME",
      help: "with --train: what is left out, such as no-sg for the reconstruction branch; full unless given",
    },
    train: {
      type: Boolean,
      help:
        "a training pass instead of an answer: loss and gradients of everything that trains, each part read " +
        "again on the way back",
    },
    out: {
      type: String,
      value: "FOLDER",
      help:
        "with --train: apply AdamW's first update and write what trained, with its moments, to FOLDER (12 " +
        "bytes a trained parameter)",
    },
    tokens: {
      type: wholeNumber(1),
      value: "N",
      help: "then write N further tokens with the key/value cache; none unless given",
    },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const;

/** Boxes and words of the scene: Mask3D's 50 proposals, a ChatML prompt. */
const sizes = { objects: 50, before: 14, after: 22, tokens: 50 } as const;

/** The language model's sequence: prompt, views, sentence. */
const sequence = (visualTokens: number): number => sizes.before + visualTokens + sizes.after + sizes.tokens;

/** What a pass of either kind tells. */
interface Pass {
  readonly preset: string;
  readonly engine: string;
  readonly frames: number;
  readonly visualTokens: number;
  /** The language model's sequence, visual tokens among them. */
  readonly tokens: number;
  readonly seconds: number;
  /** Of the whole pass: reading weights, vision tower, language model. */
  readonly tokensPerSecond: number;
  readonly gigaflopsPerSecond: number;
  readonly bytesRead: number;
  readonly peakBytes: number;
  readonly estimatedBytes: number;
  readonly finite: boolean;
  readonly machine: MachineCard;
}

function passOf(
  config: S2Config,
  engine: string,
  kind: "stream" | "stream-train",
  seconds: number,
  bytesRead: number,
  finite: boolean,
): Pass {
  const { visualTokens, flops, bytes } = estimate(config, kind);
  const tokens = sequence(visualTokens);
  return {
    preset: config.preset,
    engine,
    frames: config.data.frames,
    visualTokens,
    tokens,
    seconds: Number(seconds.toFixed(1)),
    tokensPerSecond: Number((tokens / seconds).toPrecision(3)),
    gigaflopsPerSecond: Number((flops / seconds / 1e9).toFixed(1)),
    bytesRead,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    estimatedBytes: Math.round(bytes),
    finite,
    machine: machineCard(undefined),
  };
}

const passLine = (p: Pass): string =>
  `${p.preset}, ${p.frames} frames, ${p.visualTokens} visual tokens of ${p.tokens}, on ${p.engine}`;
const speedLine = (p: Pass): string => `${p.tokensPerSecond} tokens/s, ${p.gigaflopsPerSecond} GFLOP/s`;
const memoryLine = (p: Pass): string =>
  `at most ${gigabytes(p.peakBytes)} of memory (estimated ${gigabytes(p.estimatedBytes)})` +
  (p.finite ? "" : "; NOT finite");

/** A training pass on one random scene, and what it took. */
function trainOnce(
  weights: Weights,
  config: S2Config,
  engine: string,
  name: string,
  out: string | undefined,
): TrainOutcome {
  const progress = stderrProgress();
  // forward and backward read every part once each
  const total = 2 * [...weights.specs.values()].reduce((n, { shape }) => n + sizeOf(shape), 0) * 4;
  const rng = new Rng(config.seed, "stream");
  const inputs = randomInputs(config, rng, sizes);
  const targets = randomTargets(config, inputs, rng, sizes.objects);
  const started = performance.now();
  const step = streamedGradients(weights, inputs, targets, config, (bytes) =>
    progress({
      task: `stream ${name}`,
      done: Math.round(bytes / 1e6),
      total: Math.round(total / 1e6),
      note: "MB of weights",
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  if (out !== undefined)
    writeUpdate(
      out,
      [...step.gradients.keys()].map((name) => weights.specs.get(name)!),
      (parameter) => firstUpdate(parameter, weights, step, config.training, config.training.learningRate),
    );
  return {
    ...passOf(
      config,
      engine,
      "stream-train",
      seconds,
      step.bytesRead,
      Number.isFinite(step.loss) && Number.isFinite(step.norm),
    ),
    loss: step.loss,
    gradientNorm: step.norm,
    trained: [...step.gradients.values()].reduce((n, g) => n + g.length, 0),
    ...(out === undefined
      ? {}
      : { update: out, updateSeconds: Number(((performance.now() - started) / 1000 - seconds).toFixed(2)) }),
  };
}

interface TrainOutcome extends Pass {
  readonly loss: number;
  readonly gradientNorm: number;
  /** Numbers that have a gradient. */
  readonly trained: number;
  readonly update?: string;
  readonly updateSeconds?: number;
}

function trainLines(o: TrainOutcome): string[] {
  return [
    `${passLine(o)}: loss ${o.loss.toFixed(3)} and the gradients of ${o.trained.toLocaleString("en-US")} ` +
      `parameters in ${o.seconds} s ` +
      `(${speedLine(o)}), ${gigabytes(o.bytesRead)} of float32 weights read; gradient norm ` +
      `${o.gradientNorm.toPrecision(4)}`,
    ...(o.update === undefined ? [] : [`AdamW's first update written to ${o.update} in ${o.updateSeconds} s`]),
    memoryLine(o),
  ];
}

/** The one sentence's next token, at its place behind the question. */
function nextTokens(likely: ArrayLike<number>, step: number, further: number): NextTokens {
  const room = sizes.tokens + further;
  const at = sizes.tokens + step;
  return {
    ids: tf.tensor2d([likely[0]!], [1, 1], "int32"),
    place: tf.tensor1d(Float32Array.from({ length: room }, (_, t) => (t === at ? 1 : 0))),
    kept: tf.tensor3d(
      Float32Array.from({ length: room }, (_, t) => (t <= at ? 1 : 0)),
      [1, 1, room],
    ),
  };
}

/** `s2mllm stream FOLDER` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  if (positionals.length === 0) throw wrongUsage(spec, "takes the folders of the weights");
  if (values.ablation !== undefined && values.train !== true) throw wrongUsage(spec, "--ablation needs --train");
  // an answer needs no reconstruction branch
  const ablation = values.train === true ? (values.ablation ?? "full") : "no-sg";
  const config = resolveConfig({ preset: values.preset ?? "llava-video-7b", ablation, set: values.set });
  const progress = stderrProgress();
  /** A result of changed sizes says so. */
  const changes = values.set === undefined || values.set.length === 0 ? {} : { set: values.set };
  if (values.make === true) {
    const [folder] = positionals as [string];
    if (positionals.length > 1) throw wrongUsage(spec, "--make takes one folder");
    if (existsSync(folder)) throw new UserError(`${folder}: is there already; --make takes a new folder`);
    process.stderr.write(`writing random weights to ${folder}\n`);
    writeRandomWeights(folder, config);
  }
  if (values.out !== undefined && values.train !== true) throw wrongUsage(spec, "--out needs --train");
  const { engine } = await chooseEngine();
  requireMemory(config, values.train === true ? "stream-train" : "stream", engine);
  const weights = Weights.open(positionals, config);
  if (values.train === true) {
    const outcome = trainOnce(weights, config, engine, basename(positionals[0]!), values.out);
    weights.close();
    if (values.json === true) printJson({ ...outcome, ...changes });
    else printLines(trainLines(outcome));
    return outcome.finite ? 0 : 1;
  }
  const total = [...weights.specs.values()].reduce((n, { shape }) => n + sizeOf(shape), 0) * 4;
  const further = values.tokens ?? 0;
  // what memory the pass itself leaves
  const spare = (memoryOf(engine) ?? 0) - estimate(config, "stream").bytes;
  const parameters = new StreamedParameters(
    weights,
    (bytes) =>
      progress({
        task: `stream ${basename(positionals[0]!)}`,
        done: Math.round(bytes / 1e6),
        total: Math.round(total / 1e6),
        note: "MB of weights",
      }),
    further > 0 ? Math.max(0, spare) : 0,
  );
  const inputs = randomInputs(config, new Rng(config.seed, "stream"), sizes);
  const generation = new Generation(parameters, config, {
    scenes: 1,
    sentences: 1,
    objects: sizes.objects,
    prefix: sequence(estimate(config, "stream").visualTokens) - sizes.tokens,
    question: sizes.tokens,
    written: further,
  });
  const started = performance.now();
  let said = runNamed((given: ModelInputs) => generation.begin(given), inputs);
  const seconds = (performance.now() - started) / 1000;
  const first = { bytesRead: parameters.bytesRead, readingMs: parameters.readingMs };
  const finite = said.scores.every(Number.isFinite);
  const rest = performance.now();
  for (let step = 0; step < further; step++)
    said = runNamed((given: NextTokens) => generation.next(given), nextTokens(said.next, step, further));
  weights.close();
  const outcome = {
    ...passOf(config, engine, "stream", seconds, first.bytesRead, finite && said.scores.every(Number.isFinite)),
    proposals: sizes.objects,
    readingSeconds: Number((first.readingMs / 1000).toFixed(1)),
    ...(further === 0
      ? {}
      : {
          further: {
            tokens: further,
            secondsEach: Number(((performance.now() - rest) / 1000 / further).toPrecision(3)),
            bytesReadEach: Math.round((parameters.bytesRead - first.bytesRead) / further),
            keptBytes: parameters.keptBytes,
          },
        }),
  };
  generation.dispose();
  parameters.dispose();
  if (values.json === true) printJson({ ...outcome, ...changes });
  else {
    printLines([
      `${passLine(outcome)}: one answer in ${outcome.seconds} s (${speedLine(outcome)}), ` +
        `${outcome.readingSeconds} s of them reading ${gigabytes(outcome.bytesRead)} of float32 weights`,
      ...(outcome.further === undefined
        ? []
        : [
            `${further} further tokens, one row of the language model each: ${outcome.further.secondsEach} s and ` +
              `${gigabytes(outcome.further.bytesReadEach)} read a token, ${gigabytes(outcome.further.keptBytes)} of ` +
              "the weights stayed in memory",
          ]),
      memoryLine(outcome),
    ]);
  }
  return outcome.finite ? 0 : 1;
}
