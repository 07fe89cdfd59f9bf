import { existsSync } from "node:fs";
import { join } from "node:path";
import { presets } from "../config/presets";
import { resolveConfig } from "../config/resolve";
import type { S2Config } from "../config/schema";
import { sizeOf } from "../core/parameters";
import { TensorFolder } from "../io/tensor-folder";
import { adapterConfigFile, openAdapter } from "../weights/adapter";
import { matchCheckpoint, modelParts, partOf } from "../weights/checkpoint";
import { describeModel } from "../weights/describe";
import { checkTokenizer } from "../weights/hf-config";
import { parseOptions, wrongUsage } from "./options";
import { printJson, printLines } from "./output";

const spec = {
  name: "convert",
  positionals: "FOLDER",
  about:
    "Checks a Hugging Face folder, a .safetensors file or a PEFT adapter against a preset: names, shapes, " +
    "types, config.json, tokenizer.json. Reads no weights. Status 1 when it does not fit.",
  options: {
    preset: {
      type: String,
      value: "NAME",
      help: `one of ${Object.keys(presets).join(", ")}; llava-video-7b unless given`,
    },
    set: {
      type: [String],

      value: "PATH=VALUE",
      help: "another value in the config, such as lora.rank=8",
    },
    json: { type: Boolean, help: "print one JSON document with every name" },
  },
} as const;

/** Lines shown of each kind; --json has them all. */
const most = 12;

/** How stored weights match a preset. */
interface Verdict {
  readonly fits: boolean;
  readonly lines: readonly string[];
  readonly document: object;
}

function checkAdapter(path: string, config: S2Config): Verdict {
  const adapter = openAdapter(path, config);
  adapter.close();
  return {
    fits: true,
    lines: [`${path}: a PEFT adapter, ${adapter.sources.size} tensors, fits ${config.preset}`],
    document: { path, preset: config.preset, fits: true, adapter: true, tensors: adapter.sources.size },
  };
}

function tokenizerLine(
  folder: string,
  wanted: boolean,
  { tokens, problems }: ReturnType<typeof checkTokenizer>,
): string[] {
  if (!wanted || problems.length > 0) return [];
  if (tokens !== undefined) return [`  tokenizer.json: ${tokens} tokens, the model's own among them`];
  const others = existsSync(join(folder, "vocab.json")) ? "vocab.json is not read; " : "";
  return [
    `  tokenizer.json: not in this folder; ${others}sentences need it: AutoTokenizer.from_pretrained(DIR)` +
      ".save_pretrained(DIR) of PyPI's transformers writes it",
  ];
}

/**
 * Compares the names, shapes and types in a folder or file with what a configuration has; reads no weights.
 *
 * @throws UserError when it cannot be opened, or is an adapter that does not fit
 */
export function checkCheckpoint(path: string, config: S2Config): Verdict {
  if (existsSync(join(path, adapterConfigFile))) return checkAdapter(path, config);
  const folder = TensorFolder.open(path);
  const specs = describeModel(config);
  const { parts, match, resized, claim, problems: unfit } = matchCheckpoint(folder, specs, config);
  folder.close();
  const hasLanguage = parts.includes("language model");
  const tokenizer: ReturnType<typeof checkTokenizer> = hasLanguage
    ? checkTokenizer(folder.folder, config)
    : { problems: [] };
  const problems = [...unfit, ...tokenizer.problems];
  const fits = problems.length === 0;
  const added = specs.filter(({ name }) => partOf(name) === undefined && !match.found.has(name));
  const elsewhere = [...new Set(specs.flatMap(({ name }) => partOf(name) ?? []))].filter(
    (part) => !parts.includes(part),
  );
  const count = (list: readonly { shape: readonly number[] }[]): string =>
    list.reduce((n, { shape }) => n + sizeOf(shape), 0).toLocaleString("en-US");
  const lines = [
    `${path}: ${folder.tensors.size} tensors` +
      (claim === undefined ? "; no config.json says what it is" : `, a ${claim}`),
    ...parts.map(
      (part) => `  ${part}: ${[...match.found.keys()].filter((name) => partOf(name) === part).length} parameters`,
    ),
    ...elsewhere.map((part) => `  ${part}: not in this folder (it is in ${modelParts[part]})`),
    ...tokenizerLine(folder.folder, hasLanguage, tokenizer),
    ...[...resized].map(
      ([name, { stored, kept }]) =>
        `  ${name}: ${kept} of ${stored} rows are taken, the added tokens start at their mean`,
    ),
    `  ${added.length} parameters (${count(added)} numbers) are in no checkpoint and start new: adapters and ` +
      `what the paper adds`,
    ...(match.unused.length === 0
      ? []
      : [`  ${match.unused.length} tensors are of no use to the model, such as ${match.unused[0]}`]),
    ...problems.slice(0, most),
    ...(problems.length > most ? [`and ${problems.length - most} more (--json lists all)`] : []),
    fits ? `fits ${config.preset}` : `does not fit ${config.preset}: ${problems.length} problems`,
  ];
  const document = {
    path,
    preset: config.preset,
    fits,
    claim: claim ?? null,
    tensors: folder.tensors.size,
    tokens: tokenizer.tokens ?? null,
    parts,
    elsewhere,
    missing: match.missing,
    unexpected: match.unexpected,
    misshapen: match.misshapen,
    doubled: match.doubled,
    unused: match.unused,
    resized: Object.fromEntries(resized),
    added: added.map(({ name }) => name),
    problems,
  };
  return { fits, lines, document };
}

/** `s2mllm convert FOLDER` */
export async function run(args: string[]): Promise<number> {
  const { values, positionals } = parseOptions(spec, args);
  const [path] = positionals;
  if (path === undefined || positionals.length > 1) throw wrongUsage(spec, "takes one folder or file");
  const { fits, lines, document } = checkCheckpoint(
    path,
    resolveConfig({ preset: values.preset ?? "llava-video-7b", set: values.set }),
  );
  if (values.json === true) printJson(document);
  else printLines(lines);
  return fits ? 0 : 1;
}
