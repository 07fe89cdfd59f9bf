import { z } from "zod";
import { suggestion, UserError, unknownName } from "../core/errors";
import { ablations } from "./ablations";
import { type PresetName, presets } from "./presets";
import { S2Config } from "./schema";

type Json = Record<string, unknown>;

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `change` laid over `base`, record by record; arrays and scalars replace. */
export function merge(base: Json, change: Json): Json {
  const out: Json = { ...base };
  for (const [key, value] of Object.entries(change)) {
    const old = out[key];
    out[key] = isRecord(old) && isRecord(value) ? merge(old, value) : value;
  }
  return out;
}

/** Turns "training.steps=30" into {training: {steps: 30}}; the value is JSON where it parses, else text. */
export function parseOverride(text: string): Json {
  const match = /^([A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*)=(.*)$/.exec(text);
  if (match === null) throw new UserError(`--set takes path=value such as training.steps=30, got "${text}"`, 2);
  let value: unknown = match[2]!;
  try {
    value = JSON.parse(match[2]!);
  } catch {
    // plain text, such as a folder name
  }
  return match[1]!.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Json;
}

/** A schema without its default, or what an optional key holds. */
function insideOf(schema: unknown): unknown {
  let at = schema;
  while (at instanceof z.ZodPrefault || at instanceof z.ZodDefault || at instanceof z.ZodOptional)
    at = at.def.innerType;
  return at;
}

function keysOf(schema: unknown, path: readonly PropertyKey[]): string[] {
  let at = schema;
  for (const key of path) {
    at = insideOf(at);
    if (!(at instanceof z.ZodObject)) return [];
    at = (at.shape as Record<string, unknown>)[String(key)];
  }
  at = insideOf(at);
  return at instanceof z.ZodObject ? Object.keys(at.shape as object) : [];
}

function explain(error: z.ZodError): string {
  return error.issues
    .map((issue) => {
      const where = issue.path.length === 0 ? "the top level" : issue.path.join(".");
      if (issue.code === "unrecognized_keys") {
        const known = keysOf(S2Config, issue.path);
        return issue.keys
          .map((key) => `unknown key "${key}" at ${where}${suggestion(key, known)}; known: ${known.join(", ")}`)
          .join("; ");
      }
      return `${where}: ${issue.message}`;
    })
    .join("; ");
}

/** Parses a whole config. @throws UserError that names each wrong key */
export function parseConfig(value: unknown, origin: string): S2Config {
  const result = S2Config.safeParse(value);
  if (!result.success) throw new UserError(`config from ${origin}: ${explain(result.error)}`, 2);
  const config = result.data;
  const refuse = (why: string): never => {
    throw new UserError(`config from ${origin}: ${why}`, 2);
  };
  const { training, data } = config;
  if (training.epochs === undefined && training.steps === undefined)
    refuse("training has neither epochs nor steps; set training.epochs=1, or training.steps");
  const sets: readonly string[] = data.sentences ?? ["scanrefer"];
  for (const set of Object.keys(data.sentenceWeights ?? {})) {
    if (!sets.includes(set))
      refuse(`data.sentenceWeights names ${set}, but data.sentences is ${JSON.stringify(sets)}; name it there`);
    if (training.epochs === undefined)
      refuse("data.sentenceWeights is for training by epochs; set training.epochs, or leave the weights out");
  }
  const { language: lm, vision, structure } = config;
  const divides = (small: number, big: number, names: string): void => {
    if (big % small !== 0) throw new UserError(`config from ${origin}: ${names} (${small} does not divide ${big})`, 2);
  };
  divides(lm.heads, lm.hiddenSize, "language.hiddenSize must be divisible by language.heads");
  divides(lm.kvHeads, lm.heads, "language.heads must be divisible by language.kvHeads");
  divides(2, lm.hiddenSize / lm.heads, "the language model's head size must be even for its rotary positions");
  if (lm.copyValues && lm.kvHeads !== lm.heads) {
    throw new UserError(
      `config from ${origin}: language.copyValues needs kvHeads = heads, got ${lm.kvHeads} and ${lm.heads}`,
      2,
    );
  }
  const { sentences, referFilters } = config.data;
  if (referFilters !== undefined && (sentences ?? ["scanrefer"]).every((set) => set === "scanrefer")) {
    throw new UserError(
      `config from ${origin}: data.referFilters is for nr3d and sr3d, but data.sentences is ` +
        `${JSON.stringify(sentences ?? ["scanrefer"])}; name them there or leave the filters out`,
      2,
    );
  }
  divides(vision.heads, vision.hiddenSize, "vision.hiddenSize must be divisible by vision.heads");
  if (structure.interView || structure.intraView) {
    divides(structure.heads, vision.hiddenSize, "vision.hiddenSize must be divisible by structure.heads");
  }
  return config;
}

/** A configuration with some values changed, each "a.b=3". @throws UserError that names each wrong key */
export function changedConfig(config: S2Config, set: readonly string[]): S2Config {
  return parseConfig(
    set.reduce<Json>((value, text) => merge(value, parseOverride(text)), config),
    `preset "${config.preset}", ${set.join(", ")}`,
  );
}

/** What an ablation changes: one name, or several joined by "+", such as "no-sg+no-phi". @throws UserError */
function ablationChanges(ablation: string): Json[] {
  return ablation.split("+").map((name) => {
    if (!Object.hasOwn(ablations, name)) throw unknownName("ablation", name, Object.keys(ablations));
    return ablations[name as keyof typeof ablations];
  });
}

export interface ConfigRequest {
  readonly preset: string;
  /** One, or several joined by "+": each is laid over the one before. */
  readonly ablation?: string;
  /** "a.b=3" */
  readonly set?: readonly string[];
  readonly seed?: number;
}

/** Preset, then ablation, then overrides, then seed. */
export function resolveConfig(request: ConfigRequest): S2Config {
  if (!Object.hasOwn(presets, request.preset)) throw unknownName("preset", request.preset, Object.keys(presets));
  const ablation = request.ablation ?? "full";
  let value = presets[request.preset as PresetName] as Json;
  for (const change of ablationChanges(ablation)) value = merge(value, change);
  for (const text of request.set ?? []) value = merge(value, parseOverride(text));
  if (request.seed !== undefined) value = merge(value, { seed: request.seed });
  return parseConfig(value, `preset "${request.preset}"${ablation === "full" ? "" : `, ablation "${ablation}"`}`);
}
