import { join } from "node:path";
import { changedConfig, resolveConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";
import { unknownName } from "../core/errors";
import { writeFileAtomic } from "../core/files";
import { stderrProgress } from "../core/progress";
import { Rng } from "../core/rng";
import { inProject } from "../core/root";
import { prepareScenes } from "../dataloader/prepare";
import { RoomsConfig, roomSets } from "../datasets/rooms/config";
import { makeNamedRooms } from "../datasets/rooms/make";
import { naturalMarks, naturalPhrases } from "../datasets/rooms/natural";
import { allPhrases, sentencePhrases } from "../datasets/rooms/phrases";
import { chooseEngine } from "../engine/choose";
import type { tf } from "../engine/tf";
import { writeSafetensors } from "../io/safetensors";
import { phraseTokenizer } from "../io/tokenizer";
import { groundToken } from "../model/prompt";
import type { MetricsLine } from "../train/metrics-log";
import { labelledFrames } from "../train/pretrain/frames";
import { pretrainReconstruction } from "../train/pretrain/reconstruction";
import { pretrainVision } from "../train/pretrain/vision";
import { type PretrainedPart, pretrainedFile } from "../weights/pretrained";
import { parseOptions, wholeNumber, wrongUsage } from "./options";
import { printJson } from "./output";

const spec = {
  name: "pretrain",
  about:
    "Makes the weights that a small preset starts from: the tokenizer, the vision tower (dense labels), the " +
    "reconstruction decoder (pointmaps). Neither sees a coordinate as input.",
  options: {
    preset: { type: String, value: "NAME", help: "nano unless given" },
    part: {
      type: String,
      value: "PART",
      help: "tokenizer, vision or reconstruction; all three, in this order, unless given",
    },
    steps: { type: wholeNumber(1), value: "N", help: "steps of the part's training" },
    seed: { type: wholeNumber(), value: "N", help: "0 unless given; it draws rooms, batches and initial weights" },
    continue: { type: Boolean, help: "vision: go on from the present weights, with a new schedule and new rooms" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const;

/** Where the pictures of a decoder with an encoder of its own lie; made when they are not there. */
const otherRooms = `data/rooms/${roomSets.pretraining.name}`;

const parts = ["tokenizer", "vision", "reconstruction"] as const;

/** Weights and the curve of their making, written together at the end: an interrupted pretraining changes neither. */
function save(
  config: S2Config,
  part: PretrainedPart,
  weights: ReadonlyMap<string, tf.Variable>,
  about: Record<string, string>,
  curve: string,
  lines: readonly MetricsLine[],
): void {
  const folder = inProject("data", "pretrained", config.preset);
  writeSafetensors(
    join(folder, `${part}.safetensors`),
    [...weights].map(([name, v]) => [name, { shape: v.shape, data: v.dataSync() as Float32Array }] as const),
    about,
  );
  writeFileAtomic(join(folder, `${curve}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

/** `s2mllm pretrain` */
export async function run(args: string[]): Promise<number> {
  const { values } = parseOptions(spec, args);
  const config = resolveConfig({ preset: values.preset ?? "nano" });
  if (values.part !== undefined && !(parts as readonly string[]).includes(values.part))
    throw unknownName("part", values.part, parts);
  // a preset that starts from another's weights has a tokenizer of its own, and perhaps a decoder
  const own: readonly (typeof parts)[number][] =
    config.pretrained === undefined
      ? parts
      : ["tokenizer", ...(config.reconstruction.ownEncoder === true ? (["reconstruction"] as const) : [])];
  const wanted = values.part === undefined ? own : [values.part as (typeof parts)[number]];
  if (wanted.some((part) => !own.includes(part)))
    throw wrongUsage(
      spec,
      `preset ${config.preset} starts from the weights of ${config.pretrained}; pretrain --preset ${config.pretrained}`,
    );
  const seed = values.seed ?? 0;
  const progress = stderrProgress();
  const folder = inProject("data", "pretrained", config.preset);
  const summary: Record<string, unknown> = {};
  if (wanted.includes("tokenizer")) {
    const natural = config.data.folder === `data/rooms/${roomSets.natural.name}`;
    const phrases = natural ? naturalPhrases : config.pretrained === undefined ? sentencePhrases : allPhrases;
    const words = [...phrases, "is located at", "object", ":"];
    writeFileAtomic(
      join(folder, "tokenizer.json"),
      `${JSON.stringify(phraseTokenizer(words, [groundToken], natural ? naturalMarks : undefined), null, 1)}\n`,
    );
  }
  if (wanted.includes("vision")) {
    await chooseEngine();
    const rooms = RoomsConfig.parse(roomSets.nano);
    const patch = config.vision.patchSize;
    const train = labelledFrames(rooms, 3000, 8, patch, new Rng(seed, "pretrain/train-rooms"), progress);
    const held = labelledFrames(rooms, 80, 8, patch, new Rng(seed, "pretrain/held-out-rooms"), progress);
    const from = values.continue === true ? pretrainedFile(config.preset, "vision") : undefined;
    const options = {
      steps: values.steps ?? 4000,
      batch: 64,
      learningRate: from === undefined ? 1.5e-3 : 1e-3,
      seed,
      ...(from === undefined ? {} : { from }),
    };
    const lines: MetricsLine[] = [];
    const result = await pretrainVision(config, train, held, options, (line) => lines.push(line), progress);
    const about = {
      command:
        `s2mllm pretrain --preset ${config.preset} --part vision${from === undefined ? "" : " --continue"} ` +
        `--steps ${options.steps} --seed ${seed}`,
      ...textOf(result.heldOut),
    };
    save(config, "vision", result.weights, about, from === undefined ? "vision" : `vision-continued-${seed}`, lines);
    summary.vision = { steps: options.steps, seed, ...result.heldOut };
  }
  if (wanted.includes("reconstruction")) {
    // a decoder with an encoder of its own has seen none of the rooms that the model trains on
    const on =
      config.reconstruction.ownEncoder === true ? changedConfig(config, [`data.folder=${otherRooms}`]) : config;
    if (on !== config) await makeNamedRooms(otherRooms, progress);
    const cache = await prepareScenes(on, progress);
    await chooseEngine();
    // a tower that trains in each step makes a picture several times as dear
    const batch = on === config ? { scenes: 4, views: 4 } : { scenes: 2, views: 3 };
    const options = { steps: values.steps ?? 1200, ...batch, learningRate: 1e-3, seed };
    const lines: MetricsLine[] = [];
    const result = await pretrainReconstruction(config, cache, options, (line) => lines.push(line), progress);
    const about = {
      command:
        `s2mllm pretrain --preset ${config.preset} --part reconstruction ` + `--steps ${options.steps} --seed ${seed}`,
      ...textOf(result.heldOut),
    };
    save(config, "reconstruction", result.weights, about, "reconstruction", lines);
    summary.reconstruction = { ...options, ...result.heldOut };
  }
  if (values.json === true) printJson(summary);
  else
    for (const [part, result] of Object.entries(summary)) process.stdout.write(`${part}: ${JSON.stringify(result)}\n`);
  return 0;
}

function textOf(numbers: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, value.toFixed(4)]));
}
