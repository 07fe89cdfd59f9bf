import { resolve } from "node:path";
import { resolveConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";
import { onInterrupt } from "../core/interrupt";
import { type ProgressSink, stderrProgress } from "../core/progress";
import { encodeScenes } from "../dataloader/sentences";
import { chooseEngine, sayUnusedGpu } from "../engine/choose";
import { openSession } from "../eval/session";
import { nameOf } from "../report/live/state";
import { watched } from "../report/live/watch";
import { RunFolder } from "../runs/folder";
import { settingsHash } from "../runs/settings";
import { requireMemory } from "../train/estimate";
import { fineTune, type Kept, keptForms } from "../train/fine-tune";
import { newRun } from "../train/identify";
import { requireAdapters } from "../weights/adapter";
import { adapterFolder, withAdapter } from "../weights/parameters";
import { oneOf, parseOptions, wholeNumber } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "train",
  about:
    "Fine-tunes one configuration and keeps its log and weights. Run again after an interrupt to go on from the " +
    "checkpoint.",
  options: {
    preset: { type: String, value: "NAME", help: "nano unless given" },
    ablation: { type: String, value: "NAME", help: "full unless given" },
    seed: { type: wholeNumber(), value: "N", help: "0 unless given" },
    set: {
      type: [String],
      value: "PATH=VALUE",

      help: "change one config value, such as training.steps=200",
    },
    out: { type: String, value: "FOLDER", help: "data/runs/<id of the run> unless given" },
    keep: {
      type: oneOf(...keptForms),
      value: "FORM",
      help: "model: all weights (unless given); adapter: what trained, as a LoRA adapter in PEFT's layout; both",
    },
    adapter: { type: String, value: "FOLDER", help: "start from this adapter, over the preset's weights" },
    watch: { type: Boolean, help: "show curves and failure signatures on a page of this machine, until it ends" },
    json: { type: Boolean, help: "print one JSON document" },
  },
} as const;

/** The training that the options ask for, as they name it. */
interface Request {
  readonly config: S2Config;
  readonly ablation: string;
  readonly keep: Kept;
  readonly out?: string;
}

/** Trains, and says what was kept and where. */
async function train({ config, ablation, keep, out }: Request, json: boolean, progress: ProgressSink): Promise<void> {
  const { engine } = await chooseEngine();
  sayUnusedGpu(engine);
  requireMemory(config, "train", engine);
  const session = await openSession(config, progress);
  const { scenes, prompt } = encodeScenes(session.sentences("train"), session.tokenizer, config);
  const folder = RunFolder.open(newRun(config, ablation, engine), out);
  const stop = new AbortController();
  const forget = onInterrupt(() => stop.abort());
  try {
    const { seconds, steps } = await fineTune({
      config,
      cache: session.cache,
      scenes,
      prompt,
      run: folder,
      name: nameOf({ variant: ablation, seed: config.seed }),
      progress,
      signal: stop.signal,
      keep,
    });
    const outcome = {
      run: folder.record.id,
      folder: folder.path,
      engine,
      steps,
      seconds: Number(seconds.toFixed(1)),
      ...(keep === "adapter" ? {} : { weights: folder.file("model.safetensors") }),
      ...(keep === "model" ? {} : { adapter: adapterFolder(folder.path) }),
    };
    if (json) printJson(outcome);
    else
      printLines([
        `run ${outcome.run}: ${[outcome.weights, outcome.adapter].filter((path) => path !== undefined).join(", ")}: ` +
          `${outcome.steps} steps in ${outcome.seconds} s on ${engine}`,
      ]);
  } finally {
    forget();
    folder.close();
  }
}

/** `s2mllm train` */
export async function run(args: string[]): Promise<number> {
  const { values } = parseOptions(spec, args);
  const [preset, ablation] = [values.preset ?? "nano", values.ablation ?? "full"];
  const [seed, keep] = [values.seed ?? 0, values.keep ?? "model"];
  const plain = resolveConfig({ preset, ablation, seed, set: values.set });
  const config = values.adapter === undefined ? plain : withAdapter(plain, resolve(values.adapter));
  if (keep !== "model") requireAdapters(config);
  const out = values.out === undefined ? {} : { out: values.out };
  const request: Request = { config, ablation, keep, ...out };
  const json = values.json === true;
  if (values.watch !== true) await train(request, json, stderrProgress());
  else {
    const arm = { variant: ablation, seed, config: settingsHash(config), ...out };
    const title = `train ${ablation}, preset ${preset}, seed ${seed}`;
    await watched({ title, arms: [arm] }, stderrProgress(), (progress) => train(request, json, progress));
  }
  return 0;
}
