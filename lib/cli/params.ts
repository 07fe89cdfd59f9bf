import { ablations } from "../config/ablations";
import { presets } from "../config/presets";
import { resolveConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";
import { trainingSets } from "../dataloader/sentences";
import { chooseEngine } from "../engine/choose";
import { nvidiaGpus } from "../engine/nvidia";
import {
  type Estimate,
  estimate,
  gigabytes,
  memoryOf,
  memoryText,
  type TrainingLength,
  trainingLength,
  type Work,
} from "../train/estimate";
import { GPU_BYTES, type GpuEstimate, gpuEstimate, gpuLines } from "../train/gpu-estimate";
import { modelRate } from "../train/speed";
import { parameterTable } from "../weights/describe";
import { checkCheckpoint } from "./convert";
import { type CommandSpec, parseOptions, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "params",
  about: "Counts the model's parameters by what trains them, and estimates what a run needs; allocates none of them.",
  options: {
    preset: { type: String, value: "NAME", help: `one of ${Object.keys(presets).join(", ")} (required)` },
    ablation: { type: String, value: "NAME", help: `one of ${Object.keys(ablations).join(", ")}` },
    set: {
      type: [String],

      value: "PATH=VALUE",
      help: "another value in the config, such as lora.rank=8",
    },
    checkpoint: {
      type: String,
      value: "DIR",
      help:
        "also what of it a folder of weights has: missing, unexpected and misshapen names; status 1 when it " +
        "does not fit",
    },
    estimate: {
      type: Boolean,
      help:
        "also memory and time on this machine's engine (S2_ENGINE names another), and what training on one GPU " +
        "needs (this machine's, else one of 80 GB)",
    },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const satisfies CommandSpec;

const works: Readonly<Record<Work, string>> = {
  train: "one training step",
  answer: "one answer",
  stream: "one answer, weights streamed",
  "stream-train": "one batch's gradients, streamed",
};

/** How long the training of a config is; `known` false: its data are not there, and some sentences are assumed. */
interface Length extends TrainingLength {
  readonly known: boolean;
  readonly hours: number;
}

/** Sentences to reckon with where the data are not there, and of each scene: ScanRefer has about so many. */
const assumed = { sentences: 10_000, perScene: 50 } as const;

function lengthOf(config: S2Config, secondsABatch: number): Length {
  const sets = trainingSets(config);
  const [set] = config.data.sentences ?? (["scanrefer"] as const);
  const some = Array.from({ length: assumed.sentences / assumed.perScene }, () =>
    Array.from({ length: assumed.perScene }, () => set!),
  );
  const length = trainingLength(config, sets ?? some);
  return {
    ...length,
    known: sets !== undefined,
    epochs: Number(length.epochs.toPrecision(3)),
    hours: Number(((length.batches * secondsABatch) / 3600).toPrecision(2)),
  };
}

function lengthLine({ known, epochs, sentences, steps, batches, hours }: Length, config: S2Config): string {
  const number = (n: number): string => n.toLocaleString("en-US");
  const of = known
    ? `${number(sentences)} sentences`
    : `${number(sentences)} sentences, say (${config.data.folder} is not there; the length grows with their number)`;
  return (
    `training: ${epochs} epoch${epochs === 1 ? "" : "s"} of ${of}: ${number(steps)} steps` +
    `${batches === steps ? "" : ` of ${config.training.accumulate} batches`}, about ${number(hours)} hours`
  );
}

/** What a program can have of this machine's GPU; of one with 80 GB where there is none. */
function gpuBytes(): number {
  const gpu = nvidiaGpus()[0];
  return gpu === undefined ? GPU_BYTES : gpu.memoryMiB * 2 ** 20;
}

/** What each kind of work needs, and whether it fits here. */
async function estimates(config: S2Config): Promise<{
  engine: string;
  available: number | null;
  gigaflopsPerSecond: number;
  work: (Estimate & { seconds: number; fits: boolean | null })[];
  training: Length;
  gpu: GpuEstimate;
}> {
  const { engine } = await chooseEngine();
  const rate = modelRate();
  const available = memoryOf(engine);
  return {
    engine,
    available: available ?? null,
    gigaflopsPerSecond: Number((rate / 1e9).toFixed(1)),
    training: lengthOf(config, estimate(config, "train").flops / rate),
    gpu: gpuEstimate(config, gpuBytes()),
    work: (Object.keys(works) as Work[]).map((work) => {
      const needed = estimate(config, work);
      return {
        ...needed,
        seconds: Number((needed.flops / rate).toPrecision(2)),
        fits: available === undefined ? null : needed.bytes <= available,
      };
    }),
  };
}

/** `params --preset P [--ablation A] [--estimate] [--json]` */
export async function run(args: string[]): Promise<number> {
  const { values } = parseOptions(spec, args);
  if (values.preset === undefined) throw wrongUsage(spec, "--preset NAME is required");
  const config = resolveConfig({
    preset: values.preset,
    ...(values.ablation === undefined ? {} : { ablation: values.ablation }),
    ...(values.set === undefined ? {} : { set: values.set }),
  });
  const table = parameterTable(config);
  const needs = values.estimate === true ? await estimates(config) : undefined;
  const checkpoint = values.checkpoint === undefined ? undefined : checkCheckpoint(values.checkpoint, config);
  const status = checkpoint?.fits === false ? 1 : 0;
  if (values.json === true) {
    printJson({
      ...table,
      ...(needs === undefined ? {} : { estimate: needs }),
      ...(checkpoint === undefined ? {} : { checkpoint: checkpoint.document }),
    });
    return status;
  }
  const number = (n: number): string => n.toLocaleString("en-US");
  const width = Math.max(...table.items.map(({ name }) => name.length));
  printLines([
    ...table.items.map(
      ({ name, parameters, trainable }) =>
        `${name.padEnd(width)}  ${number(parameters).padStart(15)}  ${trainable ? "trains" : "frozen"}`,
    ),
    `${"total".padEnd(width)}  ${number(table.total).padStart(15)}`,
    `${"trainable".padEnd(width)}  ${number(table.trainable).padStart(15)}`,
    ...(needs === undefined
      ? []
      : [
          "",
          `on ${needs.engine}${needs.available === null ? "" : ` with ${gigabytes(needs.available)} of memory`}, ` +
            `about ${needs.gigaflopsPerSecond} GFLOP/s; ${config.data.frames} frames, ` +
            `${needs.work[0]!.visualTokens} visual tokens a scene`,
          ...needs.work.map((w) => {
            const cost = `${works[w.work].padEnd(30)} ${gigabytes(w.bytes).padStart(8)}  ${w.seconds} s`;
            return `${cost}${w.fits === false ? "  does not fit" : ""}  (${memoryText(w)})`;
          }),
          lengthLine(needs.training, config),
          ...gpuLines(needs.gpu),
        ]),
    ...(checkpoint === undefined ? [] : ["", ...checkpoint.lines]),
  ]);
  return status;
}
