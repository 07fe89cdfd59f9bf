import type { S2Config } from "../config/schema";
import type { ParameterSpec } from "../core/parameters";
import type { TensorFolder } from "../io/tensor-folder";
import { addedTokens } from "../model/prompt";
import { fast3rPrefix } from "../model/reconstruction";
import { visionPrefix } from "../model/vision";
import { checkHfConfig } from "./hf-config";
import { canonicalName, matchNames, matchProblems, type NameMatch } from "./hf-names";

/** What a published checkpoint has as a whole or not at all, and where it comes from. */
export const modelParts = {
  "language model": "LLaVA-Video-7B-Qwen2",
  "vision tower": "LLaVA-Video-7B-Qwen2, or google/siglip-so400m-patch14-384",
  "reconstruction decoder": "Fast3R_ViT_Large_512",
} as const;
export type ModelPart = keyof typeof modelParts;

/**
 * The part that a parameter belongs to; undefined for adapters and for what the paper adds, which no checkpoint need
 * have.
 */
export function partOf(name: string): ModelPart | undefined {
  if (/\.lora_[AB]\.weight$/.test(name)) return undefined;
  if (name.startsWith(`${visionPrefix}.`)) return "vision tower";
  if (name.startsWith(`${fast3rPrefix}.`)) return "reconstruction decoder";
  return name.startsWith("model.") || name.startsWith("lm_head.") ? "language model" : undefined;
}

/** What must be there as a whole: a part, all adapters, or a module that the paper adds. */
function groupOf(name: string): string {
  return partOf(name) ?? (/\.lora_[AB]\.weight$/.test(name) ? "adapters" : name.split(".")[0]!);
}

/** A table with a row a token whose stored size is not the model's. */
export interface ResizedTable {
  readonly stored: number;
  /** Rows taken over; those behind them, the added tokens, start at their mean. */
  readonly kept: number;
}

/** Rows of padding that a vocabulary may have behind its tokens. */
const mostPadding = 1024;

/**
 * How a vocabulary table of `rows` rows becomes one of `wanted`: Qwen2's tables are padded, and the added tokens come
 * behind the real ones. undefined: it has the wanted size already, or is of another vocabulary.
 */
function resize(rows: number, wanted: number): ResizedTable | undefined {
  const kept = wanted - addedTokens.length;
  return rows === wanted || rows < kept || rows > wanted + mostPadding ? undefined : { stored: rows, kept };
}

export interface CheckpointMatch {
  /** Parts that the folder holds, wholly or not. */
  readonly parts: readonly ModelPart[];
  /** As compared with the parameters of those parts, and of the paper's modules that it holds. */
  readonly match: NameMatch;
  /** By the model's name. */
  readonly resized: ReadonlyMap<string, ResizedTable>;
  /** What config.json says the checkpoint is. */
  readonly claim: string | undefined;
  /** One line for each thing that is wrong; empty when the model can be filled from it. */
  readonly problems: readonly string[];
}

const floats: readonly string[] = ["F32", "F16", "BF16", "F64"];

/** Compares names, shapes, types and config.json of a folder with a model; reads no numbers. */
export function matchCheckpoint(
  folder: TensorFolder,
  specs: readonly ParameterSpec[],
  config: S2Config,
): CheckpointMatch {
  const { vocabSize } = config.language;
  const resized = new Map<string, ResizedTable>();
  const shapes = new Map(
    [...folder.tensors].map(([stored, { shape }]) => {
      const name = canonicalName(stored);
      const [rows, ...rest] = shape as number[];
      const change =
        /^(?:model\.embed_tokens|lm_head)\.weight$/.test(name) && rows !== undefined
          ? resize(rows, vocabSize)
          : undefined;
      if (change === undefined) return [stored, { shape }];
      resized.set(name, change);
      return [stored, { shape: [vocabSize, ...rest] }];
    }),
  );
  const all = matchNames(specs, shapes);
  const held = new Set([...all.found.keys(), ...all.misshapen.map(({ name }) => canonicalName(name))].map(groupOf));
  const match = matchNames(
    specs.filter(({ name }) => held.has(groupOf(name))),
    shapes,
  );
  const { claim, problems } = checkHfConfig(folder.folder, config);
  const quantised = [...all.found.values()].filter((name) => !floats.includes(folder.tensors.get(name)!.dtype));
  const unknown = all.found.size + all.misshapen.length === 0;
  return {
    parts: (Object.keys(modelParts) as ModelPart[]).filter((part) => held.has(part)),
    match,
    resized,
    claim,
    problems: [
      ...(unknown
        ? [`none of its ${folder.tensors.size} tensors is one of the model's: it belongs to another model`]
        : []),
      ...problems,
      ...matchProblems(match),
      ...quantised.map(
        (name) => `${name}: stored as ${folder.tensors.get(name)!.dtype}, expected one of ${floats.join(", ")}`,
      ),
    ],
  };
}

/** A few of many lines, and how many more there are. */
export function firstLines(lines: readonly string[], most = 8): string {
  return lines.slice(0, most).join("; ") + (lines.length > most ? `; and ${lines.length - most} more` : "");
}
