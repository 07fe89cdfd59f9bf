import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { S2Config } from "../config/schema";
import { UserError } from "../core/errors";
import { writeFileAtomic } from "../core/files";
import { planTraining } from "../core/parameters";
import { tf } from "../engine/tf";
import { type JsonObject, readJsonAs } from "../io/json";
import { type TensorToWrite, writeSafetensors } from "../io/safetensors";
import { TensorFolder } from "../io/tensor-folder";
import { firstLines } from "./checkpoint";
import { describeModel, trainRules } from "./describe";
import { canonicalName, matchNames, matchProblems } from "./hf-names";

export const adapterConfigFile = "adapter_config.json";
const adapterFile = "adapter_model.safetensors";
/** LLaVA's second file: what trains in full and PEFT has no place for. */
const otherFile = "non_lora_trainables.safetensors";

const moduleOf = (name: string): string => name.replace(/\.[^.]+$/, "");
const adapted = (name: string): string | undefined => /^(.*)\.lora_[AB]\.weight$/.exec(name)?.[1];

/** How a configuration's trained parameters are spread over PEFT's files. */
interface Layout {
  /** Linear layers with an adapter. */
  readonly targets: readonly string[];
  /** Modules without an adapter that train in full. */
  readonly saved: readonly string[];
  readonly inAdapter: ReadonlySet<string>;
  /** Base weights below an adapter, and parameters that are no module: PEFT can keep neither. */
  readonly beside: ReadonlySet<string>;
}

function layoutOf(config: S2Config): Layout {
  const names = describeModel(config).map(({ name }) => name);
  const plan = planTraining(names, trainRules(config));
  const targets = new Set(names.flatMap((name) => adapted(name) ?? []));
  const inAdapter = new Set<string>(),
    beside = new Set<string>(),
    saved = new Set<string>();
  for (const name of names) {
    const module = moduleOf(name);
    if (adapted(name) !== undefined) inAdapter.add(name);
    else if (plan.get(name)!.training === "frozen") continue;
    else if (targets.has(module) || !/\.(?:weight|bias)$/.test(name)) beside.add(name);
    else {
      inAdapter.add(name);
      saved.add(module);
    }
  }
  return { targets: [...targets], saved: [...saved], inAdapter, beside };
}

/** What is read of adapter_config.json; every other key must be one of `settings` or `inert`. */
const PeftConfig = z.looseObject({
  r: z.number().nullish(),
  lora_alpha: z.number().nullish(),
  /** Ends of module names, or one pattern for whole names. */
  target_modules: z.union([z.array(z.string()), z.string()]).nullish(),
  modules_to_save: z.array(z.string()).nullish(),
});
type PeftConfig = z.output<typeof PeftConfig>;

/** The settings of PEFT's LoraConfig with which an adapter computes y = W x + (α/r) B A x, as they are written. */
const plain: JsonObject = {
  peft_type: "LORA",
  bias: "none",
  fan_in_fan_out: false,
  use_rslora: false,
  use_dora: false,
  lora_bias: false,
  rank_pattern: {},
  alpha_pattern: {},
  layers_to_transform: null,
};

/** Values with which each setting that matters leaves that formula and the base weights as they are. */
const settings: Readonly<Record<string, readonly unknown[]>> = {
  ...Object.fromEntries(Object.entries(plain).map(([key, value]) => [key, [value]])),
  rank_pattern: [{}, null],
  alpha_pattern: [{}, null],
  use_qalora: [false],
  layer_replication: [null],
  trainable_token_indices: [null],
  target_parameters: [null, []],
  exclude_modules: [null, []],
  alora_invocation_tokens: [null],
  arrow_config: [null],
  // the other ways to start (PiSSA, OLoRA, LoftQ, CorDA, LoRA-GA) subtract the adapter from the base weights
  init_lora_weights: [true, false, "gaussian", "eva", "orthogonal"],
  loftq_config: [{}, null],
  corda_config: [null],
  lora_ga_config: [null],
};

/** Settings that say nothing about what an adapter computes. */
const inert: ReadonlySet<string> = new Set([
  ...Object.keys(PeftConfig.shape),
  ...["task_type", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "lora_dropout"],
  ...["layers_pattern", "megatron_config", "megatron_core", "qalora_group_size", "eva_config", "runtime_config"],
  ...["peft_version", "ensure_weight_tying"],
]);

/** @throws UserError when a configuration has no adapter that could be saved */
export function requireAdapters(config: S2Config): void {
  if (!config.lora.vision && !config.lora.language) {
    throw new UserError(
      `preset ${config.preset}: has no adapters (lora.vision and lora.language are off); save the whole model instead`,
    );
  }
}

/**
 * Writes what a configuration trains in PEFT's layout: adapter_config.json, adapter_model.safetensors with the adapters
 * and the modules in `modules_to_save`, and non_lora_trainables.safetensors with the rest, as LLaVA keeps it.
 *
 * @param values float32 numbers of a parameter by the model's name
 * @param base what the adapter belongs to, such as "lmms-lab/LLaVA-Video-7B-Qwen2"
 */
export function saveAdapter(
  folder: string,
  config: S2Config,
  values: (name: string) => Float32Array,
  base: string,
): void {
  requireAdapters(config);
  const { targets, saved, inAdapter, beside } = layoutOf(config);
  const write = (file: string, names: ReadonlySet<string>, stored: (name: string) => string): void => {
    const tensors = describeModel(config)
      .filter(({ name }) => names.has(name))
      .map(({ name, shape }): [string, TensorToWrite] => [
        `base_model.model.${stored(name)}`,
        {
          dtype: "F32",
          shape,
          bytes: () => {
            const { buffer, byteOffset, byteLength } = values(name);
            return new Uint8Array(buffer, byteOffset, byteLength);
          },
        },
      ]);
    writeSafetensors(join(folder, file), tensors, { format: "pt" });
  };
  write(adapterFile, inAdapter, (name) => name);
  const below = new Set(targets);
  if (beside.size > 0)
    write(otherFile, beside, (name) =>
      below.has(moduleOf(name)) ? name.replace(/\.([^.]+)$/, ".base_layer.$1") : name,
    );
  const { rank, alpha, dropout } = config.lora;
  writeFileAtomic(
    join(folder, adapterConfigFile),
    `${JSON.stringify(
      {
        ...plain,
        task_type: "CAUSAL_LM",
        base_model_name_or_path: base,
        inference_mode: true,
        r: rank,
        lora_alpha: alpha,
        lora_dropout: dropout,
        target_modules: targets,
        modules_to_save: saved.length === 0 ? null : saved,
      },
      null,
      2,
    )}\n`,
  );
}

/** An open adapter folder. */
export interface Adapter {
  /** By the model's name. */
  readonly sources: ReadonlyMap<string, { readonly folder: TensorFolder; readonly stored: string }>;
  close(): void;
}

/** Puts an adapter's tensors into parameters. @throws UserError as `openAdapter` */
export function loadAdapter(folder: string, config: S2Config, parameters: ReadonlyMap<string, tf.Variable>): void {
  const adapter = openAdapter(folder, config);
  try {
    for (const [name, { folder: file, stored }] of adapter.sources) {
      const variable = parameters.get(name)!;
      tf.tidy(() => variable.assign(tf.tensor(file.read(stored).data as Float32Array, variable.shape)));
    }
  } finally {
    adapter.close();
  }
}

function settingProblems(json: PeftConfig, { lora }: S2Config): string[] {
  const problems: string[] = [];
  const text = (value: unknown): string => JSON.stringify(value);
  const compare = (key: string, wanted: readonly unknown[], hint = ""): void => {
    if (json[key] !== undefined && !wanted.map(text).includes(text(json[key])))
      problems.push(`${key} is ${text(json[key])}, expected ${wanted.map(text).join(" or ")}${hint}`);
  };
  for (const [key, wanted] of Object.entries(settings)) {
    const converts = " (PEFT's save_pretrained converts it: path_initial_model_for_weight_conversion)";
    compare(key, wanted, key === "init_lora_weights" ? converts : "");
  }
  for (const key of Object.keys(json))
    if (!inert.has(key) && settings[key] === undefined && json[key] !== null && json[key] !== false)
      problems.push(
        `${key} is ${text(json[key])}, which is not known here; merge the adapter into its base model with PEFT`,
      );
  for (const [key, path] of [
    ["r", "rank"],
    ["lora_alpha", "alpha"],
  ] as const) {
    if (typeof json[key] !== "number") problems.push(`${key} is missing`);
    else compare(key, [lora[path]], ` (--set lora.${path}=${json[key]} follows the adapter)`);
  }
  return problems;
}

/** PEFT's rule: a list of ends of module names, or one pattern for whole names. */
function covers(pattern: unknown, module: string): boolean {
  if (typeof pattern === "string") return new RegExp(`^(?:${pattern})$`).test(module);
  return Array.isArray(pattern) && pattern.some((end) => module === end || module.endsWith(`.${String(end)}`));
}

/** A module and those around it, such as model.mm_projector of model.mm_projector.0. */
function around(module: string): string[] {
  return module.split(".").map((_, i, parts) => parts.slice(0, i + 1).join("."));
}

/** @param adapters modules with an adapter @param whole modules stored as they are, in the adapter's file */
function coverageProblems(
  { target_modules: targets, modules_to_save: saved }: PeftConfig,
  adapters: ReadonlySet<string>,
  whole: ReadonlySet<string>,
): string[] {
  const unused = (list: unknown, modules: readonly string[], key: string): string[] =>
    Array.isArray(list)
      ? list
          .filter((end) => !modules.some((module) => covers([end], module)))
          .map((end) => `${key} names ${String(end)}, of which there is no tensor`)
      : [];
  try {
    return [
      ...[...adapters]
        .filter((module) => !covers(targets, module))
        .map((module) => `target_modules does not name ${module}, which has an adapter`),
      ...unused(targets, [...adapters], "target_modules"),
      ...[...whole]
        .filter((module) => !around(module).some((m) => covers(saved, m)))
        .map((module) => `modules_to_save does not name ${module}, which is in ${adapterFile}`),
      ...unused(saved, [...whole].flatMap(around), "modules_to_save"),
    ];
  } catch {
    return [`target_modules is ${JSON.stringify(targets)}, which is no pattern`];
  }
}

/**
 * Opens an adapter in PEFT's layout and compares it with a configuration: rank and alpha, target modules, names,
 * shapes.
 *
 * @throws UserError for settings that the model's adapters do not have, and for missing, unknown or misshapen tensors
 */
export function openAdapter(folder: string, config: S2Config): Adapter {
  const json = readJsonAs(join(folder, adapterConfigFile), PeftConfig);
  const paths = [adapterFile, otherFile].flatMap((name): string[] => {
    const path = join(folder, name);
    if (existsSync(path)) return [path];
    // a pickle's error says how to convert it
    const pickle = path.replace(/safetensors$/, "bin");
    return existsSync(pickle) ? [pickle] : name === adapterFile ? [path] : [];
  });
  const open: TensorFolder[] = [];
  try {
    for (const path of paths) open.push(TensorFolder.open(path));
    const { inAdapter, beside } = layoutOf(config);
    const specs = describeModel(config).filter(({ name }) => inAdapter.has(name) || beside.has(name));
    const twice = open[1] && [...open[1].tensors.keys()].find((name) => open[0]!.tensors.has(name));
    if (twice !== undefined)
      throw new UserError(
        `${join(folder, otherFile)}: tensor "${twice}" is in ${adapterFile} too; ` +
          "the files are of two adapters, copy them again",
      );
    const match = matchNames(specs, new Map(open.flatMap((file) => [...file.tensors])));
    const modules = [...open[0]!.tensors.keys()].map(canonicalName);
    const problems = [
      ...settingProblems(json, config).map((line) => `${adapterConfigFile}: ${line}`),
      ...matchProblems(match),
      ...coverageProblems(
        json,
        new Set(modules.flatMap((name) => adapted(name) ?? [])),
        new Set(modules.filter((name) => adapted(name) === undefined).map(moduleOf)),
      ).map((line) => `${adapterConfigFile}: ${line}`),
    ];
    if (problems.length > 0)
      throw new UserError(`${folder}: the adapter does not fit the preset ${config.preset}: ${firstLines(problems)}`);
    return {
      sources: new Map(
        [...match.found].map(([name, stored]) => [
          name,
          { folder: open.find((file) => file.tensors.has(stored))!, stored },
        ]),
      ),
      close: () => open.forEach((file) => file.close()),
    };
  } catch (error) {
    for (const file of open) file.close();
    throw error;
  }
}
